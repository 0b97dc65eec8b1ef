#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backpropd is killed at random moments under load, and loses nothing that it had acknowledged.

What it must have afterwards is known from what was sent and answered
(crash/oracle.py). A few sessions are trained by the Python client, which resumes
by itself (crash/resumer.py). A round before whose kill too little was trained is void and
repeated. The seed decides what is asked for and when it is killed; the machine
decides how far it got until then. Needs the Python that client_python_test
makes.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import secrets
import shutil
import sys
import tempfile
import threading
import time
import unittest
from functools import partial

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from backpropd.replica import Anchor  # noqa: E402
from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from crash.load import Churn, Trainer, Workers  # noqa: E402
from crash.oracle import Oracle, demand, may_go_on  # noqa: E402
from crash.resumer import Resumer  # noqa: E402
from crash.server import PATIENCE_SECONDS, Server, start_and_kill  # noqa: E402
from crash.sessions import KINDS, spec_of  # noqa: E402
from crash.twin import anchor_of_twin  # noqa: E402
from crash.watcher import Watcher, is_told_to_begin_anew, reason_of_refusal  # noqa: E402

WATCHERS = 6
PROBED = 4
RESUMERS = 4
LEAST_OF_EACH = 5
"""Steps of each session before a kill."""
LEAST_OF_ALL = 20
"""Steps before a kill, times the number of sessions."""
GIVEN = argparse.Namespace()


class Crashes:
    """A server's lives on one directory."""

    def __init__(self, data_dir: pathlib.Path) -> None:
        self._data_dir = data_dir
        self._random = random.Random(GIVEN.seed)
        self._server = Server(GIVEN.backpropd, data_dir)
        self._sessions = [self._create(KINDS[n % len(KINDS)]) for n in range(GIVEN.sessions)]
        # Those who watch take what a replica can apply as fast as it is trained.
        watched = [each for each in self._sessions if each.kind != "large"]
        self._watchers = [
            Watcher(self._server, each) for each in self._random.sample(watched, min(WATCHERS, len(watched)))
        ]
        self._churn = Churn(self._fork())
        small = [kind for kind in KINDS if kind != "large"]
        self._resumers = [Resumer(self._server, kind, self._fork()) for kind in self._random.sample(small, RESUMERS)]
        self._resuming = Workers(self._server)
        self._steps = 0
        self._probes = 0

    def _fork(self) -> random.Random:
        return random.Random(self._random.getrandbits(64))

    def _create(self, kind: str) -> Oracle:
        seed = self._random.getrandbits(32)
        spec = spec_of(kind, seed)
        made = self._server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        return Oracle(kind, seed, spec, made, self._server.anchor(made))

    def _all(self) -> list[Oracle]:
        return [*self._sessions, *self._churn.sessions]

    def run(self, kills: int) -> None:
        """So many kills that count, and the comparison at the end."""
        counted = void = 0
        enough = threading.Event()
        for resumer in self._resumers:
            self._resuming.start(partial(resumer.run, enough))
        while counted < kills:
            counts = self._round()
            counted, void = counted + counts, void + (not counts)
            print(f"kill {counted + void}{'' if counts else ' (void)'}: {self._steps} steps", flush=True)
            demand(void <= kills + 10, f"{void} rounds are void: the machine is too slow for this load")
        enough.set()
        self._resuming.join()
        self._finish()
        beyond = sum(each.beyond for each in self._all())
        resyncs = sum(each.resyncs for each in self._watchers)
        print(
            f"{counted} kills, {void} void; {len(self._sessions)} sessions trained throughout,"
            f" {self._churn.created} made and {self._churn.deleted} deleted meanwhile; {self._steps} steps;"
            f" {beyond} times more was durable than answered; {resyncs} watchers began anew; {self._probes} probes;"
            f" {sum(each.resumes for each in self._resumers)} times a client resumed by itself, having lost"
            f" {sum(each.lost_steps for each in self._resumers)} answered steps",
            flush=True,
        )

    def _watch(self) -> Workers:
        """Replicas that stand where the last life left them, before anything is trained."""
        server, workers = self._server, Workers(self._server)
        for watcher in self._watchers:
            watcher.is_open.clear()
            workers.start(partial(watcher.run, server))
        for watcher in self._watchers:
            self._await(watcher.is_open, workers)
        return workers

    def _train(self, stop: threading.Event) -> Workers:
        """Clients, each of which has been answered."""
        server, workers = self._server, Workers(self._server)
        for number, oracle in enumerate(self._sessions):
            trainer = Trainer(server, oracle, self._fork(), by_hand=number % 3 == 1)
            workers.start(partial(trainer.run, stop))
        workers.start(partial(self._churn.run, server, stop))
        for oracle in self._sessions:
            self._await(oracle.running, workers)
        return workers

    def _await(self, event: threading.Event, workers: Workers) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not event.wait(0.1):
            if workers.failures or time.monotonic() > deadline:
                raise AssertionError("\n".join(workers.failures) or "Nothing is answered.")

    def _round(self) -> bool:
        """Whether it counts."""
        watching = self._watch()
        training = self._train(threading.Event())
        for resumer in self._resumers:
            self._await(resumer.running, self._resuming)
        time.sleep(self._random.uniform(0.3, 2))
        self._probe_running()
        self._server.kill()
        for resumer in self._resumers:
            resumer.killed()
        training.join()
        watching.join()
        self._server.close()
        self._settle()
        steps = [each.steps_answered for each in self._sessions]
        self._restart()
        return min(steps) >= LEAST_OF_EACH and sum(steps) >= LEAST_OF_ALL * len(steps)

    def _settle(self) -> None:
        for oracle in self._all():
            oracle.settle()
        self._steps += sum(each.steps_answered for each in self._all())

    def _restart(self) -> None:
        starts = 1
        while self._random.random() < 0.3:
            start_and_kill(GIVEN.backpropd, self._data_dir, self._server.address, self._random.uniform(0, 0.3))
            starts += 1
        self._server = Server(GIVEN.backpropd, self._data_dir, self._server.address)
        found = self._server.sessions()
        deleting, self._churn.deleting = self._churn.deleting, None
        if deleting is not None and deleting.id in found:
            deleting.settle()  # it was not among all
            self._churn.sessions.append(deleting)
        for oracle in self._all():
            demand(oracle.id in found, f"{oracle} is gone")
            session = found.pop(oracle.id)
            oracle.recovered(session, self._server.anchor(session), starts)
        if self._churn.creating is not None:
            found.pop(self._churn.create(self._server).id, None)
        for resumer in self._resumers:
            demand(resumer.id in found, f"{resumer} is gone")
            resumer.recovered(found.pop(resumer.id).next_offset)
        demand(not found, f"sessions that nobody has: {', '.join(found)}")
        self._probe_standing()

    def _probe_standing(self) -> None:
        """Replicas of former epochs, of sessions that nobody trains."""
        for oracle in self._random.sample(self._sessions, min(PROBED, len(self._sessions))):
            for epoch, first in self._random.sample(oracle.epochs, min(2, len(oracle.epochs))):
                for step in {first, first + 1, oracle.step, oracle.step + 1}:
                    due = not may_go_on(oracle.epochs, epoch, step)
                    told = is_told_to_begin_anew(self._server, oracle, epoch, step)
                    demand(told == due, f"{oracle}: a replica at epoch {epoch}, step {step} was told {told}")
                    self._probes += 1

    def _probe_running(self) -> None:
        """Watchers of former epochs, of sessions that have come further."""
        for oracle in self._random.sample(self._sessions, min(PROBED, len(self._sessions))):
            first = oracle.epochs[-1][1]
            if len(oracle.epochs) > 1 and oracle.step > first:
                epoch = oracle.epochs[-2][0]
                reasons = [reason_of_refusal(self._server, oracle, epoch, step) for step in (first, first + 1)]
                demand(reasons[0] in ("", "STEP_NOT_HELD"), f"{oracle}: a watcher that may go on: {reasons[0]}")
                demand(reasons[1] == "EPOCH_OVER", f"{oracle}: a watcher that may not go on: {reasons[1]}")
                self._probes += 2

    def _finish(self) -> None:
        """The last life, at whose end everything is answered."""
        watching = self._watch()
        stop = threading.Event()
        training = self._train(stop)
        stop.set()
        training.join()
        self._settle()
        found = self._server.sessions()
        demand(found.keys() == {each.id for each in [*self._all(), *self._resumers]}, "other sessions than were made")
        anchors = {each.id: self._server.anchor(found[each.id]) for each in self._all()}
        for oracle in self._all():
            oracle.agrees_with(anchors[oracle.id])
        for watcher in self._watchers:
            self._compare(watcher, anchors[watcher.oracle.id])
        for oracle in self._all():
            twin = anchor_of_twin(self._server, oracle)
            demand(twin.message() == anchors[oracle.id].message(), f"{oracle} is not as one that was never stored")
        for resumer in self._resumers:
            resumer.agrees_with(self._server)
        demand(self._server.stop() == 0, "the server did not end as it should")
        watching.join()
        self._server.close()

    def _compare(self, watcher: Watcher, anchor: Anchor) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while watcher.replica.step < anchor.step and time.monotonic() < deadline:
            time.sleep(0.01)
        demand(watcher.replica.verify(anchor) is None, f"a watcher of {watcher.oracle} has other weights")


class CrashTest(unittest.TestCase):
    def test_what_was_acknowledged_survives(self) -> None:
        print(f"--seed {GIVEN.seed} --kills {GIVEN.kills} --sessions {GIVEN.sessions}", flush=True)
        data_dir = pathlib.Path(tempfile.mkdtemp(prefix="crash_test_", dir=GIVEN.data_dir))
        try:
            Crashes(data_dir).run(GIVEN.kills)
        except BaseException:
            print(f"the data directory is kept: {data_dir}", flush=True)
            raise
        shutil.rmtree(data_dir)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of an earlier run, to repeat it")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--data-dir", help="where to make the server's; it is left there when the test fails")
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
