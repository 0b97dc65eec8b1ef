#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody else's project links the installed client library with README's
lines and nothing else; what it lacks is named to it.

Arguments: the build folder, CMake, and the compiler of that build.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUILD, CMAKE, COMPILER = sys.argv[1:4]
NOTHING_BY_PKG_CONFIG = {"PKG_CONFIG_LIBDIR": "/nowhere", "PKG_CONFIG_PATH": ""}
README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """README's indented blocks, without their indentation."""
    found = re.findall(r"(?:^    .*\n)+", README, re.M)
    return [re.sub(r"(?m)^    ", "", block) for block in found]


def block_with(text: str) -> str:
    (block,) = (block for block in blocks() if text in block)
    return block


class PackageTest(unittest.TestCase):
    prefix: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = pathlib.Path(folder.name) / "prefix"
        subprocess.run([CMAKE, "--install", BUILD, "--component", "client", "--prefix", cls.prefix],
                       check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DESTDIR": ""})

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = pathlib.Path(folder.name)
        self.lines = block_with("find_package(backpropd")

    def run_cmake(self, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
        done = subprocess.run([CMAKE, *arguments], cwd=self.project, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False,
                              env=os.environ | {"CXX": COMPILER} | (environment or {}))
        return done.returncode, done.stdout

    def configure(self, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
        (self.project / "CMakeLists.txt").write_text(self.lines)
        shutil.copy(HERE / "main.cc", self.project)
        return self.run_cmake("-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", *arguments,
                              environment=environment)

    def test_readmes_lines_are_all_that_a_program_needs(self) -> None:
        status, said = self.configure()
        self.assertEqual(status, 0, said)
        status, said = self.run_cmake("--build", "build")
        self.assertEqual(status, 0, said)
        printed = subprocess.run([self.project / "build" / "app"], check=True, capture_output=True, text=True).stdout
        self.assertRegex(printed, r"^digest [0-9a-f]{16}\n$")

    def test_a_project_of_an_older_standard_gets_the_one_that_the_library_needs(self) -> None:
        self.lines = self.lines.replace("find_package", "set(CMAKE_CXX_STANDARD 17)\nfind_package", 1)
        status, said = self.configure("-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        self.assertEqual(status, 0, said)
        self.assertRegex((self.project / "build" / "compile_commands.json").read_text(), r"-std=(gnu|c)\+\+2[0a]")

    def test_each_thing_missing_is_named_with_its_debian_package(self) -> None:
        for package, debian in (("absl", "libabsl-dev"), ("Protobuf", "libprotobuf-dev"),
                                ("gRPC", "libgrpc++-dev"), ("PkgConfig", "pkg-config")):
            with self.subTest(package=package):
                status, said = self.configure(f"-DCMAKE_DISABLE_FIND_PACKAGE_{package}=ON")
                self.assertNotEqual(status, 0, said)
                # CMake breaks long messages anywhere.
                self.assertIn(f"({debian})", " ".join(said.split()))
                shutil.rmtree(self.project / "build")
        # Both at once, of those that pkg-config finds.
        status, said = self.configure(environment=NOTHING_BY_PKG_CONFIG)
        self.assertNotEqual(status, 0, said)
        self.assertIn("xxHash (libxxhash-dev), Highway (libhwy-dev)", " ".join(said.split()))

    def test_an_optional_library_that_is_incomplete_is_just_not_found(self) -> None:
        self.lines = (self.lines.replace(" REQUIRED", " QUIET").split("add_executable")[0]
                      + 'message(STATUS "found: ${backpropd_FOUND}")\n')
        status, said = self.configure(environment=NOTHING_BY_PKG_CONFIG)
        self.assertEqual(status, 0, said)
        self.assertIn("found: 0", said)

    def test_nothing_installed_names_the_build(self) -> None:
        for path in self.prefix.rglob("*"):
            if path.suffix in {".cmake", ".h"}:
                self.assertNotIn(BUILD, path.read_text(), path)


class ReadmeTest(unittest.TestCase):
    def test_the_packages_named_are_those_of_the_list(self) -> None:
        lines = (ROOT / "deploy" / "packages" / "client.txt").read_text().splitlines()
        listed = {line for line in lines if line and not line.startswith("#")}
        command = block_with("libgrpc++-dev").replace("\\\n", " ")
        self.assertEqual(set(command.removeprefix("apt-get install").split()), listed)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
