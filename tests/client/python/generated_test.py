# SPDX-License-Identifier: Apache-2.0
"""What is generated is up to date: the stubs with the protocol, the client that blocks with asyncio's."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import backpropd
import pytest
from backpropd.v1 import delta_pb2, network_pb2, options_pb2, training_service_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROTO = ROOT / "proto"
MODULES = {
    "delta": delta_pb2,
    "network": network_pb2,
    "options": options_pb2,
    "training_service": training_service_pb2,
}


@pytest.fixture(scope="module")
def in_tree(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    out = tmp_path_factory.mktemp("proto") / "set.binpb"
    protos = [f"backprop/v1/{name}.proto" for name in MODULES]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--descriptor_set_out={out}", *protos]
    subprocess.run(command, check=True)
    found = FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in found.file}


@pytest.mark.parametrize("name", MODULES)
def test_messages_and_services_are_up_to_date(name: str, in_tree: dict[str, FileDescriptorProto]) -> None:
    held = FileDescriptorProto()
    MODULES[name].DESCRIPTOR.CopyToProto(held)
    due = in_tree[f"backprop/v1/{name}.proto"]
    assert str(held) == str(due), "run client/python/generate_stubs.py"


@pytest.mark.parametrize("name", MODULES)
def test_types_know_every_field(name: str, in_tree: dict[str, FileDescriptorProto]) -> None:
    types = (pathlib.Path(backpropd.__file__).parent / "v1" / f"{name}_pb2.pyi").read_text()
    words = set(re.findall(r"\w+", types))
    fields = {field.name for message in in_tree[f"backprop/v1/{name}.proto"].message_type for field in message.field}
    assert fields - words == set()


def test_the_package_is_typed() -> None:
    assert (pathlib.Path(backpropd.__file__).parent / "py.typed").is_file()


def test_the_client_that_blocks_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "client/python/generate_sync.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
