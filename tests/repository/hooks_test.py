#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hooks of a commit install nothing: what they lack they name."""

import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = (ROOT / ".pre-commit-config.yaml").read_text()
HOOKS = dict(re.findall(r"- id: (\S+)\n +name: .*\n +language: system\n +entry: (.*)\n", CONFIG))
# What the hooks' scripts run of Debian's.
TOOLS = ("bash", "cmp", "dirname", "mkdir", "realpath")
INSTALLERS = ("apt-get", "curl", "npm", "npx", "pip", "pip3", "python3", "sudo", "wget")


class EmptyMachine:
    """A copy of the tree's scripts with nothing under build/, where each installer only tells that it was called."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.tree = folder / "tree"
        self._programs = folder / "bin"
        self._called = folder / "called"
        for name in (".ci/buf", "tests/client/python/lint.sh", "client/python/pyproject.toml"):
            (self.tree / name).parent.mkdir(parents=True)
            shutil.copy(ROOT / name, self.tree / name)
        self._programs.mkdir()
        for name in TOOLS:
            path = shutil.which(name)
            assert path is not None, name
            (self._programs / name).symlink_to(path)
        for name in INSTALLERS:
            (self._programs / name).write_text(f"#!{shutil.which('bash')}\necho {name} >>{self._called}\n")
            (self._programs / name).chmod(0o755)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """What became of the command, which begins with a script of the tree."""
        bash = str(self._programs / "bash")
        return subprocess.run([bash, *command], cwd=self.tree, env={"PATH": str(self._programs)}, check=False,
                              capture_output=True, text=True)

    def called(self) -> list[str]:
        """The installers that were called."""
        return self._called.read_text().split() if self._called.exists() else []


class HooksTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.machine = EmptyMachine(pathlib.Path(folder.name))

    def test_pre_commit_has_nothing_to_install_for_them(self) -> None:
        self.assertEqual(re.findall(r"repo: (.*)", CONFIG), ["local"])
        self.assertEqual(re.findall(r"- id: (.*)", CONFIG), [*HOOKS])
        self.assertNotIn("additional_dependencies", CONFIG)
        for hook, entry in HOOKS.items():
            self.assertFalse(({*INSTALLERS} - {"python3"}) & {*shlex.split(entry)}, hook)

    def test_what_a_script_needs_and_is_not_there_is_named(self) -> None:
        for hook, installs in (
            ("python", "tests/client/python/lint.sh build/lint_venv installs it"),
            ("buf", ".ci/buf lint proto installs it"),
        ):
            with self.subTest(hook=hook):
                done = self.machine.run(shlex.split(HOOKS[hook]))
                self.assertEqual((done.returncode, self.machine.called()), (1, []))
                self.assertIn(installs, done.stderr)
                self.assertFalse((self.machine.tree / "build").exists())

    def test_what_the_machine_tells_is_an_installation(self) -> None:
        self.machine.run([".ci/buf", "lint", "proto"])
        self.machine.run(["tests/client/python/lint.sh", "build/lint_venv"])
        self.assertIn("npm", self.machine.called())
        self.assertIn("python3", self.machine.called())


if __name__ == "__main__":
    unittest.main()
