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


def unnamed(file: str, lists: str) -> bool:
    """Whether the lists hold neither the file's name nor, as in a foreach, its stem without _test."""
    path = pathlib.PurePosixPath(file)
    names = (path.name, path.stem, path.stem.removesuffix("_test"))
    return not any(re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", lists) for name in names)


class NoTestLostTest(unittest.TestCase):
    def test_every_file_of_tests_is_named_in_a_list(self) -> None:
        lists = "\n".join(path.read_text() for path in listing("CMakeLists.txt"))
        files = [str(path.relative_to(ROOT)) for path in listing("*_test.cc") + listing("*_test.py")]
        self.assertEqual([file for file in files if not file.startswith(FOUND_BY_PYTEST) and unnamed(file, lists)], [])

    def test_no_list_skips_what_is_missing(self) -> None:
        for path in listing("CMakeLists.txt"):
            self.assertIsNone(SILENT.search(path.read_text()), path)

    def test_planted_losses_are_found(self) -> None:
        self.assertTrue(unnamed("tests/engine/new_test.cc", "SOURCES a_test.cc renew_test.cc"))
        self.assertTrue(unnamed("tests/a/b.cc", "ab.cc b.cc.o"))
        self.assertFalse(unnamed("tests/repository/names_test.py", "foreach(name IN ITEMS names)"))
        for line in ("include(ops.cmake OPTIONAL)", "if(EXISTS ${folder})"):
            self.assertIsNotNone(SILENT.search(line))


if __name__ == "__main__":
    unittest.main()
