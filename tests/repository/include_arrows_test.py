#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Includes point one way only.

All of Debian's headers lie in one folder, so a wrong include compiles and
links. Each rule below names the files it watches, the includes it forbids
them, and why. The rules themselves are tested on planted violations.
"""

import pathlib
import re
import unittest
from dataclasses import dataclass
from typing import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("engine", "server", "client")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*([<"])([^>"]+)[>"]', re.M)

GRPC = r"grpc(\+\+|pp)?/|.*\.grpc\.pb\.h$"
PROTOBUF = r"google/|.*\.pb\.h$"
PROTOCOL = r"backprop/v1/|proto/"


@dataclass(frozen=True)
class Rule:
    """Files whose path matches `files` may not include what matches `forbidden`."""

    files: str
    forbidden: str
    why: str


RULES = (
    Rule(r"(?!engine/blas\.)", r"cblas\.h$|openblas|f77blas", "only engine/blas.* knows BLAS"),
    Rule(r"engine/", GRPC + "|" + PROTOBUF + "|" + PROTOCOL, "the engine knows no network or protobuf"),
    Rule(r"engine/", r"spdlog/|prometheus/|httplib", "the engine knows no log, metrics or HTTP"),
    Rule(r"engine/", r"server/|client/", "the engine stands below server and client"),
    Rule(r"client/", r"engine/(?!(layout|delta|digest|input)\.h$)", "a client needs the contract only"),
    Rule(r"client/", r"server/", "a client knows the protocol, not the server"),
    Rule(r"server/", r"client/", "the server knows no client"),
    Rule(r"server/(?!service_|server\.)", GRPC, "only server/service_* and server/server.* speak gRPC"),
    Rule(r"server/session", PROTOBUF + "|" + PROTOCOL, "a session knows no protobuf"),
    Rule(r"(?!server/metrics\.)", r"prometheus/", "all metrics stand in server/metrics.*"),
    Rule(r"(engine|server|client)/", r"tests/|gtest/|gmock/", "programs do not include tests"),
)


def includes(text: str) -> Iterator[str]:
    """The names that a source text includes, in order."""
    for match in INCLUDE.finditer(text):
        yield match.group(2)


def violations(path: str, text: str) -> list[str]:
    """What a file at `path` (from the root) breaks, one line each."""
    found = []
    for rule in RULES:
        if not re.match(rule.files, path):
            continue
        for name in includes(text):
            if re.match(rule.forbidden, name):
                found.append(f"{path} includes {name}: {rule.why}")
    return found


def sources() -> list[pathlib.Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".h", ".cc", ".inc", ".ipp"}
    )


class IncludeArrowsTest(unittest.TestCase):
    def test_no_source_includes_against_the_arrows(self) -> None:
        broken = [
            line
            for path in sources()
            for line in violations(path.relative_to(ROOT).as_posix(), path.read_text())
        ]
        self.assertEqual(broken, [])

    def test_all_three_folders_are_read(self) -> None:
        read = {path.relative_to(ROOT).parts[0] for path in sources()}
        self.assertEqual(read, set(FOLDERS))


class PlantedViolationsTest(unittest.TestCase):
    PLANTED = (
        ("engine/trainer.cc", "<cblas.h>"),
        ("server/session.cc", "<cblas.h>"),
        ("engine/layout.h", "<grpcpp/grpcpp.h>"),
        ("engine/layout.h", "<google/protobuf/message.h>"),
        ("engine/layout.h", '"backprop/v1/network.pb.h"'),
        ("engine/trainer.cc", "<spdlog/spdlog.h>"),
        ("engine/trainer.cc", "<prometheus/counter.h>"),
        ("engine/trainer.cc", '"server/session.h"'),
        ("engine/trainer.cc", '"client/cpp/replica.h"'),
        ("client/cpp/replica.h", '"engine/trainer.h"'),
        ("client/cli/train.cc", '"engine/predictor.h"'),
        ("client/cpp/train_stream.cc", '"server/server.h"'),
        ("server/options.cc", '"client/cpp/replica.h"'),
        ("server/compute_pool.h", "<grpcpp/grpcpp.h>"),
        ("server/compute_pool.h", "<grpc++/grpc++.h>"),
        ("server/main.cc", "<grpc/grpc.h>"),
        ("server/session.h", '"backprop/v1/training_service.grpc.pb.h"'),
        ("server/session_registry.cc", '"backprop/v1/network.pb.h"'),
        ("server/session_registry.cc", "<google/protobuf/timestamp.pb.h>"),
        ("server/session.h", "<grpcpp/server.h>"),
        ("server/service_train.cc", "<prometheus/histogram.h>"),
        ("client/cpp/replica.h", "<prometheus/histogram.h>"),
        ("server/session.cc", "<gtest/gtest.h>"),
    )
    ALLOWED = (
        ("engine/blas.h", "<cblas.h>"),
        ("engine/blas.cc", "<cblas.h>"),
        ("engine/trainer.cc", '"engine/layout.h"'),
        ("client/cpp/replica.h", '"engine/delta.h"'),
        ("client/cpp/replica.h", '"backprop/v1/training_service.grpc.pb.h"'),
        ("server/service_train.cc", "<grpcpp/grpcpp.h>"),
        ("server/server.cc", "<grpcpp/server_builder.h>"),
        ("server/metrics.cc", "<prometheus/registry.h>"),
        ("server/session.cc", '"engine/trainer.h"'),
        ("server/session.cc", "<google_is_not_a_folder.h>"),
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
        self.assertEqual(violations("engine/x.h", "// #include <grpcpp/grpcpp.h>\n"), [])


if __name__ == "__main__":
    unittest.main()
