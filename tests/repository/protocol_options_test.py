#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every file of the protocol says where each language's generated code belongs.

A file without these makes `protoc --go_out` ask for a flag, and spreads Java's
classes over packages of its own. tests/clients builds four of the languages.
"""

import pathlib
import re
import unittest

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
OPTION = re.compile(r'^option (\w+) = "?(.*?)"?;$', re.M)

OURS = {
    "csharp_namespace": "Backprop.V1",
    "go_package": "backprop/v1;backpropv1",
    "java_multiple_files": "true",
    "java_package": "backprop.v1",
    "objc_class_prefix": "BXX",
    "php_namespace": r"Backprop\\V1",
    "ruby_package": "Backprop::V1",
}
# As upstream has them: their code is in packages that everybody uses.
GENPROTO = "google.golang.org/genproto/googleapis/rpc"
RPC = {"java_multiple_files": "true", "java_package": "com.google.rpc", "objc_class_prefix": "RPC"}
THEIRS = {
    "google/rpc/status.proto": {
        **RPC,
        "cc_enable_arenas": "true",
        "go_package": f"{GENPROTO}/status;status",
        "java_outer_classname": "StatusProto",
    },
    "google/rpc/error_details.proto": {
        **RPC,
        "go_package": f"{GENPROTO}/errdetails;errdetails",
        "java_outer_classname": "ErrorDetailsProto",
    },
    "grpc/reflection/v1/reflection.proto": {
        "go_package": "google.golang.org/grpc/reflection/grpc_reflection_v1",
        "java_multiple_files": "true",
        "java_outer_classname": "ServerReflectionProto",
        "java_package": "io.grpc.reflection.v1",
    },
    "grpc/reflection/v1alpha/reflection.proto": {
        "deprecated": "true",
        "go_package": "google.golang.org/grpc/reflection/grpc_reflection_v1alpha",
        "java_multiple_files": "true",
        "java_outer_classname": "ServerReflectionProto",
        "java_package": "io.grpc.reflection.v1alpha",
    },
    "grpc/health/v1/health.proto": {
        "csharp_namespace": "Grpc.Health.V1",
        "go_package": "google.golang.org/grpc/health/grpc_health_v1",
        "java_multiple_files": "true",
        "java_outer_classname": "HealthProto",
        "java_package": "io.grpc.health.v1",
        "objc_class_prefix": "GrpcHealthV1",
    },
}


def wanted(name: str) -> dict[str, str]:
    """The options of a file, by its path in proto."""
    if name in THEIRS:
        return THEIRS[name]
    words = pathlib.PurePosixPath(name).stem.split("_")
    return {**OURS, "java_outer_classname": "".join(word.title() for word in words) + "Proto"}


class ProtocolOptionsTest(unittest.TestCase):
    def test_every_file_has_them(self) -> None:
        # What the server's store holds is compiled for the server alone.
        files = sorted(set(PROTO.rglob("*.proto")) - set((PROTO / "backprop/store").rglob("*.proto")))
        self.assertGreaterEqual(len(files), len(THEIRS) + 3)
        for path in files:
            name = path.relative_to(PROTO).as_posix()
            with self.subTest(file=name):
                self.assertEqual(dict(OPTION.findall(path.read_text())), wanted(name))


if __name__ == "__main__":
    unittest.main()
