#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Walks through every state of resume.pml with spin, and through planted faults.

    check_model.py           two messages, one crash, without and with HELD:
                             52 and 228 thousand states, a minute
    check_model.py --whole   four messages, two crashes, all variants of the
                             clients: 1.0 to 4.1 million states each; of HELD
                             three messages, 2.6 million states: some minutes of
                             one core in all, and 1 GB of memory

Every state is stored in full, none as a hash only: nothing is passed over.
Fails where the model does, and where a planted fault is not seen.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "resume.pml"
SMALL = {"MESSAGES": 2, "CRASHES": 1, "OPENINGS": 2}
WHOLE = {"MESSAGES": 4, "CRASHES": 2, "OPENINGS": 2}
# With what is held each further message makes five times as many states.
HELD_WHOLE = {"MESSAGES": 3, "CRASHES": 2, "OPENINGS": 2}
LARGE = [(WHOLE, []), (WHOLE, ["EAGER"]), (WHOLE, ["RESTLESS"]), (HELD_WHOLE, ["HELD"])]
# Each fault, and the variant of the clients that meets it.
FAULTS = {
    "ANSWER_EARLY": [],
    "KEEP_OLD_STREAM": [],
    "NO_SKIP": ["EAGER"],
    "NO_RESYNC": [],
    "ANY_ANSWER": ["RESTLESS"],
    "FROM_ANSWERED": [],
    "STUBBORN": [],
    "HELD_OVER_CRASH": ["HELD"],
    "HELD_AS_NOW": ["HELD"],
    "HELD_ANEW": ["HELD"],
    "GAP_UNSEEN": ["HELD"],
}


def walk(sizes, names, memory_mb):
    """(errors, states, megabytes, what spin says first) of one walk through the model."""
    defines = [f"-D{name}={value}" for name, value in sizes.items()]
    defines += [f"-D{name}" for name in names]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["spin", "-a", *defines, str(MODEL)], cwd=folder, check=True)
        subprocess.run(
            ["cc", "-O1", "-w", "-DSAFETY", f"-DMEMLIM={memory_mb}", "-o", "pan", "pan.c"],
            cwd=folder,
            check=True,
        )
        said = subprocess.run(
            ["./pan", "-m100000"],
            cwd=folder,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"([\d.e+]+) states, stored", said)
    memory = re.search(r"([\d.]+)\s+total actual memory usage", said)
    if (
        errors is None
        or states is None
        or memory is None
        or (("Search not completed" in said or "max search depth" in said) and errors.group(1) == "0")
    ):
        sys.exit(f"spin did not come to the end of {names}:\n{said}")
    return int(errors.group(1)), float(states.group(1)), float(memory.group(1)), said.splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--memory-mb", type=int, default=8000)
    args = parser.parse_args()

    failed = False
    for sizes, names in LARGE if args.whole else [(SMALL, []), (SMALL, ["HELD"])]:
        errors, states, megabytes, first = walk(sizes, names, args.memory_mb)
        name = " ".join(names) or "the model"
        print(f"{name}: {errors} errors, {states:,.0f} states, {megabytes:,.0f} MB", flush=True)
        if errors:
            print(first)
            failed = True
    for fault, names in FAULTS.items():
        errors, states, _, first = walk(SMALL, [fault, *names], args.memory_mb)
        seen = "seen" if errors else "NOT SEEN"
        print(f"{fault}: {seen} after {states:,.0f} states: {first}", flush=True)
        failed |= errors == 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
