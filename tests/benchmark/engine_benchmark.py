#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine beside its peers: samples a second, one core, taken in turns.

Every contestant is a driver (tests/benchmark/driver.h) pinned to the same core.
A round asks each of them the same question, one after another; what is
reported are medians over the rounds, so that a machine that is slow for a while
is slow for all. Prints a table and writes it as JSON.

First the engine, PyTorch and JAX train small networks from the same weights on
the same samples: a figure of one that computes something else is worth nothing,
so that ends the program. --check does only that.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import driver
import figures
import numpy as np
from figures import Row

NETWORKS = [
    "8-16-1",
    "64-32-10",
    "784-128-10",
    "784-512-512-10",
    "1024-4096-4096-1000",
]
# (batch size, optimiser, networks, peers)
ROWS = [
    (1, "sgd", NETWORKS, ["jax", "pytorch", "fann", "blas-gemv-ger", "roofline"]),
    (32, "sgd", NETWORKS[2:4], ["jax", "pytorch", "roofline"]),
    (256, "sgd", NETWORKS[2:4], ["jax", "pytorch", "roofline"]),
    (1, "momentum", NETWORKS[2:4], ["jax", "pytorch"]),
    (1, "adam", NETWORKS[1:4], ["jax", "pytorch"]),
]
LARGE = "1024-4096-4096-1000"
# The engine trains the second one block by block, the first one directly.
CHECKED_NETWORKS = ["8-16-12-4", "classifier:64-128-10"]
SAME_MATHEMATICS = ["jax", "pytorch"]


class Driver:
    """A running driver process."""

    def __init__(self, command: list[str], core: int) -> None:
        self._program = command[-1]
        environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def _ask(self, *words: str | float) -> str | None:
        assert self._process.stdin
        assert self._process.stdout
        print(*words, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().strip()
        if not answer:
            sys.exit(f"{self._program}: ended without an answer")
        return None if answer == "none" else answer

    def rate(self, network: str, batch: int, optimiser: str, seconds: float) -> float | None:
        """Samples a second, or None if the driver cannot do that."""
        answer = self._ask(network, batch, optimiser, seconds)
        return None if answer is None else float(answer)

    def weights(self, network: str, batch: int, optimiser: str) -> np.ndarray:
        """All weights after one pass over the samples."""
        answer = self._ask(network, batch, optimiser, "weights")
        if answer is None:
            sys.exit(f"{self._program}: does not tell its weights")
        return np.array(answer.split(), dtype=np.float32)

    def kernels(self) -> str:
        """OpenBLAS's version and the type of CPU that its kernels are for."""
        answer = self._ask("kernels")
        if answer is None:
            sys.exit(f"{self._program}: does not compute with OpenBLAS")
        return answer

    def close(self) -> None:
        """Lets the driver end."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def form_name(batch: int, optimiser: str) -> str:
    """sgd1, batch32 and so on."""
    return f"{optimiser}1" if batch == 1 else f"batch{batch}"


def row_name(network: str, batch: int, optimiser: str) -> str:
    """engine/sgd1/784-128-10, engine/batch32/784-128-10 and so on."""
    return f"engine/{form_name(batch, optimiser)}/{network}"


def check(drivers: dict[str, Driver]) -> None:
    """Ends the program if a peer computes something else than the engine."""
    largest = 0.0
    for network in CHECKED_NETWORKS:
        for batch, optimiser, _, _ in ROWS:
            question = driver.parse(f"{network} {batch} {optimiser} weights")
            start = driver.flat(driver.initial_weights(question))
            ours = drivers["engine"].weights(network, batch, optimiser)
            for peer in SAME_MATHEMATICS:
                apart = driver.distance(ours, drivers[peer].weights(network, batch, optimiser), start)
                if not apart <= driver.TOLERANCE:
                    sys.exit(
                        f"{peer} does not compute what the engine does: after one pass of"
                        f" {form_name(batch, optimiser)} over {network} their weights are {apart:.2g}"
                        f" of the way apart, and rounding makes at most {driver.TOLERANCE:g}"
                    )
                largest = max(largest, apart)
    print(
        f"{', '.join(SAME_MATHEMATICS)}: the engine's weights after {driver.SAMPLES} samples,"
        f" but for {largest:.2g} of the way at most"
    )


def measure_row(
    drivers: dict[str, Driver],
    network: str,
    batch: int,
    optimiser: str,
    peers: list[str],
    rounds: int,
) -> list[Row]:
    """One network trained in one way, against each peer."""
    seconds = 3.0 if network == LARGE else 0.25
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        for contestant in ["engine", *peers]:
            if contestant == "roofline":
                answer = drivers["blas"].rate(network, batch, "roofline", 0.1)
            else:
                asked = drivers[contestant.removesuffix("-gemv-ger")]
                answer = asked.rate(network, batch, optimiser, seconds)
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


def print_row(row: Row) -> None:
    """A line of the table."""
    print(
        f"{row['name']:34} {row['value']:12.1f} {row['unit']:10}"
        f" {row['peer']:14} {row['peer_value']:12.1f} {row['ratio']:9.2f}",
        flush=True,
    )


def measure(drivers: dict[str, Driver], kernels: str, only: str, rounds: int) -> list[Row]:
    """Measures and prints all rows whose name contains `only`."""
    rows = []
    print(f"{kernels:34} {'value':>12} {'unit':10} {'peer':14} {'peer value':>12} {'ratio':>9}")
    for batch, optimiser, networks, peers in ROWS:
        for network in networks:
            if only not in row_name(network, batch, optimiser):
                continue
            found = measure_row(drivers, network, batch, optimiser, peers, rounds)
            for row in found:
                row["kernels"] = kernels
                print_row(row)
            rows += found
    return rows


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drivers", type=pathlib.Path, required=True, help="folder of the drivers that were built")
    parser.add_argument(
        "--peers", type=pathlib.Path, required=True, help="virtual environment that peers.txt is installed in"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--core", type=int, default=(os.cpu_count() or 1) - 1, help="the core that all contestants run on, in turns"
    )
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--check", action="store_true", help="only see whether peers compute what the engine does")
    parser.add_argument(
        "--with",
        dest="others",
        type=pathlib.Path,
        nargs="*",
        default=[],
        help="JSON lists of rows, of the same machine and day, to put in front of ours",
    )
    parser.add_argument("--json", type=pathlib.Path, help="where to write the rows")
    return parser.parse_args()


def main() -> None:
    """Checks, measures, prints, writes."""
    options = parse_options()
    here = pathlib.Path(__file__).parent
    commands = {name: [str(options.drivers / f"{name}_driver")] for name in ("engine", "fann", "blas")} | {
        "pytorch": ["/usr/bin/python3", str(here / "pytorch_driver.py")],
        "jax": [str(options.peers / "bin/python"), str(here / "jax_driver.py")],
    }
    drivers = {name: Driver(argv, options.core) for name, argv in commands.items()}
    here_and_now = figures.machine()
    print(f"{here_and_now['processor']}, {here_and_now['value']} cores, {here_and_now['date']}")
    kernels = drivers["engine"].kernels()
    rows = [here_and_now]
    for other in options.others:
        rows += figures.rows_of(other, json.loads(other.read_text()), here_and_now, kernels)
    check(drivers)
    if not options.check:
        rows += measure(drivers, kernels, options.only, options.rounds)
    for running in drivers.values():
        running.close()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
