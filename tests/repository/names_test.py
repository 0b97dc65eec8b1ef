#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files have names that say something, and lie where they are looked for."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Words that fit every file say nothing about this one.
FORBIDDEN = {
    "manager", "helper", "util", "common", "misc", "handler", "processor", "wrapper", "base", "impl",
}
TOP_LEVEL = {
    "proto", "engine", "server", "client", "deploy", "tests",
    "CMakeLists.txt", "CMakePresets.json", "Dockerfile", "README.md", "LICENSE",
}
TYPE = re.compile(r"^[ \t]*(?:enum[ \t]+)?(?:class|struct|concept|message|service)[ \t]+(\w+)", re.M)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
COMMENTED = {".h", ".cc", ".proto", ".py", ".sh"}


def files() -> list[pathlib.PurePosixPath]:
    """Every file of the tree that git does not ignore."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    names = map(pathlib.PurePosixPath, listing.splitlines())
    return [name for name in names if (ROOT / name).is_file()]


def forbidden_words(name: str) -> set[str]:
    """Forbidden words in a file's or type's name, plurals included."""
    words = {word.lower() for word in WORD.findall(name)}
    return {word for word in FORBIDDEN if words & {word, word + "s"}}


def misplaced(path: pathlib.PurePosixPath) -> bool:
    """Whether the path's first part is not to be at the top of the tree."""
    return path.parts[0] not in TOP_LEVEL and not path.parts[0].startswith(".")


class NamesTest(unittest.TestCase):
    def test_no_path_holds_a_word_that_says_nothing(self) -> None:
        found = {str(path): words for path in files() if (words := forbidden_words(str(path)))}
        self.assertEqual(found, {})

    def test_no_type_holds_a_word_that_says_nothing(self) -> None:
        found = [
            f"{path}: {name}"
            for path in files()
            if path.suffix in {".h", ".cc", ".proto"}
            for name in TYPE.findall((ROOT / path).read_text())
            if forbidden_words(name)
        ]
        self.assertEqual(found, [])

    def test_the_top_holds_only_what_the_design_lists(self) -> None:
        self.assertEqual([str(path) for path in files() if misplaced(path)], [])

    def test_every_source_names_its_licence_at_its_head(self) -> None:
        found = [
            str(path)
            for path in files()
            if path.suffix in COMMENTED
            and "SPDX-License-Identifier: Apache-2.0" not in (ROOT / path).read_text()[:300]
        ]
        self.assertEqual(found, [])


class PlantedNamesTest(unittest.TestCase):
    def test_forbidden_words_are_found_in_every_spelling(self) -> None:
        for name in ("session_manager.h", "SessionManager", "utils.py", "server/common/x.h", "TrainStreamImpl",
                     "GRPCHandler"):
            with self.subTest(name=name):
                self.assertNotEqual(forbidden_words(name), set())

    def test_words_that_only_contain_them_pass(self) -> None:
        for name in ("database.h", "simple.cc", "utility", "Implementation", "database_test.cc"):
            with self.subTest(name=name):
                self.assertEqual(forbidden_words(name), set())

    def test_a_stray_top_level_entry_is_found(self) -> None:
        self.assertTrue(misplaced(pathlib.PurePosixPath("scripts/x.sh")))
        self.assertTrue(misplaced(pathlib.PurePosixPath("notes.md")))
        self.assertFalse(misplaced(pathlib.PurePosixPath(".ci/run")))
        self.assertFalse(misplaced(pathlib.PurePosixPath("engine/contract/layout.h")))


if __name__ == "__main__":
    unittest.main()
