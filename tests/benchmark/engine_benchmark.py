#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside its peers: samples a second, one core, taken in turns.

Every contestant is a driver (tests/benchmark/driver.h) pinned to the same core.
A round asks each of them the same question, one after another; what is
reported are medians over the rounds, so that a machine that is slow for a while
is slow for all. Prints a table and writes it as JSON."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

NETWORKS = [
    "8-16-1",
    "64-32-10",
    "784-128-10",
    "784-512-512-10",
    "1024-4096-4096-1000",
]
# (batch size, optimiser, networks, peers)
ROWS = [
    (1, "sgd", NETWORKS, ["fann", "pytorch", "blas-gemv-ger", "roofline"]),
    (32, "sgd", NETWORKS[2:4], ["pytorch", "roofline"]),
    (256, "sgd", NETWORKS[2:4], ["pytorch", "roofline"]),
    (1, "momentum", NETWORKS[2:4], ["pytorch"]),
    (1, "adam", NETWORKS[1:4], ["pytorch"]),
]
LARGE = "1024-4096-4096-1000"


class Driver:
    """A running driver process."""

    def __init__(self, command: list[str], core: int) -> None:
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, network: str, batch: int, optimiser: str, seconds: float) -> float | None:
        """Samples a second, or None if the driver cannot do that."""
        assert self._process.stdin and self._process.stdout
        print(network, batch, optimiser, seconds, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().strip()
        if not answer:
            sys.exit(f"{self._process.args}: ended without an answer")
        return None if answer == "none" else float(answer)

    def kernels(self) -> str:
        """OpenBLAS's version and the type of CPU that its kernels are for."""
        assert self._process.stdin and self._process.stdout
        print("kernels", file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Lets the driver end."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def row_name(network: str, batch: int, optimiser: str) -> str:
    """engine/sgd1/784-128-10, engine/batch32/784-128-10 and so on."""
    form = f"{optimiser}1" if batch == 1 else f"batch{batch}"
    return f"engine/{form}/{network}"


def measure_row(
    drivers: dict[str, Driver],
    network: str,
    batch: int,
    optimiser: str,
    peers: list[str],
    rounds: int,
) -> list[dict]:
    """One network trained in one way, against each peer."""
    seconds = 3.0 if network == LARGE else 0.25
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        for contestant in ["engine", *peers]:
            if contestant == "roofline":
                answer = drivers["blas"].ask(network, batch, "roofline", 0.1)
            else:
                driver = drivers[contestant.removesuffix("-gemv-ger")]
                answer = driver.ask(network, batch, optimiser, seconds)
            if answer is not None:
                values.setdefault(contestant, []).append(answer)
    medians = {name: statistics.median(found) for name, found in values.items()}
    return [
        {
            "name": row_name(network, batch, optimiser),
            "value": medians["engine"],
            "unit": "samples/s",
            "peer": peer,
            "peer_value": medians[peer],
            "ratio": medians["engine"] / medians[peer],
        }
        for peer in peers
    ]


def print_row(row: dict) -> None:
    """A line of the table."""
    print(
        f"{row['name']:34} {row['value']:12.1f} {row['unit']:10}"
        f" {row['peer']:14} {row['peer_value']:12.1f} {row['ratio']:9.2f}",
        flush=True,
    )


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", type=pathlib.Path, required=True,
                        help="folder of the drivers that were built")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=(os.cpu_count() or 1) - 1,
                        help="the core that all contestants run on, in turns")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--with", dest="others", type=pathlib.Path, nargs="*", default=[],
                        help="JSON lists of rows to put in front of ours")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the rows")
    options = parser.parse_args()
    pytorch = pathlib.Path(__file__).with_name("pytorch_driver.py")
    commands = {
        name: [str(options.drivers / f"{name}_driver")]
        for name in ("engine", "fann", "blas")
    } | {"pytorch": ["/usr/bin/python3", str(pytorch)]}
    drivers = {name: Driver(argv, options.core) for name, argv in commands.items()}
    rows = [row for other in options.others for row in json.loads(other.read_text())]
    kernels = drivers["engine"].kernels()
    print(f"{kernels:34} {'value':>12} {'unit':10} {'peer':14} {'peer value':>12} {'ratio':>9}")
    for batch, optimiser, networks, peers in ROWS:
        for network in networks:
            if options.only not in row_name(network, batch, optimiser):
                continue
            found = measure_row(drivers, network, batch, optimiser, peers, options.rounds)
            for row in found:
                row["kernels"] = kernels
                print_row(row)
            rows += found
    for driver in drivers.values():
        driver.close()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
