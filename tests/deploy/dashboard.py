# SPDX-License-Identifier: Apache-2.0
"""Reads deploy/grafana/dashboards/backpropd.json."""

import json
import pathlib
from dataclasses import dataclass
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    panel: str
    expression: str


def dashboard() -> dict[str, Any]:
    return json.loads((ROOT / "deploy/grafana/dashboards/backpropd.json").read_text())


def panels() -> list[dict[str, Any]]:
    """Every panel, rows included."""
    return [inner for panel in dashboard()["panels"] for inner in (panel, *panel.get("panels", []))]


def queries() -> list[Query]:
    return [
        Query(panel["title"], target["expr"])
        for panel in panels()
        for target in panel.get("targets", [])
    ]
