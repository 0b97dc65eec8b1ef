#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which OpenBLAS a build takes (engine/openblas.cmake), of those that are there.

Argument: CMake. It configures a project of nothing but that file, beside a
wheel and a distribution's OpenBLAS that are only names.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CMAKE = sys.argv[1]
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES NONE)
include(engine/openblas.cmake)
get_target_property(links backprop_openblas INTERFACE_LINK_LIBRARIES)
message(STATUS "links ${links}, wheel ${BACKPROP_OPENBLAS_WHEEL}")
"""
WHEEL = "links OpenBLAS::OpenBLAS, wheel TRUE"
DISTRIBUTION = "links PkgConfig::DISTRIBUTION_OPENBLAS, wheel FALSE"


class ChoiceTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("engine/openblas.cmake", "deploy/install_openblas.sh", "deploy/openblas_wheel.txt"):
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "CMakeLists.txt").write_text(PROJECT)
        (self.root / "installed").mkdir()

    def install(self, version: str) -> None:
        """The distribution's OpenBLAS."""
        installed = self.root / "installed"
        (installed / "libopenblas.so").touch()
        (installed / "openblas.pc").write_text(
            f"Name: openblas\nDescription: none\nVersion: {version}\nLibs: -L{installed} -lopenblas\n")

    def unpack_wheel(self) -> None:
        package = self.root / "build/openblas/scipy_openblas32/lib/cmake/openblas"
        package.mkdir(parents=True)
        (package / "OpenBLASConfig.cmake").write_text(
            "set(OpenBLAS_VERSION 0.3.34.481.3)\nadd_library(OpenBLAS::OpenBLAS SHARED IMPORTED)\n")
        shutil.copy(self.root / "deploy/openblas_wheel.txt", self.root / "build/openblas/pins.txt")
        self.unpack_licence("0.3.34.481.3")

    def unpack_licence(self, version: str) -> None:
        """The wheel's, of which there is one."""
        licences = self.root / f"build/openblas/scipy_openblas32-{version}.dist-info/licenses"
        licences.mkdir(parents=True)
        (licences / "LICENSE.txt").touch()

    def pin_another(self) -> None:
        with (self.root / "deploy/openblas_wheel.txt").open("a") as pins:
            pins.write("# another\n")

    def configure(self, *arguments: str, **environment: str) -> tuple[int, str]:
        shutil.rmtree(self.root / "out", ignore_errors=True)
        done = subprocess.run(
            [CMAKE, "-S", self.root, "-B", self.root / "out", *arguments],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            env=os.environ | {"BACKPROP_OPENBLAS": "", "PKG_CONFIG_PATH": "",
                              "PKG_CONFIG_LIBDIR": str(self.root / "installed")} | environment)
        return done.returncode, " ".join(done.stdout.split())  # CMake breaks long messages anywhere

    def assert_takes(self, library: str, *arguments: str, **environment: str) -> str:
        status, said = self.configure(*arguments, **environment)
        self.assertEqual(status, 0, said)
        self.assertIn(library, said)
        return said

    def assert_refused(self, why: str, *arguments: str) -> None:
        status, said = self.configure(*arguments)
        self.assertNotEqual(status, 0, said)
        self.assertIn(why, said)

    def test_the_distributions_where_it_is_new_enough(self) -> None:
        self.unpack_wheel()
        for version in ("0.3.29", "0.3.30", "0.10.0", "1.0"):
            with self.subTest(version):
                self.install(version)
                self.assertNotIn("Warning", self.assert_takes(DISTRIBUTION))

    def test_the_wheel_where_the_distributions_is_older_or_not_there(self) -> None:
        self.unpack_wheel()
        self.assert_takes(WHEEL)
        self.install("0.3.28")
        self.assertNotIn("Warning", self.assert_takes(WHEEL))

    def test_an_old_one_alone_is_taken_with_a_warning_that_says_what_helps(self) -> None:
        self.install("0.3.21")
        said = self.assert_takes(DISTRIBUTION)
        self.assertIn("Warning", said)
        self.assertIn("OpenBLAS 0.3.21 is older than 0.3.29", said)
        self.assertIn("deploy/install_openblas.sh", said)

    def test_what_is_asked_for_is_taken_without_a_word(self) -> None:
        self.unpack_wheel()
        self.install("0.3.21")
        self.assertNotIn("Warning", self.assert_takes(DISTRIBUTION, "-DBACKPROP_OPENBLAS=distribution"))
        self.install("0.3.29")
        self.assert_takes(WHEEL, "-DBACKPROP_OPENBLAS=wheel")
        self.assert_takes(WHEEL, BACKPROP_OPENBLAS="wheel")
        self.assert_takes(DISTRIBUTION, "-DBACKPROP_OPENBLAS=distribution", BACKPROP_OPENBLAS="wheel")

    def test_what_is_asked_for_and_not_there_is_an_error_that_says_what_installs_it(self) -> None:
        self.assert_refused("deploy/install_openblas.sh")
        self.unpack_wheel()
        self.assert_refused("deploy/install_openblas.sh", "-DBACKPROP_OPENBLAS=distribution")
        shutil.rmtree(self.root / "build")
        self.install("0.3.29")
        self.assert_refused("deploy/install_openblas.sh", "-DBACKPROP_OPENBLAS=wheel")
        self.assert_refused("use distribution or wheel", "-DBACKPROP_OPENBLAS=newest")

    def test_a_wheel_that_was_unpacked_by_other_pins_is_none(self) -> None:
        self.unpack_wheel()
        self.pin_another()
        self.assert_refused("deploy/install_openblas.sh", "-DBACKPROP_OPENBLAS=wheel")
        self.install("0.3.21")
        self.assertIn("Warning", self.assert_takes(DISTRIBUTION))
        (self.root / "build/openblas/pins.txt").unlink()
        self.assert_refused("deploy/install_openblas.sh", "-DBACKPROP_OPENBLAS=wheel")

    def test_a_build_folder_is_configured_anew_where_pins_changed(self) -> None:
        self.unpack_wheel()
        self.install("0.3.21")
        self.assert_takes(WHEEL)

        def build() -> str:
            return subprocess.run([CMAKE, "--build", self.root / "out"], check=False, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

        self.assertNotIn("links", build())
        self.pin_another()
        self.assertIn(DISTRIBUTION, build())
        shutil.copy(self.root / "deploy/openblas_wheel.txt", self.root / "build/openblas/pins.txt")
        self.assertIn(WHEEL, build())

    def test_a_wheel_has_one_licence(self) -> None:
        self.unpack_wheel()
        self.unpack_licence("0.3.35")
        self.assert_refused("has 2 licences")
        for folder in (self.root / "build/openblas").glob("*.dist-info"):
            shutil.rmtree(folder)
        self.assert_refused("has 0 licences")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
