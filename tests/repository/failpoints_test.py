#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each place of server/store/failpoint.h is in the server once, is died at by a test, and is in no release."""

import ast
import json
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENUM = re.compile(r"^  k(\w+),", re.M)
CALL = re.compile(r"\bMayDieAt\(Failpoint::k(\w+)\)")
DIED_AT = "tests/end_to_end/crash/failpoints.py"


def text_of(path: str) -> str:
    return (ROOT / path).read_text()


def spelled(name: str) -> str:
    """HeadPut as head_put."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def constants(text: str, name: str) -> set[str]:
    """The text, or the keys of the dictionary, that a Python file gives to a name."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [name]:
            if isinstance(node.value, ast.Dict):
                return {ast.literal_eval(key) for key in node.value.keys if key is not None}
            return {ast.literal_eval(node.value)}
    return set()


class FailpointsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.names = ENUM.findall(text_of("server/store/failpoint.h"))

    def test_there_are_enough_of_them(self) -> None:
        self.assertGreaterEqual(len(self.names), 20)

    def test_their_names_are_theirs(self) -> None:
        names = re.search(r"kNames\[\] = \{(.*?)\};", text_of("server/store/failpoint.cc"), re.S)
        self.assertIsNotNone(names)
        self.assertEqual(re.findall(r'"(\w+)"', names[1]), [spelled(name) for name in self.names])

    def test_the_server_comes_to_each_at_one_place(self) -> None:
        calls = [
            name for path in sorted((ROOT / "server").rglob("*.cc")) for name in CALL.findall(path.read_text())
        ]
        self.assertEqual(sorted(calls), sorted(self.names))

    def test_a_server_dies_at_each(self) -> None:
        text = text_of(DIED_AT)
        died_at = constants(text, "PLACES") | constants(text, "EMPTY")
        self.assertEqual(died_at, {spelled(name) for name in self.names})

    def test_only_what_is_built_for_tests_has_them(self) -> None:
        self.assertRegex(text_of("CMakeLists.txt"), r"option\(BACKPROP_FAILPOINTS [^)]* OFF\)")
        for preset in json.loads(text_of("CMakePresets.json"))["configurePresets"]:
            values = preset.get("cacheVariables", {})
            if values.get("BACKPROP_FAILPOINTS", "OFF") != "OFF":
                self.assertEqual(values["BACKPROP_TESTS"], "ON", preset["name"])
        for path in ("Dockerfile", "deploy/build.sh"):
            self.assertNotIn("BACKPROP_FAILPOINTS", text_of(path))
        self.assertIn("cmake --preset release", text_of("Dockerfile"))


if __name__ == "__main__":
    unittest.main()
