#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`backpropd export` writes out of a data directory what `backprop export` gets from a server.

Sessions of every kind are trained, exported by the command, and their server is
killed; then they are exported from what it left. The files must be the same to
the byte. What these hold is the matter of tests/client/cli. Needs the Python that
client_python_test makes.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from backpropd import TrainingClient  # noqa: E402
from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from server_under_test.server import Server  # noqa: E402
from server_under_test.sessions import KINDS, Samples, spec_of  # noqa: E402

GIVEN = argparse.Namespace()
# How many samples each is trained on, whole steps: too few for one that learns its
# standardisation, and enough for another.
CASES = {kind: (kind, 240) for kind in KINDS} | {"learnt through": ("learnt", 480)}
WAYS = ((), ("--with-state",))
TOLD = r"^\d+ weights and \d+ numbers of state of step \d+, digest [0-9a-f]{16}\n$"


class ExportTest(unittest.TestCase):
    """On copies of what one server left."""

    folder: tempfile.TemporaryDirectory[str]
    ids: dict[str, str]
    online: dict[tuple[str, tuple[str, ...]], bytes]

    @classmethod
    def setUpClass(cls) -> None:
        """A session of each kind, and what the command exports of it."""
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        server = Server(GIVEN.backpropd, pathlib.Path(cls.folder.name))
        cls.ids = {name: cls.trained(server, *case) for name, case in CASES.items()}
        cls.online = {(name, flags): cls.command(server, cls.ids[name], *flags) for name in CASES for flags in WAYS}
        server.kill()
        server.close()

    @staticmethod
    def trained(server: Server, kind: str, samples: int) -> str:
        """Durable when this returns."""
        spec = spec_of(kind, 1)
        made = server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        with TrainingClient(server.address) as client:
            client.get(made.session_id).train(*Samples.of(spec, 1).rows(0, samples), until_durable=True)
        return str(made.session_id)

    @staticmethod
    def command(server: Server, session: str, *flags: str) -> bytes:
        """What it writes."""
        return subprocess.run(
            [GIVEN.backprop, "--address", server.address, "export", session, "-", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=60,
        ).stdout

    def setUp(self) -> None:
        """A copy of the directory, and room for files."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data_dir = pathlib.Path(folder.name) / "data"
        self.out = pathlib.Path(folder.name) / "out"
        self.out.mkdir()
        shutil.copytree(self.folder.name, self.data_dir)
        self.file = self.out / "s.safetensors"

    def export(self, session: str, *flags: str, to: str | None = None) -> subprocess.CompletedProcess[str]:
        """The program's end."""
        return subprocess.run(
            [GIVEN.backpropd, "export", str(self.data_dir), session, to or str(self.file), *flags],
            capture_output=True, text=True, timeout=60, check=False,
        )

    def refused(self, code: int, session: str, *flags: str, to: str | None = None) -> str:
        """Why; nothing is written."""
        before = {each.name: each.read_bytes() for each in self.out.iterdir()}
        ended = self.export(session, *flags, to=to)
        self.assertEqual((ended.returncode, ended.stdout), (code, ""), ended)
        self.assertTrue(ended.stderr.startswith("backpropd: "), ended)
        self.assertEqual({each.name: each.read_bytes() for each in self.out.iterdir()}, before)
        return ended.stderr

    def test_the_bytes_are_those_that_the_command_writes(self) -> None:
        for name in CASES:
            for flags in WAYS:
                with self.subTest(name=name, flags=flags):
                    ended = self.export(self.ids[name], "--force", *flags)
                    self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended)
                    self.assertRegex(ended.stdout, TOLD)
                    self.assertEqual(self.file.read_bytes(), self.online[name, flags])
        self.assertEqual([each.name for each in self.out.iterdir()], [self.file.name])

    def test_a_server_finds_all_as_it_was(self) -> None:
        self.assertEqual(self.export(self.ids["adam"], "--with-state").returncode, 0)
        server = Server(GIVEN.backpropd, self.data_dir)
        self.assertEqual(set(server.sessions()), set(self.ids.values()))
        self.assertEqual(self.command(server, self.ids["adam"], "--with-state"), self.file.read_bytes())
        refused = self.refused(2, self.ids["plain"])
        self.assertIn(f"{self.data_dir} is held by pid ", refused)
        self.assertEqual(server.stop(), 0)
        server.close()

    def test_a_file_that_is_there_is_written_over_only_by_force(self) -> None:
        self.file.write_bytes(b"precious")
        self.assertIn(f"{self.file} is there already: --force", self.refused(2, self.ids["plain"]))
        unknown = self.refused(1, "nobody", "--force")
        self.assertIn("there is no session nobody: `backprop session list` tells", unknown)
        self.assertEqual(self.export(self.ids["plain"], "--force").returncode, 0)
        self.assertEqual(self.file.read_bytes(), self.online["plain", ()])

    def test_a_session_that_is_damaged_is_not_exported_and_others_are(self) -> None:
        database = sqlite3.connect(self.data_dir / "sessions.db")
        with database:
            database.execute(
                "UPDATE pieces SET bytes = CAST(x'55' || substr(bytes, 2) AS BLOB) WHERE kind = 2"
                " AND session = (SELECT key FROM sessions WHERE id = ?)", [self.ids["momentum"]],
            )
        database.close()
        why = self.refused(1, self.ids["momentum"])
        self.assertIn(self.ids["momentum"], why)
        self.assertIn(f"`backpropd check {self.data_dir}` tells", why)
        self.assertEqual(self.export(self.ids["plain"]).returncode, 0)

    def test_what_cannot_be_written_or_looked_at_is_said(self) -> None:
        self.assertIn("cannot write /nowhere/s: No such file", self.refused(1, self.ids["plain"], to="/nowhere/s"))
        full = self.refused(1, self.ids["plain"], "--force", to=str(self.out))
        self.assertIn(f"cannot write {self.out}: ", full)
        self.assertEqual(list(self.out.parent.glob("*.partial")), [])
        (self.data_dir / "sessions.db").write_bytes(b"no database" * 1000)
        self.assertIn(f"{self.data_dir}/sessions.db", self.refused(2, self.ids["plain"]))
        shutil.rmtree(self.data_dir)
        self.assertIn(f"there is no {self.data_dir}/sessions.db", self.refused(2, self.ids["plain"]))
        self.assertFalse(self.data_dir.exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True)
    parser.add_argument("--backprop", required=True)
    _, rest = parser.parse_known_args(namespace=GIVEN)
    unittest.main(argv=sys.argv[:1] + rest)
