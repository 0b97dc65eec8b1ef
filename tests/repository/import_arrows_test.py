#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports of the Python client point one way only, and never in a circle.

ROOMS has a row for each folder of the package, and for each file with a right
of its own: which rooms and which of LIBRARIES it may import. Imports for types
only count like all others. The rules are tested on planted violations.
"""

import ast
import pathlib
import re
import unittest
from typing import Iterator, Mapping

from include_arrows_test import circles

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "client/python/src"
PACKAGE = "backpropd"

# Modules that not every room may import; all other foreign ones are free.
LIBRARIES = {
    "grpc": r"grpc\b|.*_pb2_grpc$",
    "asyncio": r"asyncio\b",
    "threads": r"_thread$",
}

# Room -> what it may import beside itself. "client" is what lies in no folder.
ROOMS: Mapping[str, str] = {
    "replica": "errors v1",
    "errors": "v1 grpc",
    "client": "errors replica v1 grpc",
    "calls": "client errors replica v1 grpc",
    "backoff": "errors grpc asyncio",
    "aio": "client calls errors backoff replica v1 grpc asyncio",
    "sync": "client calls errors backoff replica v1 grpc threads",
    "__init__": "client calls errors backoff replica sync",
}


def modules() -> dict[str, pathlib.Path]:
    """Every module of the package but the generated messages: dotted name -> file."""
    found = {}
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if "v1" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(text: str, known: Mapping[str, object]) -> Iterator[str]:
    """The modules that a source text imports: `from a import b` is a.b if that is one of `known`, else a."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, "imports are absolute"
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in known or node.module == f"{PACKAGE}.v1" else node.module


def room_of(module: str) -> str:
    """The row of ROOMS that a module of the package belongs to; "" if there is none."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    if parts[1] in ROOMS or parts[1] == "v1":
        return parts[1]
    return "client" if len(parts) == 2 else ""


def library_of(module: str) -> str | None:
    """Which of LIBRARIES a module belongs to; None if to none."""
    return next((library for library, names in LIBRARIES.items() if re.match(names, module)), None)


def allowed(module: str, imported: str) -> bool:
    """Whether `module` may import `imported`."""
    room = room_of(module)
    rights = {room, *ROOMS.get(room, "").split()} - {""}
    if (library := library_of(imported)) is not None:
        return library in rights
    return imported.split(".")[0] != PACKAGE or room_of(imported) in rights


def violations(module: str, text: str, known: Mapping[str, object]) -> list[str]:
    """What a module breaks, one line each."""
    return [
        f"{module} (room {room_of(module)}) may not import {name}"
        for name in imports(text, known)
        if not allowed(module, name)
    ]


def arrows(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Which module imports which others of the package."""
    return {
        module: {name for name in imports(text, texts) if name in texts and name != module}
        for module, text in texts.items()
    }


class ImportArrowsTest(unittest.TestCase):
    TEXTS = {module: path.read_text() for module, path in modules().items()}

    def test_no_module_imports_against_the_arrows(self) -> None:
        broken = [line for module, text in self.TEXTS.items() for line in violations(module, text, self.TEXTS)]
        self.assertEqual(broken, [])

    def test_every_row_has_modules(self) -> None:
        self.assertEqual(set(ROOMS) ^ {room_of(module) for module in self.TEXTS}, set())

    def test_rooms_have_no_circle(self) -> None:
        self.assertEqual(circles({room: set(rights.split()) & set(ROOMS) for room, rights in ROOMS.items()}), [])

    def test_modules_import_each_other_in_no_circle(self) -> None:
        self.assertEqual(circles(arrows(self.TEXTS)), [])


class PlantedViolationsTest(unittest.TestCase):
    KNOWN = dict.fromkeys(["backpropd.feed", "backpropd.replica.layout"])
    PLANTED = (
        ("backpropd.replica.layout", "import grpc"),
        ("backpropd.replica.layout", "from grpc.aio import Channel"),
        ("backpropd.replica.layout", "from backpropd.v1 import training_service_pb2_grpc as stubs"),
        ("backpropd.replica.layout", "from backpropd import feed"),
        ("backpropd.replica.layout", "from backpropd import Replica"),
        ("backpropd.replica.layout", "def f():\n    from backpropd.samples import Samples"),
        ("backpropd.replica.layout", "if TYPE_CHECKING:\n    from backpropd.sync.session import Session"),
        ("backpropd.errors", "from backpropd.replica import Replica"),
        ("backpropd.feed", "from backpropd.aio.session import AsyncSession"),
        ("backpropd.feed", "import asyncio"),
        ("backpropd.feed", "from backpropd.calls.evaluate import Evaluation"),
        ("backpropd.calls.evaluate", "from backpropd.aio.channel import answer_to_stream"),
        ("backpropd.sync.call", "import asyncio"),
        ("backpropd.sync.call", "from backpropd.aio import call"),
        ("backpropd.aio.call", "from backpropd.sync.call import Call"),
        ("backpropd.aio.call", "import _thread"),
        ("backpropd.unheard_of.call", "from backpropd.v1 import delta_pb2"),
    )
    ALLOWED = (
        ("backpropd.replica.layout", "from backpropd.v1 import network_pb2 as pb"),
        ("backpropd.replica.layout", "from backpropd.errors import ReplicaGapError"),
        ("backpropd.replica.layout", "import numpy as np"),
        ("backpropd.aio.channel", "from backpropd.v1 import training_service_pb2_grpc as stubs"),
        ("backpropd.sync.call", "# import asyncio\nimport grpc"),
        ("backpropd", "from backpropd.sync.client import TrainingClient"),
    )

    def test_every_planted_violation_is_found(self) -> None:
        for module, text in self.PLANTED:
            with self.subTest(module=module, text=text):
                self.assertNotEqual(violations(module, text, self.KNOWN), [])

    def test_what_the_design_allows_passes(self) -> None:
        for module, text in self.ALLOWED:
            with self.subTest(module=module, text=text):
                self.assertEqual(violations(module, text, self.KNOWN), [])

    def test_a_planted_circle_is_found(self) -> None:
        texts = {
            "backpropd.a": "from backpropd import b",
            "backpropd.b": "if TYPE_CHECKING:\n    from backpropd.a import A",
        }
        self.assertEqual(circles(arrows(texts)), ["backpropd.a -> backpropd.b -> backpropd.a"])


if __name__ == "__main__":
    unittest.main()
