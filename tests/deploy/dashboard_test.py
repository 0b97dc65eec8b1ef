#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard can be imported anywhere: nothing in it belongs to one Grafana."""

import re
import unittest
from itertools import combinations
from typing import Any, Iterator

from dashboard import dashboard, panels, queries

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def datasources(node: Any) -> Iterator[Any]:
    """Every value under a key "datasource", wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "datasource":
                yield value
            yield from datasources(value)
    elif isinstance(node, list):
        for value in node:
            yield from datasources(value)


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    """Whether two panels' places (x, y, w, h; Grafana's grid) share a cell."""
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


class DashboardTest(unittest.TestCase):
    def test_its_uid_is_fixed_and_its_numeric_id_is_not(self) -> None:
        self.assertEqual(dashboard()["uid"], "backpropd")
        self.assertIsNone(dashboard().get("id"))

    def test_every_datasource_is_the_variable(self) -> None:
        found = list(datasources(dashboard()))
        self.assertGreater(len(found), len(panels()))
        for value in found:
            self.assertEqual(value, DATASOURCE)

    def test_every_query_and_its_panel_name_the_datasource(self) -> None:
        for panel in panels():
            if panel["type"] == "row":
                continue
            self.assertIn("datasource", panel, panel["title"])
            for target in panel["targets"]:
                self.assertIn("datasource", target, panel["title"])

    def test_variables_in_queries_are_defined(self) -> None:
        defined = {variable["name"] for variable in dashboard()["templating"]["list"]}
        self.assertEqual(defined, {"datasource", "job", "instance"})
        for query in queries():
            used = set(re.findall(r"\$\{?(\w+)", query.expression))
            self.assertLessEqual(used, defined | {"__rate_interval"}, query)
            self.assertLessEqual({"job", "instance"}, used, query)

    def test_panels_are_unique_named_and_side_by_side(self) -> None:
        for key in ("id", "title"):
            values = [panel[key] for panel in panels()]
            self.assertEqual(sorted(set(values)), sorted(values))
        for a, b in combinations(panels(), 2):
            self.assertFalse(overlap(a["gridPos"], b["gridPos"]), (a["title"], b["title"]))

    def test_every_panel_says_what_it_shows(self) -> None:
        for panel in panels():
            if panel["type"] != "row":
                self.assertTrue(panel["description"].endswith("."), panel["title"])

    def test_targets_of_a_panel_have_ids_of_their_own(self) -> None:
        for panel in panels():
            ids = [target["refId"] for target in panel.get("targets", [])]
            self.assertEqual(len(set(ids)), len(ids), panel["title"])


if __name__ == "__main__":
    unittest.main()
