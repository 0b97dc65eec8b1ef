#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bugs that tests/end_to_end/planted_bugs.py plants are still bugs of this tree's sources."""

import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/end_to_end"))

from planted_bugs import Bug, bugs  # noqa: E402


def does_not_apply(bug: Bug) -> str:
    """What git says; nothing where it applies."""
    done = subprocess.run(["git", "apply", "--check", bug.patch], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stderr


class PlantedBugsTest(unittest.TestCase):
    def test_there_are_enough_of_them(self) -> None:
        self.assertGreaterEqual(len(bugs()), 10)

    def test_each_can_be_planted(self) -> None:
        for bug in bugs():
            with self.subTest(bug=bug.name):
                self.assertEqual(does_not_apply(bug), "")

    def test_each_is_caught_by_a_test_that_there_is(self) -> None:
        lists = "".join(path.read_text() for path in (ROOT / "tests").rglob("CMakeLists.txt"))
        for bug in bugs():
            with self.subTest(bug=bug.name):
                self.assertIn(bug.test, lists)
                self.assertNotEqual(bug.arguments, "")


if __name__ == "__main__":
    unittest.main()
