#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes src/backpropd/v1 from ../../proto; run it after each change of the protocol.

The stubs are kept in the tree, rather than made when the package is built,
because generated code runs only with a runtime at least as new as its
generator: made by protobuf 3.21 and gRPC 1.51 (Debian 12's packages
protobuf-compiler and protobuf-compiler-grpc) they run with every later one,
while tools fetched at build time would tie each wheel to their own version.
It also keeps compilers out of `pip install`. A test compares the stubs with
the protocol.
"""

import argparse
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE / "src" / "backpropd" / "v1"
PROTO = HERE.parents[1] / "proto"
FILES = ["delta", "network", "options", "training_service"]
SERVICE = "training_service"
PROTOC_VERSION = "libprotoc 3.21.12"
LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"


def program(name: str, package: str) -> str:
    """Where the program is; ends this one where it is not."""
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"There is no {name}: install Debian 12's package {package}.")
    return path


def run_protoc(out: pathlib.Path) -> None:
    """Writes the generated files under `out`/backprop/v1.

    It goes by way of a descriptor set so that the protocol's comments, which
    change more often than its fields, stay out of the stubs.
    """
    protos = [f"backprop/v1/{name}.proto" for name in FILES]
    descriptors = out / "descriptors.binpb"
    subprocess.run(
        ["protoc", f"-I{PROTO}", f"--descriptor_set_out={descriptors}", "--include_imports", *protos], check=True
    )
    plugin = program("grpc_python_plugin", "protobuf-compiler-grpc")
    made = [f"--descriptor_set_in={descriptors}", f"--python_out={out}", f"--pyi_out={out}"]
    subprocess.run(["protoc", *made, *protos], check=True)
    service = [f"--descriptor_set_in={descriptors}", f"--grpc_out={out}", f"--plugin=protoc-gen-grpc={plugin}"]
    subprocess.run(["protoc", *service, f"backprop/v1/{SERVICE}.proto"], check=True)


def in_package(text: str) -> str:
    """`text` of a generated file, moved from module backprop.v1 to backpropd.v1."""
    text = text.replace("from backprop.v1 import", "from backpropd.v1 import")
    text = text.replace("(DESCRIPTOR, 'backprop.v1.", "(DESCRIPTOR, 'backpropd.v1.")
    return LICENCE + text


def method_types(stub: str) -> list[tuple[str, str, str, str]]:
    """(name, kind such as stream_unary, request, response) of each method in the stub's text."""
    methods = []
    lines = stub.split("class TrainingServiceServicer", maxsplit=1)[0].splitlines()
    for at, line in enumerate(lines):
        if " = channel." in line:
            name, kind = line.strip().removeprefix("self.").rstrip("(").split(" = channel.")
            request = lines[at + 2].split("pb2.")[1].split(".")[0]
            response = lines[at + 3].split("pb2.")[1].split(".")[0]
            methods.append((name, kind, request, response))
    return methods


def service_types(stub: str) -> str:
    """The .pyi of the service, whose stub serves plain and asyncio channels alike."""
    out = [
        "import grpc",
        "import grpc.aio",
        "from collections.abc import Iterator",
        "",
        f"from backpropd.v1 import {SERVICE}_pb2 as _pb2",
        "",
        "class TrainingServiceStub:",
        "    def __init__(self, channel: grpc.Channel) -> None: ...",
    ]
    names = {"unary": "Unary", "stream": "Stream"}
    methods = method_types(stub)
    for name, kind, request, response in methods:
        title = "".join(names[part] for part in kind.split("_"))
        out.append(f"    {name}: grpc.{title}MultiCallable[_pb2.{request}, _pb2.{response}]")
    out += ["", "class TrainingServiceAsyncStub:", '    """What TrainingServiceStub(grpc.aio.Channel) makes."""', ""]
    for name, kind, request, response in methods:
        title = "".join(names[part] for part in kind.split("_"))
        out.append(f"    {name}: grpc.aio.{title}MultiCallable[_pb2.{request}, _pb2.{response}]")
    servicer = "TrainingServiceServicer"
    out += ["", f"class {servicer}:"]
    for name, kind, request, response in methods:
        taken, given = kind.split("_")
        argument = f"_pb2.{request}" if taken == "unary" else f"Iterator[_pb2.{request}]"
        result = f"_pb2.{response}" if given == "unary" else f"Iterator[_pb2.{response}]"
        label = "request" if taken == "unary" else "request_iterator"
        out.append(f"    def {name}(self, {label}: {argument}, context: grpc.ServicerContext) -> {result}: ...")
    out += [
        "",
        f"def add_{servicer}_to_server(servicer: {servicer}, server: grpc.Server) -> None: ...",
        "",
    ]
    return LICENCE + "\n".join(out)


def generate() -> dict[str, str]:
    """Every file of the package backpropd.v1: name to text."""
    protoc = program("protoc", "protobuf-compiler")
    version = subprocess.run([protoc, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if version != PROTOC_VERSION:
        raise SystemExit(f"protoc is {version}, not {PROTOC_VERSION}; its output would need newer runtimes.")
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        run_protoc(out)
        made = out / "backprop" / "v1"
        texts = {path.name: in_package(path.read_text()) for path in sorted(made.iterdir())}
    texts[f"{SERVICE}_pb2_grpc.pyi"] = service_types(texts[f"{SERVICE}_pb2_grpc.py"])
    return texts


def check(texts: dict[str, str], left: list[str]) -> None:
    """Ends the program if the stubs are not what `texts` say, or some are `left` of files that are gone."""
    held = {path.name: path.read_text() for path in FOLDER.glob("*_pb2*")}
    stale = [name for name, text in texts.items() if held.get(name) != text]
    stale += [f"{name} (of no file of the protocol)" for name in left]
    if stale:
        raise SystemExit(f"Stale in v1: {', '.join(stale)}. Run {pathlib.Path(__file__).name}.")


def write(texts: dict[str, str], left: list[str]) -> None:
    """Makes the stubs what `texts` say."""
    for name in left:
        (FOLDER / name).unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text)


def main() -> None:
    """Writes the stubs; with --check, only says whether they are up to date."""
    arguments = argparse.ArgumentParser(description="Makes src/backpropd/v1 from the protocol.")
    arguments.add_argument("--check", action="store_true", help="only say whether the stubs are up to date")
    only_check = arguments.parse_args().check
    texts = generate()
    left = sorted({path.name for path in FOLDER.glob("*_pb2*")} - {*texts})
    (check if only_check else write)(texts, left)


if __name__ == "__main__":
    main()
