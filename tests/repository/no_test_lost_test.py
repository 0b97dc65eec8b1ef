#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test is run: a file of tests that no CMakeLists.txt names would pass unseen."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# pytest finds these itself.
FOUND_BY_PYTEST = "tests/client/python/"
# Each lets a file or folder that is missing pass in silence.
SILENT = re.compile(r"\bOPTIONAL\b|if\s*\(\s*EXISTS\b")


def listing(pattern: str) -> list[pathlib.Path]:
    """The files of tests/ that match and that git does not ignore."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", f":(glob)tests/**/{pattern}"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def unnamed(file: str, text: str) -> bool:
    """Whether a list's text does not hold the file, which is given from the list's folder.

    A Python test may stand there, as in a foreach, by its stem without _test.
    """
    names, before = [file], r"[\w./]"
    if file.endswith(".py"):  # after a variable that holds the folder
        stem = pathlib.PurePosixPath(file).stem
        names += [stem, stem.removesuffix("_test")]
        before = r"[\w.]"
    return not any(re.search(rf"(?<!{before}){re.escape(name)}(?![\w.])", text) for name in names)


def listed(path: pathlib.Path) -> bool:
    """Whether the nearest CMakeLists.txt above the file names it."""
    folder = next(folder for folder in path.parents if (folder / "CMakeLists.txt").is_file())
    return not unnamed(path.relative_to(folder).as_posix(), (folder / "CMakeLists.txt").read_text())


class NoTestLostTest(unittest.TestCase):
    def test_every_file_of_tests_is_named_in_a_list(self) -> None:
        files = listing("*_test.cc") + listing("*_test.py")
        lost = [str(path.relative_to(ROOT)) for path in files if not listed(path)]
        self.assertEqual([file for file in lost if not file.startswith(FOUND_BY_PYTEST)], [])

    def test_no_list_skips_what_is_missing(self) -> None:
        for path in listing("CMakeLists.txt"):
            self.assertIsNone(SILENT.search(path.read_text()), path)

    def test_planted_losses_are_found(self) -> None:
        self.assertTrue(unnamed("new_test.cc", "SOURCES a_test.cc renew_test.cc"))
        self.assertTrue(unnamed("b.cc", "ab.cc b.cc.o"))
        self.assertTrue(unnamed("calls/session_test.cc", "sessions/session_test.cc"))
        self.assertTrue(unnamed("session_test.cc", "calls/session_test.cc"))
        self.assertFalse(unnamed("calls/session_test.cc", "SOURCES calls/session_test.cc"))
        self.assertFalse(unnamed("names_test.py", "foreach(name IN ITEMS names)"))
        for line in ("include(ops.cmake OPTIONAL)", "if(EXISTS ${folder})"):
            self.assertIsNotNone(SILENT.search(line))


if __name__ == "__main__":
    unittest.main()
