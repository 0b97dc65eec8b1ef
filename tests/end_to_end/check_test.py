#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`backpropd check` finds what is wrong in a data directory, and says in which session.

A server leaves two sessions with a checkpoint each; then somebody changes rows
with sqlite3. Where the rows' hashes are made to fit again (README.md of
server/store and row_hash.h say how), only bringing the session back can tell.
Needs the Python that client_python_test makes.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable

import xxhash

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from server_under_test.server import Server  # noqa: E402
from server_under_test.sessions import Samples, spec_of  # noqa: E402

GIVEN = argparse.Namespace()
SPEC, IMAGE, CHECKPOINT = 1, 2, 4  # kinds of pieces


class Columns:
    """Of a row, to be hashed."""

    def __init__(self, kind: bytes) -> None:
        self._bytes = kind

    def numbers(self, *numbers: int) -> Columns:
        """8 bytes each; negative ones are SQLite's for those of 2^63 and more."""
        for number in numbers:
            self._bytes += struct.pack("<Q", number % 2**64)
        return self

    def text(self, text: bytes) -> Columns:
        """After its length."""
        self.numbers(len(text))
        self._bytes += text
        return self

    def hash(self) -> int:
        """As SQLite has it."""
        return signed(xxhash.xxh3_64_intdigest(self._bytes))


def signed(number: int) -> int:
    """The integer of SQLite with these 64 bits."""
    return number - 2**64 if number >= 2**63 else number


def replace_bytes(database: sqlite3.Connection, session: str, number: int, new: bytes) -> None:
    """Of a piece, with all hashes and sums that go with them."""
    key, *head = database.execute(
        "SELECT key, epoch, step, epochs, epoch_hashes, pieces, piece_hashes, piece_bytes, body"
        " FROM sessions WHERE id = ?",
        [session],
    ).fetchone()
    kind, base_step, step, first, length, old_hash = database.execute(
        "SELECT kind, base_step, step, first_number, length(bytes), hash FROM pieces WHERE session = ? AND number = ?",
        [key, number],
    ).fetchone()
    bytes_hash = signed(xxhash.xxh3_64_intdigest(new))
    columns = Columns(b"p").text(session.encode())
    new_hash = columns.numbers(number, kind, base_step, step, first, len(new), bytes_hash).hash()
    database.execute(
        "UPDATE pieces SET bytes = ?, bytes_hash = ?, hash = ? WHERE session = ? AND number = ?",
        [new, bytes_hash, new_hash, key, number],
    )
    head[5] ^= old_hash ^ new_hash
    head[6] += len(new) - length
    fits = Columns(b"h").text(session.encode()).numbers(key, *head[:7]).text(head[7]).hash()
    database.execute(
        "UPDATE sessions SET piece_hashes = ?, piece_bytes = ?, hash = ? WHERE id = ?", [*head[5:7], fits, session]
    )


class CheckTest(unittest.TestCase):
    """On copies of what one server left."""

    master: tempfile.TemporaryDirectory[str]
    ids: tuple[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        """Two sessions of two kinds."""
        cls.master = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.master.cleanup)
        server = Server(GIVEN.backpropd, pathlib.Path(cls.master.name))
        left, right = (cls.trained(server, kind) for kind in ("plain", "adam"))
        cls.ids = (left, right)
        status = server.stop()
        assert status == 0, status
        server.close()

    @staticmethod
    def trained(server: Server, kind: str) -> str:
        """Goes on after a checkpoint."""
        spec = spec_of(kind, 1)
        made = server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        samples = Samples.of(spec, 1)
        for step in range(20):
            offset = step * made.spec.batch_size
            server.stub.TrainStep(samples.step_by_hand(made.spec, made.session_id, offset))
            if step == 10:
                request = rpc.CreateCheckpointRequest(session_id=made.session_id, name=f"{kind}-10")
                server.stub.CreateCheckpoint(request)
        return made.session_id

    def setUp(self) -> None:
        """A copy to be damaged."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data_dir = pathlib.Path(folder.name) / "data"
        shutil.copytree(self.master.name, self.data_dir)

    def check(self) -> subprocess.CompletedProcess[str]:
        """The program's end."""
        return subprocess.run(
            [GIVEN.backpropd, "check", str(self.data_dir)], capture_output=True, text=True, timeout=60, check=False
        )

    def change(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Damages the database."""
        database = sqlite3.connect(self.data_dir / "sessions.db")
        with database:
            work(database)
        database.close()

    def do(self, sql: str) -> None:
        """One statement about the first session; :key and :id are its own."""

        def run(database: sqlite3.Connection) -> None:
            (key,) = database.execute("SELECT key FROM sessions WHERE id = ?", [self.ids[0]]).fetchone()
            changed = database.execute(sql, {"key": key, "id": self.ids[0]}).rowcount
            self.assertEqual(changed, 1)

        self.change(run)

    def assert_faults(self, *patterns: str) -> list[str]:
        """Only of the first session. Returns the faults' lines."""
        ended = self.check()
        self.assertEqual((ended.returncode, ended.stderr), (1, ""), ended)
        *faults, summary = ended.stdout.splitlines()
        for pattern in patterns:
            self.assertTrue(any(pattern in fault for fault in faults), (pattern, ended.stdout))
        for fault in faults:
            self.assertIn(self.ids[0], fault)
            self.assertNotIn(self.ids[1], fault)
        self.assertRegex(summary, rf"^2 sessions, [12] checkpoints, \d+ bytes: {len(faults)} faults$")
        return faults

    def assert_not_checked(self) -> str:
        """Returns the reason."""
        ended = self.check()
        self.assertEqual((ended.returncode, ended.stdout), (2, ""), ended)
        return ended.stderr

    def pieces(self, kind: int) -> list[int]:
        """Of the first session, by number."""
        found: list[int] = []
        sql = "SELECT number FROM pieces JOIN sessions ON key = session WHERE id = ? AND kind = ? ORDER BY number"
        self.change(lambda database: found.extend(row[0] for row in database.execute(sql, [self.ids[0], kind])))
        return found

    def replace(self, number: int, new: bytes) -> None:
        """A piece of the first session, so that its rows are sound."""
        self.change(lambda database: replace_bytes(database, self.ids[0], number, new))

    def test_what_a_server_left_is_sound(self) -> None:
        bytes_of_all: list[int] = []
        sql = "SELECT sum(length(bytes)) FROM pieces"
        self.change(lambda database: bytes_of_all.extend(database.execute(sql).fetchone()))
        ended = self.check()
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended)
        self.assertEqual(ended.stdout, f"2 sessions, 2 checkpoints, {bytes_of_all[0]} bytes: sound\n")

    def test_changes_nothing_and_a_server_starts_on_it_afterwards(self) -> None:
        files = [self.data_dir / "sessions.db"]
        before = [each.read_bytes() for each in files]
        self.check()
        self.assertEqual([each.read_bytes() for each in files], before)
        server = Server(GIVEN.backpropd, self.data_dir)
        self.assertEqual(set(server.sessions()), set(self.ids))
        server.stop()
        server.close()

    def test_a_byte_of_a_piece(self) -> None:
        self.do(
            "UPDATE pieces SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'55' AS BLOB)"
            " WHERE session = :key AND kind = 1 AND substr(bytes, -1) <> x'55'"
        )
        number = self.pieces(SPEC)[0]
        self.assert_faults(f"piece {number} of session {self.ids[0]}", f"session {self.ids[0]} can't be brought back")

    def test_a_heads_body(self) -> None:
        self.do("UPDATE sessions SET body = x'00' WHERE id = :id")
        self.assert_faults(f"session {self.ids[0]} (its head)")

    def test_a_piece_that_is_gone(self) -> None:
        number = self.pieces(IMAGE)[0]
        self.do(f"DELETE FROM pieces WHERE session = :key AND number = {number}")
        self.assert_faults(f"session {self.ids[0]} (its pieces")

    def test_an_image_that_is_nonsense_in_sound_rows(self) -> None:
        for number in self.pieces(IMAGE):
            self.replace(number, b"nonsense")
        faults = self.assert_faults(
            f"session {self.ids[0]} can't be brought back: piece ",
            f'checkpoint "plain-10" of session {self.ids[0]} can\'t be brought back: piece ',
        )
        self.assertEqual(len(faults), 2)

    def test_a_spec_that_is_nonsense_in_sound_rows(self) -> None:
        self.replace(self.pieces(SPEC)[-1], b"\xff\xff\xff\xff")
        self.assert_faults(f"session {self.ids[0]} can't be brought back: ")

    def test_a_checkpoint_that_is_nonsense_in_sound_rows(self) -> None:
        (number,) = self.pieces(CHECKPOINT)
        self.replace(number, b"\xff\xff")
        faults = self.assert_faults(f"the checkpoint in piece {number} of session {self.ids[0]} can't be brought back")
        self.assertEqual(len(faults), 1)

    def test_a_file_that_is_no_database(self) -> None:
        (self.data_dir / "sessions.db").write_bytes(b"garbage " * 10000)
        self.assertIn("it is no database", self.assert_not_checked())

    def test_a_directory_in_which_there_is_none(self) -> None:
        shutil.rmtree(self.data_dir)
        self.assertIn(f"there is no {self.data_dir}/sessions.db", self.assert_not_checked())
        self.assertFalse(self.data_dir.exists())
        self.data_dir.mkdir()
        self.assertIn(f"there is no {self.data_dir}/sessions.db", self.assert_not_checked())
        self.assertEqual(list(self.data_dir.iterdir()), [])

    def test_one_on_which_a_server_runs_is_refused_and_the_server_named(self) -> None:
        server = Server(GIVEN.backpropd, self.data_dir)
        refused = self.assert_not_checked()
        holder = (self.data_dir / "lock").read_text().strip()
        self.assertRegex(holder, r"^pid \d+ on ")
        self.assertIn(f"{self.data_dir} is held by {holder}", refused)
        server.stop()
        server.close()
        self.assertEqual(self.check().returncode, 0)

    def test_help_says_what_it_does_and_its_exit_codes(self) -> None:
        told = subprocess.run([GIVEN.backpropd, "check", "--help"], capture_output=True, text=True, check=True).stdout
        for expected in ("DATA_DIR", "No server may run", "because it writes", "2 if"):
            self.assertIn(expected, " ".join(told.split()))
        self.assertNotIn("--max-sessions", told)
        none = subprocess.run([GIVEN.backpropd, "check"], capture_output=True, text=True, check=False)
        self.assertEqual(none.returncode, 2)
        self.assertIn("DATA_DIR", none.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True)
    _, rest = parser.parse_known_args(namespace=GIVEN)
    unittest.main(argv=sys.argv[:1] + rest)
