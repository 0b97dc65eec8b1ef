# SPDX-License-Identifier: Apache-2.0
"""A server that is killed at random moments."""

from __future__ import annotations

import pathlib
import threading
import time
from functools import partial

from server_under_test.demand import demand
from server_under_test.server import Server, start_and_kill
from server_under_test.sessions import KINDS, LARGE

from crash.lives import PROBED, Lives
from crash.load import Workers
from crash.resumer import Resumer
from crash.watcher import reason_of_refusal

RESUMERS = 4


class RandomKills(Lives):
    """Some sessions are trained by the Python client, which resumes by itself."""

    def __init__(self, backpropd: str, data_dir: pathlib.Path, seed: int, sessions: int) -> None:
        """With so many sessions."""
        super().__init__(backpropd, data_dir, seed, [KINDS[n % len(KINDS)] for n in range(sessions)])
        small = [kind for kind in KINDS if kind not in LARGE]
        self._resumers = [Resumer(self._server, kind, self._fork()) for kind in self._random.sample(small, RESUMERS)]
        self._resuming = Workers(self._server)

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
        print(
            f"{counted} kills, {void} void; {self._tell()};"
            f" {sum(each.resumes for each in self._resumers)} times a client resumed by itself, having lost"
            f" {sum(each.lost_steps for each in self._resumers)} answered steps",
            flush=True,
        )

    def _round(self) -> bool:
        """Whether it counts."""
        watching = self._watch()
        training = self._train(threading.Event())
        self._await_answers(training)
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
        counts = self._settle()
        self._restart()
        return counts

    def _restart(self) -> None:
        self._started()
        while self._random.random() < 0.3:
            start_and_kill(self._backpropd, self._data_dir, self._server.address, self._random.uniform(0, 0.3))
            self._started()
        self._server = Server(self._backpropd, self._data_dir, self._server.address)
        others = self._recover()
        for resumer in self._resumers:
            demand(resumer.id in others, f"{resumer} is gone")
            resumer.recovered(others.pop(resumer.id).next_offset)
        demand(not others, f"sessions that nobody has: {', '.join(others)}")
        self._probe_standing()

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

    def _compare_all(self) -> None:
        made = {each.id for each in self._all()} | {each.id for each in self._resumers}
        demand(self._server.sessions().keys() == made, "other sessions than were made")
        super()._compare_all()
        for resumer in self._resumers:
            resumer.agrees_with(self._server)
