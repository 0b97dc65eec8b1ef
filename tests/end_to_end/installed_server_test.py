#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An installed backpropd needs nothing of the build, wherever it is put.

Arguments: the build folder, and CMake.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD, CMAKE = sys.argv[1:3]


class InstalledServerTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.prefix = self.root / "moved"
        subprocess.run([CMAKE, "--install", BUILD, "--component", "server", "--prefix", self.root / "made"],
                       check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DESTDIR": ""})
        shutil.move(self.root / "made", self.prefix)

    def test_it_starts_with_libraries_of_the_system_and_its_own_alone(self) -> None:
        server = self.prefix / "bin" / "backpropd"
        loaded = subprocess.run(["ldd", server], check=True, capture_output=True, text=True).stdout
        self.assertIn("openblas", loaded)
        self.assertNotIn("not found", loaded)
        self.assertNotIn(str(ROOT), loaded)
        own = {path.name for path in self.prefix.glob("lib*/**/*.so*")}
        of_prefix = {line.split()[0] for line in loaded.splitlines() if str(self.prefix) in line}
        self.assertEqual(own, of_prefix)
        said = subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout
        self.assertTrue(said.startswith("backpropd "), said)

    def test_what_it_brings_along_comes_with_its_licence(self) -> None:
        brought = bool(list(self.prefix.glob("lib*/**/*.so*")))
        licences = [path.read_text() for path in self.prefix.glob("share/doc/**/OpenBLAS-LICENSE.txt")]
        self.assertEqual(len(licences), brought)
        for licence in licences:
            self.assertIn("OpenBLAS", licence)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
