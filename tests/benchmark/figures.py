# SPDX-License-Identifier: Apache-2.0
"""Rows of build/benchmark.json that engine_benchmark.py does not measure itself."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform
import sys
from typing import Any

Row = dict[str, Any]


def machine() -> Row:
    """What is measured on, and when: a row without a peer, whose value is the number of cores.

    figures.cc writes the same one.
    """
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    numbers = ", ".join(f"{name} {facts[name]}" for name in ("cpu family", "model") if name in facts)
    return {
        "name": "machine",
        "value": os.cpu_count(),
        "unit": "cores",
        "processor": f"{facts.get('model name', platform.machine())} ({numbers or 'unknown'})",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def _differs(here: Row, kernels: str, rows: list[Row]) -> str:
    """What makes rows another run's; empty: nothing."""
    there = next((row for row in rows if row["name"] == "machine"), None)
    if there is None:
        return "does not say on which machine it was measured"
    for what in ("processor", "value"):
        if there[what] != here[what]:
            return f"was measured on {there['processor']}, {there['value']} cores"
    dates = [datetime.date.fromisoformat(row["date"]) for row in (here, there)]
    if abs((dates[0] - dates[1]).days) > 1:  # a run may go past midnight
        return f"was measured on {there['date']}"
    others = {row["kernels"] for row in rows if "kernels" in row} - {kernels}
    return f"was measured with {', '.join(sorted(others))}" if others else ""


def rows_of(path: pathlib.Path, rows: list[Row], here: Row, kernels: str) -> list[Row]:
    """The figures of a file that another benchmark wrote.

    Ends the program if they are another machine's, day's or OpenBLAS kernels' than
    those that they shall stand beside.
    """
    differs = _differs(here, kernels, rows)
    if differs:
        sys.exit(
            f"{path} {differs}; this is {here['processor']}, {here['value']} cores, {here['date']}, with"
            f" {kernels}: figures of two runs say nothing beside each other, measure all with tests/benchmark/run.sh"
        )
    return [row for row in rows if row["name"] != "machine"]
