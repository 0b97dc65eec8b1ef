#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures are joined with those of the same run alone."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import figures

HERE = {"name": "machine", "value": 2, "unit": "cores", "processor": "Babbage", "date": "2026-03-01"}
KERNELS = "Brass 1"
FIGURE = {"name": "crowd/idle", "value": 3.0, "unit": "MB", "kernels": KERNELS}


def join(*rows: dict) -> list[dict]:
    """What is taken of those rows."""
    return figures.rows_of(pathlib.Path("crowd.json"), list(rows), HERE, KERNELS)


class RowsOfTest(unittest.TestCase):
    def test_the_same_runs_are_taken_and_the_machine_is_not_told_twice(self) -> None:
        self.assertEqual(join(HERE, FIGURE), [FIGURE])

    def test_a_run_may_go_past_midnight(self) -> None:
        self.assertEqual(join({**HERE, "date": "2026-02-28"}, FIGURE), [FIGURE])

    def test_another_runs_are_refused_with_what_differs(self) -> None:
        for says, *rows in (
            ("crowd.json does not say on which machine", FIGURE),
            ("crowd.json was measured on Zuse, 2 cores; this is Babbage, 2", {**HERE, "processor": "Zuse"}, FIGURE),
            ("crowd.json was measured on Babbage, 8 cores", {**HERE, "value": 8}, FIGURE),
            ("crowd.json was measured on 2026-02-27", {**HERE, "date": "2026-02-27"}, FIGURE),
            ("crowd.json was measured on 2026-03-03", {**HERE, "date": "2026-03-03"}, FIGURE),
            ("crowd.json was measured with Steel 2", HERE, FIGURE, {**FIGURE, "kernels": "Steel 2"}),
        ):
            with self.subTest(says=says), self.assertRaises(SystemExit) as refused:
                join(*rows)
            self.assertIn(says, str(refused.exception))

    def test_this_machine_is_told_with_the_day(self) -> None:
        row = figures.machine()
        self.assertEqual(row["name"], "machine")
        self.assertRegex(row["processor"], r".+ \(.+\)")
        self.assertRegex(row["date"], r"^\d{4}-\d\d-\d\d$")


if __name__ == "__main__":
    unittest.main()
