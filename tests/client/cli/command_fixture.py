# SPDX-License-Identifier: Apache-2.0
"""Runs the backprop command as its user does, on small data that it can learn.

Arguments of every test that uses this: the paths of backpropd and backprop.
"""

import gzip
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

BACKPROPD, BACKPROP = sys.argv[1:3]
PATIENCE_SECONDS = 60

# Each class lights one of three pixels.
PIXELS = 4
CLASSES = 3
SPECIES = ("cat", "dog", "owl")


def idx(dimensions: tuple[int, ...], elements: bytes) -> bytes:
    """An IDX file of unsigned bytes."""
    header = bytes((0, 0, 8, len(dimensions)))
    return header + struct.pack(f">{len(dimensions)}I", *dimensions) + elements


def images(count: int) -> tuple[bytes, bytes]:
    """IDX files of `count` images of 2 × 2 pixels, and of their labels."""
    noise = random.Random(1)
    pixels = bytearray()
    for i in range(count):
        pixels += bytes(200 if p == i % CLASSES else noise.randrange(50) for p in range(PIXELS))
    return idx((count, 2, 2), bytes(pixels)), idx((count,), bytes(i % CLASSES for i in range(count)))


def table(count: int, target: bool = True) -> str:
    """CSV whose two inputs tell the species apart, on very different scales."""
    noise = random.Random(2)
    lines = ["height,weight" + ",species" * target]
    for i in range(count):
        kind = i % CLASSES
        height, weight = 1 + 0.001 * (kind == 1), 5000 + 1000 * kind
        lines.append(f"{height + noise.uniform(0, 1e-4):.6f},{weight + noise.uniform(0, 100):.3f}"
                     + f",{SPECIES[kind]}" * target)
    return "\n".join(lines) + "\n"


class CommandTest(unittest.TestCase):
    """Gives each test a folder with data in it."""

    address = "127.0.0.1:1"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        pixels, labels = images(300)
        self.images = self.file("images.gz", gzip.compress(pixels))
        self.labels = self.file("labels", labels)
        self.csv = self.file("animals.csv", table(300).encode())
        self.idx_data = ("--images", self.images, "--labels", self.labels)
        self.csv_data = ("--csv", self.csv, "--target", "species")

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def command(self, *arguments: str) -> list[str]:
        return [BACKPROP, "--address", self.address, *arguments]

    def run_command(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*arguments), input=stdin, capture_output=True,
                              timeout=PATIENCE_SECONDS, check=False)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(errors="replace"),
                                           done.stderr.decode())

    def succeeds(self, *arguments: str, stdin: bytes = b"") -> str:
        """Standard output of a command that must succeed in silence."""
        done = self.run_command(*arguments, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return done.stdout

    def objects(self, *arguments: str, stdin: bytes = b"") -> list[dict]:
        """What the command says with --json, object by object."""
        return [json.loads(line) for line in self.succeeds("--json", *arguments, stdin=stdin).splitlines()]

    def piped(self, *arguments: str) -> tuple[bytes, str]:
        """What a command that must succeed writes with --output -, and what it says meanwhile."""
        done = subprocess.run(self.command(*arguments, "--output", "-"), capture_output=True,
                              timeout=PATIENCE_SECONDS, check=True)
        return done.stdout, done.stderr.decode()

    def fails(self, status: int, *arguments: str, stdin: bytes = b"") -> str:
        """Standard error of a command that must fail with this exit code."""
        done = self.run_command(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        self.assertTrue(done.stderr.startswith("backprop: "), done.stderr)
        return done.stderr


class ServedTest(CommandTest):
    """Gives each class of tests a server of its own."""

    server: subprocess.Popen
    http_address: str  # of the server's metrics
    server_arguments: tuple[str, ...] = ()

    @classmethod
    def setUpClass(cls) -> None:
        cls.start_server()

    @classmethod
    def start_server(cls) -> None:
        cls.server = subprocess.Popen(
            [BACKPROPD, "--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0", *cls.server_arguments],
            stderr=subprocess.PIPE, text=True,
        )
        assert cls.server.stderr is not None
        for line in cls.server.stderr:
            entry = json.loads(line)
            if entry["message"] == "serving":
                cls.address = entry["grpc_address"]
                cls.http_address = entry["http_address"]
                return
        raise RuntimeError("backpropd did not serve")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.terminate()
        cls.server.wait(timeout=PATIENCE_SECONDS)
        cls.server.stderr.close()

    def sessions(self) -> list[str]:
        return [session["session_id"] for session in self.objects("session", "list")]

    def deleted_later(self, session: str) -> str:
        """The same id; its session is deleted after the test."""
        self.addCleanup(self.run_command, "session", "delete", session)
        return session

    def keep(self, *arguments: str) -> str:
        """Trains, keeps the session and returns its id; it is deleted after the test."""
        return self.deleted_later(self.objects("train", "--keep-session", *arguments)[0]["session_id"])

    def made(self, *arguments: str, stdin: bytes = b"") -> str:
        """The id of the session that a `backprop session` command makes; it is deleted after the test."""
        return self.deleted_later(self.succeeds("session", *arguments, stdin=stdin).strip())


def main() -> None:
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
