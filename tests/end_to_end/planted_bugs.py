#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the tests of what survives a crash see the bugs that they are there for.

    tests/end_to_end/planted_bugs.py [BUG...]

Each of planted_bugs/*.patch makes one such bug, and its head names the quickest
test that sees it. One after the other is put into a clone of HEAD in
build/planted_bugs, which is built, and the test has to fail there; before the
first, all these tests have to pass. Ends with 1 unless every bug is caught.

By hand: the clone takes as long to build as the project, each bug then a minute
or two. Needs what tests/run.sh has put into build/: OpenBLAS and the Python that
crash_test.py runs in.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = HERE / "planted_bugs"
LONGEST_SECONDS = 900
_HEAD = re.compile(r"(.+?)\n\nCaught by: (\S+) ?(.*)\n\ndiff --git ", re.S)


@dataclass(frozen=True)
class Bug:
    """A patch, and the test that sees what it does."""

    name: str
    what: str
    test: str
    """A program of the build, or crash_test.py."""
    arguments: str
    """A filter of its cases, or flags."""

    @classmethod
    def of(cls, patch: pathlib.Path) -> Bug:
        """What the patch's head says."""
        head = _HEAD.match(patch.read_text())
        if head is None:
            raise ValueError(f"{patch} begins with what the bug is and by what it is caught; see the others")
        return cls(patch.stem, *head.groups())

    @property
    def patch(self) -> pathlib.Path:
        """Where it is."""
        return FOLDER / f"{self.name}.patch"

    @property
    def target(self) -> str:
        """What has to be built for the test."""
        return "backpropd" if self.test == "crash_test.py" else self.test


def bugs() -> list[Bug]:
    """All that there are."""
    return [Bug.of(patch) for patch in sorted(FOLDER.glob("*.patch"))]


class Tree:
    """A clone in which the bugs are planted."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._build = folder / "build/test"

    def prepare(self) -> None:
        """Brings it to HEAD."""
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        if not self._folder.exists():
            subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, self._folder], check=True)
        self._git("fetch", "--quiet", "origin", head.strip())
        self._git("checkout", "--quiet", "--force", "--detach", head.strip())
        blas = self._folder / "build/openblas"
        if (ROOT / "build/openblas").exists() and not blas.exists():
            blas.parent.mkdir(exist_ok=True)
            blas.symlink_to(ROOT / "build/openblas")
        subprocess.run(["cmake", "--preset", "test"], cwd=self._folder, check=True, stdout=subprocess.DEVNULL)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self._folder, check=True)

    def build(self, targets: set[str]) -> bool:
        """Whether it could be."""
        command = ["cmake", "--build", str(self._build), "--target", *sorted(targets)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stdout[-3000:])
        return done.returncode == 0

    def plant(self, bug: Bug) -> bool:
        """Whether it could be: the sources may have moved on."""
        return subprocess.run(["git", "apply", bug.patch], cwd=self._folder, check=False).returncode == 0

    def take_out(self, bug: Bug) -> None:
        """It is as it was."""
        self._git("apply", "--reverse", str(bug.patch))

    def passes(self, bug: Bug) -> bool:
        """Whether its test does."""
        try:
            done = subprocess.run(
                self._command(bug), cwd=self._folder, check=False, capture_output=True, timeout=LONGEST_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _command(self, bug: Bug) -> list[str]:
        if bug.test != "crash_test.py":
            return [str(self._build / "tests/server" / bug.test), f"--gtest_filter={bug.arguments}"]
        python = ROOT / "build/test/python_venv/bin/python"
        script, server = self._folder / "tests/end_to_end/crash_test.py", self._build / "server/backpropd"
        return [str(python), "-B", str(script), "--backpropd", str(server), *shlex.split(bug.arguments)]


def is_caught(tree: Tree, bug: Bug) -> bool:
    """Whether its test fails with it and is built; says so."""
    began = time.monotonic()
    if not tree.plant(bug):
        print(f"{bug.name}: its patch does not apply any more")
        return False
    try:
        if not tree.build({bug.target}):
            print(f"{bug.name}: does not compile")
            return False
        built = time.monotonic()
        caught = not tree.passes(bug)
    finally:
        tree.take_out(bug)
    print(
        f"{bug.name}: {'caught by' if caught else 'NOT CAUGHT by'} {bug.test} {bug.arguments}"
        f" in {time.monotonic() - built:.0f} s, built in {built - began:.0f} s",
        flush=True,
    )
    return caught


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bug", nargs="*", help="only these")
    parser.add_argument("--tree", type=pathlib.Path, help="a configured tree of its own, to be used as it is")
    given = parser.parse_args()
    planted = [bug for bug in bugs() if not given.bug or bug.name in given.bug]
    tree = Tree(given.tree or ROOT / "build/planted_bugs")
    if given.tree is None:
        tree.prepare()
    if not tree.build({bug.target for bug in planted}):
        return 1
    tests = {(bug.test, bug.arguments): bug for bug in planted}
    failing = [bug for bug in tests.values() if not tree.passes(bug)]
    for bug in failing:
        print(f"{bug.test} {bug.arguments} fails without any bug")
    if failing:
        return 1
    print(f"{len(tests)} tests pass without any bug", flush=True)
    caught = sum(is_caught(tree, bug) for bug in planted)
    print(f"{caught} of {len(planted)} bugs are caught")
    return 0 if planted and caught == len(planted) else 1


if __name__ == "__main__":
    sys.exit(main())
