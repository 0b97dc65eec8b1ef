#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/backpropd/sync, the client that blocks, from src/backpropd/aio; run it after each change there.

What a client does is written once, for asyncio. Without `async` and `await`,
and with each name's counterpart, the same text is the client that blocks;
docstrings are text too, which is why this goes by patterns and not, as PyPI's
unasync does, by tokens. Every module of aio is made into one of sync but those
of BY_HAND, which are no copies of each other and on which the others rest. A
test runs this with --check.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE / "src" / "backpropd"
BY_HAND = {
    "aio": ("__init__", "call", "channel", "feed"),
    "sync": ("__init__", "call", "channel", "threads"),
}
NOTE = "# Generated from aio/{name}.py by generate_sync.py: change that.\n"

# Pattern -> what stands for it, in this order. Each must be found somewhere.
PATTERNS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r" \| AsyncIterable\[Any\]", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bSystemAsyncClock\b", "SystemClock"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\bgrpc\.aio\b", "grpc"),
    (r"\bbackpropd\.aio\.feed\b", "backpropd.feed"),
    (r"\bbackpropd\.aio\b", "backpropd.sync"),
    (r"\b([Aa])n async(?= context)", r"\1"),
    (r"\ban async(?= iterator)", "an"),
    (r"\biterable or async iterable\b", "iterable"),
    (r", which is made and used within one event loop\b", ""),
    (r"\bTasks(?=: )", "Threads"),
)
LEFT_OVER = re.compile(r"(?i)async|await|\baio\b(?!/)")


def modules(folder: str) -> list[str]:
    """The modules of aio or of sync that are not written by hand, or that should not be."""
    return sorted({path.stem for path in (PACKAGE / folder).glob("*.py")} - {*BY_HAND[folder]})


def translate(text: str, found: set[str]) -> str:
    """`text` of a module of aio as it is in sync; adds the patterns that it has to `found`."""
    for pattern, instead in PATTERNS:
        text, times = re.subn(pattern, instead, text)
        if times:
            found.add(pattern)
    return text


def styled(text: str, path: pathlib.Path) -> str:
    """`text` with its imports in order, with `yield from`, which asyncio lacks, its lines as long as they may be."""
    options = ["--quiet", "--no-cache", f"--config={HERE / 'pyproject.toml'}", f"--stdin-filename={path}", "-"]
    for command in (["check", "--select=I,F401,UP028", "--unsafe-fixes", "--fix-only"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, *options]
        text = subprocess.run(ruff, input=text, check=True, capture_output=True, text=True).stdout
    return text


def generate() -> dict[pathlib.Path, str]:
    """Every file that is made, with its text."""
    found: set[str] = set()
    texts = {}
    for name in modules("aio"):
        text = translate((PACKAGE / "aio" / f"{name}.py").read_text(), found)
        licence, rest = text.split("\n", maxsplit=1)
        path = PACKAGE / "sync" / f"{name}.py"
        texts[path] = styled(f"{licence}\n{NOTE.format(name=name)}{rest}", path)
        for line in texts[path].replace(NOTE.format(name=name), "").splitlines():
            if LEFT_OVER.search(line):
                raise SystemExit(f"{path.name} would have a line that is asyncio's: {line}")
    for pattern, _ in PATTERNS:
        if pattern not in found:
            raise SystemExit(f"Nothing in aio has the pattern {pattern!r} any more: take it out.")
    return texts


def check(texts: dict[pathlib.Path, str], left: list[pathlib.Path]) -> None:
    """Ends the program if sync is not what `texts` say, or has what is `left` of modules that are gone."""
    stale = [path.name for path, text in texts.items() if not path.exists() or path.read_text() != text]
    stale += [f"{path.name} (has no counterpart in aio)" for path in left]
    if stale:
        raise SystemExit(f"Stale in sync: {', '.join(stale)}. Run {pathlib.Path(__file__).name}.")


def write(texts: dict[pathlib.Path, str], left: list[pathlib.Path]) -> None:
    """Makes sync what `texts` say; takes away what was made of modules that are gone, and nothing else."""
    for path in left:
        if NOTE.format(name=path.stem) not in path.read_text():
            raise SystemExit(f"{path.name} in sync was not made here: name it in BY_HAND, or delete it.")
    for path in left:
        path.unlink()
    for path, text in texts.items():
        path.write_text(text)


def main() -> None:
    """Writes the modules; with --check, only says whether they are up to date."""
    arguments = argparse.ArgumentParser(description="Makes src/backpropd/sync from src/backpropd/aio.")
    arguments.add_argument("--check", action="store_true", help="only say whether sync is up to date")
    only_check = arguments.parse_args().check
    if importlib.util.find_spec("ruff") is None:
        venv = "build/lint_venv"
        raise SystemExit(f"{sys.executable} has no ruff: tests/client/python/lint.sh {venv} makes {venv}/bin/python.")
    texts = generate()
    made = {path.stem for path in texts}
    left = [PACKAGE / "sync" / f"{name}.py" for name in modules("sync") if name not in made]
    (check if only_check else write)(texts, left)


if __name__ == "__main__":
    main()
