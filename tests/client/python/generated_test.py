# SPDX-License-Identifier: Apache-2.0
"""What is generated is up to date: the stubs with the protocol, the client that blocks with asyncio's."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import backpropd
import pytest
from backpropd.v1 import delta_pb2, network_pb2, options_pb2, training_service_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROTO = ROOT / "proto"
PACKAGE = ROOT / "client/python"
MODULES = {
    "delta": delta_pb2,
    "network": network_pb2,
    "options": options_pb2,
    "training_service": training_service_pb2,
}

[STUBS_BY] = re.findall(r'^PROTOC_VERSION = "(.*)"', (PACKAGE / "generate_stubs.py").read_text(), re.MULTILINE)
PROTOC = shutil.which("protoc")
with_protoc = pytest.mark.skipif(
    PROTOC is None or subprocess.check_output([PROTOC, "--version"], text=True).strip() != STUBS_BY,
    reason=f"the stubs are made by {STUBS_BY} alone",
)


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


def ran(script: pathlib.Path, *arguments: str, path: str | None = None) -> tuple[int, str]:
    """Exit code and standard error of a generator; with PATH as given."""
    environment = None if path is None else {**os.environ, "PATH": path}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stderr


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    """The package's source in a tree of its own, with the protocol."""
    shutil.copytree(PACKAGE, tmp_path / "client/python")
    (tmp_path / "proto").symlink_to(PROTO)
    return tmp_path / "client/python"


def test_the_client_that_blocks_is_up_to_date() -> None:
    assert ran(PACKAGE / "generate_sync.py", "--check") == (0, "")


def test_a_new_module_of_aio_is_missed_in_sync_until_it_is_made(copied: pathlib.Path) -> None:
    text = '# SPDX-License-Identifier: Apache-2.0\n"""Something new."""\n\n\nasync def ask() -> int:\n    return 1\n'
    (copied / "src/backpropd/aio/planted.py").write_text(text)
    made = copied / "src/backpropd/sync/planted.py"
    code, said = ran(copied / "generate_sync.py", "--check")
    assert (code, made.exists()) == (1, False)
    assert said == "Stale in sync: planted.py. Run generate_sync.py.\n"
    assert ran(copied / "generate_sync.py") == (0, "")
    assert "\ndef ask() -> int:\n" in made.read_text()
    assert ran(copied / "generate_sync.py", "--check") == (0, "")


def test_a_module_of_sync_that_aio_has_no_more_is_stale_and_taken_away(copied: pathlib.Path) -> None:
    (copied / "src/backpropd/aio/watch.py").rename(copied / "src/backpropd/aio/follow.py")
    code, said = ran(copied / "generate_sync.py", "--check")
    assert code == 1
    assert said == "Stale in sync: follow.py, watch.py (has no counterpart in aio). Run generate_sync.py.\n"
    assert ran(copied / "generate_sync.py") == (0, "")
    assert not (copied / "src/backpropd/sync/watch.py").exists()


def test_a_module_of_sync_that_nothing_made_is_no_leftover_to_be_deleted(copied: pathlib.Path) -> None:
    planted = copied / "src/backpropd/sync/planted.py"
    planted.write_text("by_hand = True\n")
    assert ran(copied / "generate_sync.py", "--check")[0] == 1
    code, said = ran(copied / "generate_sync.py")
    assert (code, planted.exists()) == (1, True)
    assert "name it in BY_HAND, or delete it" in said


@with_protoc
def test_the_stubs_are_what_is_made_from_the_protocol() -> None:
    assert ran(PACKAGE / "generate_stubs.py", "--check") == (0, "")


@with_protoc
def test_stubs_changed_by_hand_and_those_of_a_file_that_is_gone_are_stale(copied: pathlib.Path) -> None:
    folder = copied / "src/backpropd/v1"
    (folder / "delta_pb2.py").unlink()
    (folder / "training_service_pb2_grpc.py").write_text("# changed by hand\n")
    (folder / "gone_pb2.pyi").write_text("")
    code, said = ran(copied / "generate_stubs.py", "--check")
    assert code == 1
    assert said == (
        "Stale in v1: delta_pb2.py, training_service_pb2_grpc.py, gone_pb2.pyi (of no file of the protocol). "
        "Run generate_stubs.py.\n"
    )
    assert ran(copied / "generate_stubs.py") == (0, "")
    assert ran(copied / "generate_stubs.py", "--check") == (0, "")


def test_a_generator_says_which_program_it_lacks(tmp_path: pathlib.Path) -> None:
    said = ran(PACKAGE / "generate_stubs.py", "--check", path=str(tmp_path))
    assert said == (1, "There is no protoc: install Debian 12's package protobuf-compiler.\n")
    (tmp_path / "protoc").write_text(f'#!/bin/sh\n[ "$1" != --version ] || echo {STUBS_BY}\n')
    (tmp_path / "protoc").chmod(0o755)
    said = ran(PACKAGE / "generate_stubs.py", "--check", path=str(tmp_path))
    assert said == (1, "There is no grpc_python_plugin: install Debian 12's package protobuf-compiler-grpc.\n")


def test_the_generator_of_sync_says_that_its_python_lacks_ruff() -> None:
    command = [sys.executable, "-S", str(PACKAGE / "generate_sync.py"), "--check"]  # without site-packages
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "has no ruff: tests/client/python/lint.sh build/lint_venv makes build/lint_venv/bin/python" in done.stderr


@pytest.mark.parametrize("name", ["generate_sync.py", "generate_stubs.py"])
def test_an_argument_that_a_generator_does_not_know_changes_nothing(name: str, copied: pathlib.Path) -> None:
    planted = copied / "src/backpropd/sync/watch.py"
    planted.write_text("not what is made\n")
    code, said = ran(copied / name, "--chekc")
    assert code == 2
    assert "unrecognized arguments: --chekc" in said
    assert planted.read_text() == "not what is made\n"
