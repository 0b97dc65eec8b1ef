#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients train through networks that fail, and the weights are those of a run whose network did not.

Each client is a process behind a proxy of its own (network/proxy.py), whose
faults a seed draws (network/storm.py); the server is stopped for moments too.
In the end every sample is applied once, each message was answered once, in
order, and the session and its replicas are, bit for bit, as one that was given
the same samples in one go. A run that met fewer faults than it was to is void,
and fails. Needs the Python that client_python_test makes.
"""

from __future__ import annotations

import argparse
import atexit
import json
import pathlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from functools import partial

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

import numpy as np  # noqa: E402
from backpropd.replica import Anchor  # noqa: E402
from backpropd.v1 import network_pb2 as pb  # noqa: E402
from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from network.clean import trained_in_one_go  # noqa: E402
from network.proxy import Proxy  # noqa: E402
from network.storm import PATIENCE_SECONDS, Storm  # noqa: E402
from network.traffic import samples  # noqa: E402
from server_under_test.demand import demand  # noqa: E402
from server_under_test.server import Server  # noqa: E402
from server_under_test.sessions import spec_of  # noqa: E402

SILENCE_MS = 1500
"""After which those who train here ask whether the server lives, and wait as long for the answer.

It is less than the server allows (10 s), which has something to tell them
meanwhile. To one that watches it may have nothing: that one asks as seldom as
clients do, and of a half-open connection it is told before.
"""
NOTICED_SECONDS = 2 * SILENCE_MS / 1000
LEAST_SERVER_STOPS = 3
LEAST_BREAKS = 5
"""Of the command's connection."""
COMMAND_ROWS = 64
COMMAND_EPOCHS = 600
GIVEN = argparse.Namespace()


class Client:
    """A process that trains or watches a session through a proxy."""

    def __init__(
        self, name: str, command: list[str], server: Server, session: rpc.Session, choice: random.Random
    ) -> None:
        self._name = f"{name}, session {session.session_id} ({session.spec.display_name})"
        self.session_id = session.session_id
        self.proxy = Proxy(server.address)
        rest = [self.proxy.address, session.session_id, str(seed_of(session)), str(SILENCE_MS)]
        noticed = None if name == "watch" else NOTICED_SECONDS
        self.process = subprocess.Popen([*command, *rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # where a check fails
        self.storm = Storm(self.proxy, choice, partial(offset_of, server, session), self.sleep, noticed)

    def __str__(self) -> str:
        return self._name

    def sleep(self, seconds: float) -> None:
        """SIGSTOP for so long."""
        stop_for(self.process, seconds)

    def tell(self, text: str) -> None:
        """What it looks for when something has come."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def finish(self) -> dict[str, int]:
        """Tells it that it is enough; what it found."""
        out, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        demand(self.process.returncode == 0, f"{self} failed")
        self.proxy.close()
        found: dict[str, int] = json.loads(out)
        return found


def stop_for(process: subprocess.Popen[str], seconds: float) -> None:
    """SIGSTOP for so many seconds."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def seed_of(session: rpc.Session) -> int:
    """That its samples are made from."""
    return int(session.spec.initialiser.seed) - 1


def offset_of(server: Server, session: rpc.Session) -> int:
    """Asked of the server itself."""
    request = rpc.GetSessionRequest(session_id=session.session_id)
    return int(server.stub.GetSession(request).session.next_offset)


class Storms:
    """A server, its clients, and what befalls them."""

    def __init__(self, data_dir: pathlib.Path) -> None:
        self._random = random.Random(GIVEN.seed)
        self._server = Server(GIVEN.backpropd, data_dir)
        limits = self._server.stub.GetServerInfo(rpc.GetServerInfoRequest()).limits
        demand(
            limits.max_held_bytes > 0,
            f"{GIVEN.backpropd} holds no answers (ServerLimits.max_held_bytes): what is lost with a connection would "
            f"be skipped. This test needs a backpropd that knows TrainOptions.hold_answers",
        )
        python = [sys.executable, "-B", str(HERE / "network/client.py")]
        self._sessions = {kind: self._create(kind) for kind in ("learnt", "dropout", "adam", "plateau")}
        self._trainers = {
            "learnt": self._client([*python, "plain"], "learnt"),
            "dropout": self._client([*python, "asyncio"], "dropout"),
            "adam": self._client([GIVEN.network_client], "adam"),
            "plateau": self._client([GIVEN.network_client], "plateau"),
        }
        self._watcher = self._client([*python, "watch"], "learnt")
        self._failures: list[str] = []
        self._server_stops = 0

    def _fork(self) -> random.Random:
        return random.Random(self._random.getrandbits(64))

    def _create(self, kind: str) -> rpc.Session:
        spec = spec_of(kind, self._random.getrandbits(31))
        spec.display_name = kind
        return self._server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session

    def _client(self, command: list[str], kind: str) -> Client:
        name = pathlib.Path(command[0] if len(command) == 1 else command[-1]).name
        return Client(name, command, self._server, self._sessions[kind], self._fork())

    def run(self, rounds: int) -> None:
        """All storms at a time, then the comparison."""
        began = time.monotonic()
        clients = [*self._trainers.values(), self._watcher]
        storms = [threading.Thread(target=self._guarded, args=(each, rounds)) for each in clients]
        for storm in storms:
            storm.start()
        choice = self._fork()
        while any(storm.is_alive() for storm in storms):
            time.sleep(choice.uniform(1, 4))
            self._server.sleep(choice.choice([choice.uniform(0.1, 1), NOTICED_SECONDS + 1]))
            self._server_stops += 1
        for storm in storms:
            storm.join()
        demand(not self._failures, "\n".join(self._failures))
        for client in clients:
            self._demand_faults(client, rounds)
        demand(self._server_stops >= LEAST_SERVER_STOPS, f"void: the server was stopped {self._server_stops} times")
        self._compare()
        demand(self._server.stop() == 0, "the server did not end as it should")
        self._server.close()
        print(f"{time.monotonic() - began:.0f} s; the server was stopped {self._server_stops} times", flush=True)

    def _guarded(self, client: Client, rounds: int) -> None:
        try:
            client.storm.run(rounds)
        except Exception as error:  # told by the main thread
            self._failures.append(f"{client}: {error!r}")

    def _demand_faults(self, client: Client, rounds: int) -> None:
        storm = client.storm
        for kind in storm.kinds:
            demand(storm.met[kind] >= rounds - rounds // 2, f"void: {client} met '{kind}' {storm.met[kind]} times only")

    def _compare(self) -> None:
        for kind, client in self._trainers.items():
            found = client.finish()
            session = self._server.sessions()[client.session_id]
            applied, sent = session.next_offset, found["sent"]
            demand(applied == sent, f"{client}: {applied} samples were applied of {sent}")
            anchor = self._server.anchor(session)
            replica = (found["step"], found["digest"])
            demand(replica == (anchor.step, anchor.digest), f"{client}: its replica is at {replica}")
            twin = self._twin(kind, sent)
            demand(twin.message() == anchor.message(), f"{client}: not as one whose network did not fail")
            self._report(client, found)
        self._compare_watcher()

    def _report(self, client: Client, found: dict[str, int]) -> None:
        storm, resumes = client.storm, found["resumes"]
        demand(resumes * 2 >= storm.breaks, f"void: {client} resumed {resumes} times after {storm.breaks} breaks")
        print(
            f"{client}: {found['sent']} samples, {sum(storm.met.values())} faults, resumed {resumes} times,"
            f" half-open connections noticed after at most {storm.longest_unnoticed:.1f} s",
            flush=True,
        )

    def _twin(self, kind: str, count: int) -> Anchor:
        """A session in memory only that is given the same in one go."""
        seed = seed_of(self._sessions[kind])
        spec = spec_of(kind, seed)
        spec.durability.mode = pb.DURABILITY_MODE_MEMORY
        made = self._server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        return trained_in_one_go(self._server, made, count, partial(samples, seed))

    def _compare_watcher(self) -> None:
        """One step more is made by hand, for a watcher that has seen all others already."""
        session = self._server.sessions()[self._watcher.session_id]
        self._watcher.tell(f"{session.step + 1}\n")
        self._step(session)
        found = self._watcher.finish()
        anchor = self._server.anchor(self._server.sessions()[session.session_id])
        told = (found["step"], found["digest"])
        demand(told == (anchor.step, anchor.digest), f"{self._watcher}: its replica is at {told}")

    def _step(self, session: rpc.Session) -> None:
        x, y = samples(0, 0, session.spec.batch_size)
        rows = [
            rpc.Sample(inputs=inputs, targets=targets) for inputs, targets in zip(x.tolist(), y.tolist(), strict=True)
        ]
        self._server.stub.TrainStep(rpc.TrainStepRequest(session_id=session.session_id, samples=rows))


class NetworkTest(unittest.TestCase):
    def setUp(self) -> None:
        self._data_dir = pathlib.Path(tempfile.mkdtemp(prefix="network_test_"))
        self.addCleanup(shutil.rmtree, self._data_dir, ignore_errors=True)
        print(f"--seed {GIVEN.seed} --rounds {GIVEN.rounds}", flush=True)

    def test_all_clients_have_every_sample_applied_once(self) -> None:
        Storms(self._data_dir).run(GIVEN.rounds)

    def test_the_command_ends_with_the_clean_runs_weights(self) -> None:
        server = Server(GIVEN.backpropd, self._data_dir / "data")
        self._write_table()
        demand(self._command(server.address, "clean", "memory").wait(2 * PATIENCE_SECONDS) == 0, "the clean run failed")
        proxy = Proxy(server.address)
        process = self._command(proxy.address, "stormy", "durable")
        sessions = server.sessions
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (made := [each for each in sessions().values() if each.spec.display_name == "stormy"]):
            demand(time.monotonic() < deadline, "the command makes no session")
            time.sleep(0.02)
        sleep = partial(stop_for, process)
        is_over = lambda: process.poll() is not None  # noqa: E731
        storm = Storm(proxy, random.Random(GIVEN.seed), partial(offset_of, server, made[0]), sleep, None, is_over)
        storm.run(GIVEN.rounds)
        demand(process.wait(4 * PATIENCE_SECONDS) == 0, "the command failed")
        demand(storm.breaks >= LEAST_BREAKS, f"void: {dict(storm.met)}")
        session = sessions()[made[0].session_id]
        demand(session.next_offset == COMMAND_ROWS * COMMAND_EPOCHS, f"{session.next_offset} samples were applied")
        weights = (self._data_dir / "stormy").read_bytes()
        demand(weights == (self._data_dir / "clean").read_bytes(), "other weights than the clean run's")
        demand(weights == server.anchor(session).weights.tobytes(), "other weights than the session's")
        demand(server.stop() == 0, "the server did not end as it should")
        server.close()
        print(f"backprop train: {session.next_offset} samples, {sum(storm.met.values())} faults", flush=True)

    def _write_table(self) -> None:
        rows = np.random.default_rng(GIVEN.seed).standard_normal((COMMAND_ROWS, 5))
        lines = ["a,b,c,d,e", *(",".join(f"{number:.6f}" for number in row) for row in rows)]
        (self._data_dir / "table.csv").write_text("\n".join(lines) + "\n")

    def _command(self, address: str, name: str, durability: str) -> subprocess.Popen[str]:
        flags = [
            f"--address={address}", f"--name={name}", f"--durability={durability}", "--keep-session",
            f"--csv={self._data_dir / 'table.csv'}", "--target=e", "--regression", "--layers=8:tanh,1",
            f"--epochs={COMMAND_EPOCHS}", "--samples-per-message=4", f"--output={self._data_dir / name}",
        ]  # fmt: skip
        process = subprocess.Popen([GIVEN.backprop, "train", *flags], stdout=subprocess.DEVNULL, text=True)
        self.addCleanup(process.kill)
        return process


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    parser.add_argument("--backprop", required=True, help="the command")
    parser.add_argument("--network-client", required=True, help="network/network_client.cc")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of an earlier run, to repeat it")
    parser.add_argument("--rounds", type=int, default=1, help="of each fault")
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
