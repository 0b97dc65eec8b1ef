#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Includes point one way only, and never in a circle.

All of Debian's headers lie in one folder, so a wrong include compiles and
links. ROOMS has a row for each folder: which of our folders and which foreign
libraries its files may include; what no row allows is an error. LIBRARIES
names the foreign headers that are held to a room at all. The rules themselves
are tested on planted violations.
"""

import pathlib
import re
import unittest
from typing import Iterator, Mapping

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("engine", "server", "client")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*([<"])([^>"]+)[>"]', re.M)

# Foreign headers that not every room may include, first match counts.
LIBRARIES = {
    "grpc": r"grpc(\+\+|pp)?/|.*\.grpc\.pb\.h$",
    "protobuf": r"google/(protobuf|rpc)/|.*\.pb\.h$",
    "cblas": r"cblas\.h$|openblas|f77blas",
    "prometheus": r"prometheus/",
    "httplib": r"httplib",
    "microhttpd": r"microhttpd",
    "spdlog": r"spdlog/",
    "json": r"nlohmann/",
    "sqlite": r"sqlite3",
    "cli11": r"CLI/",
    "tests": r"tests/|gtest/|gmock/",
}

# Folder (or the stem of a file that has a right of its own) -> what it may
# include beside its own folder, the standard library, Abseil and what LIBRARIES
# doesn't name. The longest row that fits a file counts.
ENGINE = "engine/contract engine/kernels engine/network engine/random engine/training"
ROOMS: Mapping[str, str] = {
    "engine/contract": "",
    "engine/interchange": "engine/contract",
    "engine/interchange/tensor_header": "json",
    "engine/kernels": "engine/contract",
    "engine/kernels/blas": "cblas",
    "engine/network": "engine/contract engine/kernels",
    "engine/random": "engine/contract",
    "engine/training": "engine/contract engine/kernels engine/network engine/random",
    "server/threads": "",
    "server/options": "",
    "server/options/flags": "cli11",
    "server/ops": "server/options server/threads",
    "server/ops/metrics": "server/ops server/threads prometheus",
    "server/ops/http_server": "microhttpd",
    "server/ops/readiness_check": "server/options httplib",
    "server/ops/log": "spdlog json",
    "server/store": "server/threads engine/contract",
    "server/store/sqlite_database": "sqlite",
    "server/sessions": f"server/threads server/store {ENGINE}",
    "server/translation": f"server/sessions protobuf {ENGINE}",
    "server/translation/session_metadata": "server/translation server/sessions protobuf engine/interchange",
    "server/calls": f"server/translation server/sessions server/ops server/options protobuf {ENGINE}",
    "server/rpc": f"server/threads server/calls server/translation server/sessions server/ops server/options protobuf grpc {ENGINE}",
    "server/server_store": "server/translation server/sessions server/store server/ops server/options",
    "server/server": "server/server_store server/rpc server/calls server/sessions server/ops server/options engine/kernels protobuf grpc",
    "server/offline": "server/translation server/sessions server/store engine/interchange",
    "server/main": "server/offline server/server server/ops server/options",
    "client/cpp": "engine/contract protobuf grpc",
    "client/cli/commands": "client/cli/run client/cli/data client/cli/flags client/cli/text client/cpp protobuf grpc json",
    "client/cli/run": "client/cli/data client/cli/flags client/cli/text client/cpp protobuf grpc json",
    "client/cli/flags": "client/cli/data client/cli/text client/cpp protobuf grpc json",
    "client/cli/flags/command_line": "cli11",
    "client/cli/flags/help_format": "client/cli/text cli11",
    "client/cli/data": "client/cli/text protobuf",
    "client/cli/data/file_bytes": "engine/interchange",
    "client/cli/data/session_file": "client/cpp engine/contract engine/interchange protobuf",
    "client/cli/text": "",
}


def includes(text: str) -> Iterator[str]:
    """The names that a source text includes, in order."""
    for match in INCLUDE.finditer(text):
        yield match.group(2)


def stem(path: str) -> str:
    """A path without its ending: `a/b.cc`, `a/b.h` and `a/b-inl.h` are all `a/b`."""
    return re.sub(r"(-inl)?\.\w+$", "", path)


def room_of(path: str) -> str | None:
    """The row of ROOMS that a file belongs to; None if there is none."""
    parts = stem(path).split("/")
    for length in range(len(parts), 0, -1):
        if (room := "/".join(parts[:length])) in ROOMS:
            return room
    return None


def library_of(name: str) -> str | None:
    """Which of LIBRARIES an included name belongs to; None if to none."""
    return next((library for library, names in LIBRARIES.items() if re.match(names, name)), None)


def allowed(path: str, name: str) -> bool:
    """Whether the file at `path` (from the root) may include `name`."""
    room = room_of(path)
    if room is None:
        return False
    rights = set(ROOMS[room].split()) | {room}
    if (library := library_of(name)) is not None:
        return library in rights
    if name.split("/")[0] not in FOLDERS:
        return True
    folder = name.rsplit("/", 1)[0]
    return folder == path.rsplit("/", 1)[0] or folder in rights or stem(name) in rights


def violations(path: str, text: str) -> list[str]:
    """What a file at `path` breaks, one line each."""
    return [
        f"{path} (room {room_of(path)}) may not include {name}"
        for name in includes(text)
        if not allowed(path, name)
    ]


def sources() -> list[pathlib.Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".h", ".cc", ".inc", ".ipp"}
    )


def named(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def circles(arrows: Mapping[str, set[str]]) -> list[str]:
    """Circles among `arrows` (file -> files that it includes), one line each."""
    found: list[str] = []
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> None:
        if node in way:
            found.append(" -> ".join([*way[way.index(node):], node]))
            return
        if node in done:
            return
        for target in sorted(arrows.get(node, ())):
            visit(target, [*way, node])
        done.add(node)

    for start in sorted(arrows):
        visit(start, [])
    return found


def arrows_between_files() -> dict[str, set[str]]:
    """Which unit (header with its source) includes which, by stem."""
    arrows: dict[str, set[str]] = {}
    for path in sources():
        own = stem(named(path))
        ours = {stem(name) for name in includes(path.read_text()) if name.split("/")[0] in FOLDERS}
        arrows.setdefault(own, set()).update(ours - {own})
    return arrows


def installed_contract() -> set[str]:
    """The headers of engine/contract that `cmake --install` installs."""
    text = (ROOT / "client/cpp/CMakeLists.txt").read_text()
    rule = re.search(
        r'install\(DIRECTORY "\$\{PROJECT_SOURCE_DIR\}/engine/contract"[^)]*?'
        r'FILES_MATCHING PATTERN "\*\.h" PATTERN "\*-inl\.h" EXCLUDE\)', text)
    assert rule, "client/cpp/CMakeLists.txt installs engine/contract in another way"
    return {
        named(path) for path in (ROOT / "engine/contract").glob("*.h")
        if not path.name.endswith("-inl.h")
    }


class IncludeArrowsTest(unittest.TestCase):
    def test_no_source_includes_against_the_arrows(self) -> None:
        broken = [line for path in sources() for line in violations(named(path), path.read_text())]
        self.assertEqual(broken, [])

    def test_every_source_lies_in_a_room(self) -> None:
        self.assertEqual([named(path) for path in sources() if room_of(named(path)) is None], [])

    def test_every_row_has_files(self) -> None:
        self.assertEqual(set(ROOMS) - {room_of(named(path)) for path in sources()}, set())

    def test_rooms_have_no_circle(self) -> None:
        rows = {room: {name for name in rights.split() if "/" in name} for room, rights in ROOMS.items()}
        self.assertEqual(circles(rows), [])

    def test_files_include_each_other_in_no_circle(self) -> None:
        self.assertEqual(circles(arrows_between_files()), [])

    def test_the_client_library_includes_installed_headers_only(self) -> None:
        installed = installed_contract()
        used = {
            name for path in sources() if named(path).startswith("client/cpp/")
            for name in includes(path.read_text()) if name.startswith("engine/")
        }
        self.assertEqual(used - installed, set())
        reached = {
            name for header in installed for name in includes((ROOT / header).read_text())
            if name.split("/")[0] in FOLDERS
        }
        self.assertEqual(reached - installed, set(), "installed headers need one that is not")


class PlantedViolationsTest(unittest.TestCase):
    PLANTED = (
        ("engine/training/trainer.cc", "<cblas.h>"),
        ("server/sessions/session.cc", "<cblas.h>"),
        ("engine/contract/layout.h", "<grpcpp/grpcpp.h>"),
        ("engine/contract/layout.h", "<google/protobuf/message.h>"),
        ("engine/contract/layout.h", '"backprop/v1/network.pb.h"'),
        ("engine/contract/layout.h", '"engine/kernels/rows.h"'),
        ("engine/kernels/rows.h", '"engine/network/network.h"'),
        ("engine/network/predictor.cc", '"engine/training/trainer.h"'),
        ("engine/random/philox.cc", '"engine/kernels/rows.h"'),
        ("engine/interchange/session_tensors.cc", "<nlohmann/json.hpp>"),
        ("engine/interchange/session_tensors.cc", '"backprop/v1/network.pb.h"'),
        ("engine/training/trainer.cc", '"engine/interchange/safetensors.h"'),
        ("engine/training/trainer.cc", "<spdlog/spdlog.h>"),
        ("engine/training/trainer.cc", "<prometheus/counter.h>"),
        ("engine/training/trainer.cc", '"server/sessions/session.h"'),
        ("engine/training/trainer.cc", '"client/cpp/replica.h"'),
        ("client/cpp/replica.h", '"engine/training/trainer.h"'),
        ("client/cli/run/train.cc", '"engine/network/predictor.h"'),
        ("client/cli/data/dataset.h", '"client/cli/run/evaluation.h"'),
        ("client/cpp/train_stream.cc", '"server/server.h"'),
        ("server/options/options.h", '"client/cpp/replica.h"'),
        ("server/sessions/compute_pool.h", "<grpcpp/grpcpp.h>"),
        ("server/sessions/compute_pool.h", "<grpc++/grpc++.h>"),
        ("server/sessions/session.h", '"server/ops/metrics.h"'),
        ("server/main.cc", "<grpc/grpc.h>"),
        ("server/main.cc", '"server/rpc/train.h"'),
        ("server/calls/train.cc", "<grpcpp/server.h>"),
        ("server/calls/train.cc", '"server/rpc/train.h"'),
        ("server/sessions/session.h", '"backprop/v1/training_service.grpc.pb.h"'),
        ("server/sessions/registry.cc", '"backprop/v1/network.pb.h"'),
        ("server/sessions/registry.cc", "<google/protobuf/timestamp.pb.h>"),
        ("server/rpc/train.cc", "<prometheus/histogram.h>"),
        ("client/cpp/replica.h", "<prometheus/histogram.h>"),
        ("server/sessions/session.cc", "<gtest/gtest.h>"),
        ("server/sessions/session.cc", "<sqlite3.h>"),
        ("server/store/sqlite_store.cc", "<sqlite3.h>"),
        ("server/store/store.h", '"server/sessions/session.h"'),
        ("server/unheard_of/session.cc", "<vector>"),
        ("server/failpoint.cc", "<vector>"),
        ("server/threads/mutex.h", '"server/ops/log.h"'),
    )
    ALLOWED = (
        ("engine/kernels/blas.h", "<cblas.h>"),
        ("engine/kernels/blas.cc", "<cblas.h>"),
        ("engine/training/trainer.cc", '"engine/contract/layout.h"'),
        ("client/cpp/replica.h", '"engine/contract/delta.h"'),
        ("client/cpp/replica.h", '"backprop/v1/training_service.grpc.pb.h"'),
        ("server/rpc/train.cc", "<grpcpp/grpcpp.h>"),
        ("server/server.cc", "<grpcpp/server_builder.h>"),
        ("server/main.cc", '"server/server.h"'),
        ("server/store/sqlite_database.cc", "<sqlite3.h>"),
        ("server/store/row_hash.cc", '"engine/contract/digest.h"'),
        ("server/ops/metrics/store.h", "<prometheus/gauge.h>"),
        ("server/sessions/session.cc", '"engine/training/trainer.h"'),
        ("server/sessions/session.cc", '"server/threads/mutex.h"'),
        ("server/sessions/session.cc", "<google_is_not_a_folder.h>"),
    )

    def test_every_planted_violation_is_found(self) -> None:
        for path, name in self.PLANTED:
            with self.subTest(path=path, name=name):
                text = f"#include <vector>\n#  include {name}\nint x;\n"
                self.assertNotEqual(violations(path, text), [])

    def test_what_the_design_allows_passes(self) -> None:
        for path, name in self.ALLOWED:
            with self.subTest(path=path, name=name):
                self.assertEqual(violations(path, f"#include {name}\n"), [])

    def test_a_comment_is_no_include(self) -> None:
        self.assertEqual(violations("engine/contract/x.h", "// #include <grpcpp/grpcpp.h>\n"), [])

    def test_a_planted_circle_is_found(self) -> None:
        self.assertEqual(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}), ["b -> c -> b"])
        self.assertEqual(circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}), [])


if __name__ == "__main__":
    unittest.main()
