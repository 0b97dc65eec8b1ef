# SPDX-License-Identifier: Apache-2.0
"""The lives of a server on one data directory, and what it must have in each."""

from __future__ import annotations

import pathlib
import random
import threading
import time
from functools import partial

from backpropd.replica import Anchor
from backpropd.v1 import training_service_pb2 as rpc
from server_under_test.demand import demand
from server_under_test.server import PATIENCE_SECONDS, Server
from server_under_test.sessions import LARGE, spec_of

from crash.load import Churn, Trainer, Workers
from crash.oracle import Oracle, may_go_on
from crash.twin import anchor_of_twin
from crash.watcher import Watcher, is_told_to_begin_anew

WATCHERS = 6
PROBED = 4
LEAST_OF_EACH = 5
"""Steps of each session before a kill."""
LEAST_OF_ALL = 20
"""Steps before a kill, times the number of sessions."""


class Lives:
    """Sessions that are trained in every life, watched, and made and deleted beside those."""

    def __init__(self, backpropd: str, data_dir: pathlib.Path, seed: int, kinds: list[str]) -> None:
        """With a session of each of the kinds."""
        self._backpropd = backpropd
        self._data_dir = data_dir
        self._random = random.Random(seed)
        self._server = Server(backpropd, data_dir)
        self._sessions = [self._create(kind) for kind in kinds]
        # Those who watch take what a replica can apply as fast as it is trained.
        watched = [each for each in self._sessions if each.kind not in LARGE]
        self._watchers = [
            Watcher(self._server, each) for each in self._random.sample(watched, min(WATCHERS, len(watched)))
        ]
        self._churn = Churn(self._fork())
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

    # While the server runs.

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
        """Clients at work."""
        server, workers = self._server, Workers(self._server)
        for number, oracle in enumerate(self._sessions):
            trainer = Trainer(server, oracle, self._fork(), by_hand=number % 3 == 1)
            workers.start(partial(trainer.run, stop))
        workers.start(partial(self._churn.run, server, stop))
        return workers

    def _await_answers(self, workers: Workers) -> None:
        for oracle in self._sessions:
            self._await(oracle.running, workers)

    def _await(self, event: threading.Event, workers: Workers, otherwise: str = "Nothing is answered.") -> None:
        """Waits for it, as long as the server lives and the workers have no complaint."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not event.wait(0.1) and not self._server.is_over.is_set():
            if workers.failures or time.monotonic() > deadline:
                raise AssertionError("\n".join(workers.failures) or otherwise)

    # When it has ended.

    def _settle(self) -> bool:
        """What was answered is followed; whether it is enough for the end to count."""
        for oracle in self._all():
            oracle.settle()
        self._steps += sum(each.steps_answered for each in self._all())
        steps = [each.steps_answered for each in self._sessions]
        return min(steps) >= LEAST_OF_EACH and sum(steps) >= LEAST_OF_ALL * len(steps)

    def _started(self) -> None:
        """Once more; each session may begin an epoch in each such life."""
        deleting = [] if self._churn.deleting is None else [self._churn.deleting]
        for oracle in [*self._all(), *deleting]:
            oracle.starts += 1
            oracle.steps_answered = 0

    # In the next life.

    def _recover(self) -> dict[str, rpc.Session]:
        """Compares every session; those that remain are of others."""
        found = self._server.sessions()
        deleting, self._churn.deleting = self._churn.deleting, None
        if deleting is not None and deleting.id in found:
            deleting.settle()  # it was not among all
            self._churn.sessions.append(deleting)
        for oracle in self._all():
            demand(oracle.id in found, f"{oracle} is gone")
            session = found.pop(oracle.id)
            oracle.recovered(session, self._server.anchor(session))
        if self._churn.creating is not None:
            found.pop(self._churn.create(self._server).id, None)
        return found

    def _probe_standing(self) -> None:
        """Replicas of former epochs, of sessions that nobody trains."""
        for oracle in self._random.sample(self._sessions, min(PROBED, len(self._sessions))):
            for epoch, first in self._random.sample(oracle.epochs, min(2, len(oracle.epochs))):
                for step in {first, first + 1, oracle.step, oracle.step + 1}:
                    due = not may_go_on(oracle.epochs, epoch, step)
                    told = is_told_to_begin_anew(self._server, oracle, epoch, step)
                    demand(told == due, f"{oracle}: a replica at epoch {epoch}, step {step} was told {told}")
                    self._probes += 1

    # In the last one.

    def _finish(self) -> None:
        """At whose end everything is answered."""
        watching = self._watch()
        stop = threading.Event()
        training = self._train(stop)
        self._await_answers(training)
        stop.set()
        training.join()
        self._settle()
        self._compare_all()
        demand(self._server.stop() == 0, "the server did not end as it should")
        watching.join()
        self._server.close()

    def _compare_all(self) -> None:
        found = self._server.sessions()
        anchors = {each.id: self._server.anchor(found[each.id]) for each in self._all()}
        for oracle in self._all():
            oracle.agrees_with(anchors[oracle.id])
        for watcher in self._watchers:
            self._compare(watcher, anchors[watcher.oracle.id])
        for oracle in self._all():
            twin = anchor_of_twin(self._server, oracle)
            demand(twin.message() == anchors[oracle.id].message(), f"{oracle} is not as one that was never stored")

    def _compare(self, watcher: Watcher, anchor: Anchor) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while watcher.replica.step < anchor.step and time.monotonic() < deadline:
            time.sleep(0.01)
        demand(watcher.replica.verify(anchor) is None, f"a watcher of {watcher.oracle} has other weights")

    def _tell(self) -> str:
        beyond = sum(each.beyond for each in self._all())
        resyncs = sum(each.resyncs for each in self._watchers)
        return (
            f"{len(self._sessions)} sessions trained throughout,"
            f" {self._churn.created} made and {self._churn.deleted} deleted meanwhile; {self._steps} steps;"
            f" {beyond} times more was durable than answered; {resyncs} watchers began anew; {self._probes} probes"
        )
