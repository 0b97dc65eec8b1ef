# SPDX-License-Identifier: Apache-2.0
"""A server that dies by itself at each place that server/store/failpoint.h names."""

from __future__ import annotations

import os
import pathlib
import subprocess
import threading
import time
from dataclasses import dataclass
from functools import partial

import grpc
from server_under_test.demand import demand
from server_under_test.server import PATIENCE_SECONDS, DiedError, Server
from server_under_test.sessions import KINDS, LARGE

from crash.lives import Lives
from crash.load import Workers
from crash.oracle import Oracle
from crash.rewinder import Rewinder

KINDS_TRAINED = [*(kind for kind in KINDS if kind not in LARGE), "wide"]
REWOUND = ("momentum", "dropout", "plateau", "remembered")
_MOST_LIVES = 5
"""At one place: those that end too early are void."""


@dataclass(frozen=True)
class Place:
    """When a server comes to it, and after how many times it may die there."""

    fewest: int
    most: int
    trains: bool = True
    """It is come to while sessions are trained, which has to have gone on for a while."""
    idles: bool = False
    """It is come to when sessions leave memory, or come back for the second time."""


_STARTING = Place(1, 1, trains=False)
_LOADING = Place(1, 12, trains=False)
_IDLING = Place(1, 1, trains=False, idles=True)
# What loading sessions comes to as well begins beyond their number.
_COMMITTING = Place(30, 45)
_CHANGING = Place(120, 200)
PLACES = {
    "directory_held": _STARTING,
    "heads_listed": _STARTING,
    "part_trained": Place(300, 600),
    "part_recorded": Place(300, 600),
    "block_put": Place(40, 60),
    "steps_put": Place(25, 40),
    "image_put": Place(60, 90),
    "image_part_put": Place(3, 6),
    "image_ended": Place(1, 1),
    "handed_over": _CHANGING,
    "commit_begun": _COMMITTING,
    "head_put": _CHANGING,
    "pieces_removed": _CHANGING,
    "pieces_put": _CHANGING,
    "session_erased": Place(2, 4),
    "before_commit": _COMMITTING,
    "after_commit": _COMMITTING,
    "before_checkpoint": Place(4, 10),
    "after_checkpoint": Place(4, 10),
    "session_told": _CHANGING,
    "waiter_told": Place(28, 36),
    "evicting": Place(1, 12, trains=False, idles=True),
    "evicted": _IDLING,
    "load_begun": _LOADING,
    "numbers_restored": _LOADING,
    "brought_back": _LOADING,
    "epoch_durable": _LOADING,
    "checkpoints_edited": Place(7, 10),
    "history_cut": Place(2, 4),
    "rewind_begun": Place(2, 4),
    "rewind_durable": Place(2, 4),
}
EMPTY = "schema_made"
"""The one place that a server comes to on an empty directory only."""


def names_of(backpropd: str, data_dir: pathlib.Path) -> set[str]:
    """The places that a server knows; it tells them when it is given another."""
    command = [backpropd, "--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0", f"--data-dir={data_dir}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"BACKPROP_FAILPOINT": "?"})
    assert process.stderr is not None
    line = process.stderr.readline()
    process.kill()
    process.wait()
    process.stderr.close()
    demand("places:" in line, f"{backpropd} is built without BACKPROP_FAILPOINTS")
    return set(line.partition("places:")[2].split())


class Failpoints(Lives):
    """A life for each place; some sessions are also taken back to their checkpoints."""

    def __init__(self, backpropd: str, data_dir: pathlib.Path, seed: int) -> None:
        """On an empty directory, where a first server dies at once."""
        known = names_of(backpropd, data_dir)
        strange = known ^ {EMPTY, *PLACES}
        demand(not strange, f"places that only one of the server and this test knows: {strange}")
        try:
            Server(backpropd, data_dir, failpoint=f"{EMPTY}:1")
        except DiedError:
            super().__init__(backpropd, data_dir, seed, KINDS_TRAINED)
        else:
            raise AssertionError(f"{EMPTY} was not come to")
        self._rewinders = [Rewinder(self._create(kind), self._fork()) for kind in REWOUND]

    def _all(self) -> list[Oracle]:
        return [*super()._all(), *(each.oracle for each in self._rewinders)]

    def run(self, only: list[str]) -> None:
        """All places, or some, and the comparison at the end."""
        self._train_for_the_first_time()
        voids = 0
        names = self._in_order(only or list(PLACES))
        for name in names:
            voids += self._die_at(name)
        self._started()
        self._server = Server(self._backpropd, self._data_dir, self._server.address)
        self._compare_standing()
        self._finish()
        rewinds = sum(each.rewinds for each in self._rewinders)
        print(
            f"{1 + len(names)} places, {voids} lives void; {self._tell()}; {rewinds} times one was taken back",
            flush=True,
        )

    def _in_order(self, names: list[str]) -> list[str]:
        """Any, but that something is trained in the life before one in which nothing is."""
        training = [name for name in names if PLACES[name].trains]
        others = [name for name in names if not PLACES[name].trains]
        self._random.shuffle(training)
        after = dict(zip(self._random.sample(training, min(len(training), len(others))), others, strict=False))
        order = [each for name in training for each in (name, after.get(name)) if each is not None]
        return order or others

    def _train_for_the_first_time(self) -> None:
        stop = threading.Event()
        training = self._train(stop)
        self._await_answers(training)
        self._server.kill()
        training.join()
        self._server.close()
        self._settle()

    def _die_at(self, name: str) -> int:
        """How many lives were void."""
        place = PLACES[name]
        times = self._random.randint(place.fewest, place.most)
        for void in range(_MOST_LIVES):
            counts = self._live(place, f"{name}:{times}")
            print(f"{name}:{times}{'' if counts else ' (void)'}: {self._steps} steps", flush=True)
            if counts:
                return void
            times *= 2
        raise AssertionError(f"{name}: too little is trained before it is come to {times} times")

    def _live(self, place: Place, failpoint: str) -> bool:
        """Whether it counts."""
        self._started()
        flags = ("--evict-after-seconds=1",) if place.idles else ()
        try:
            self._server = Server(
                self._backpropd, self._data_dir, self._server.address, flags=flags, failpoint=failpoint
            )
        except DiedError:
            return not place.trains
        work: list[Workers] = []
        try:
            self._compare_standing()
            if place.idles:
                self._idle()
            if place.trains:
                work.append(self._watch())
                work.append(self._train(threading.Event()))
            at_work = work[-1] if work else Workers(self._server)
            self._await(self._server.is_over, at_work, "it is not come to so often: the run is void")
        except grpc.RpcError:
            if not self._server.ends():
                raise
        except AssertionError as error:
            raise AssertionError(f"{failpoint}: {error}") from error
        for each in work:
            each.join()
        self._server.close()
        return self._settle() or not place.trains

    def _train(self, stop: threading.Event) -> Workers:
        workers = super()._train(stop)
        for rewinder in self._rewinders:
            workers.start(partial(rewinder.run, self._server, stop))
        return workers

    def _compare_standing(self) -> None:
        others = self._recover()
        demand(not others, f"sessions that nobody has: {', '.join(others)}")
        for rewinder in self._rewinders:
            rewinder.recovered(self._server)
        self._probe_standing()

    def _idle(self) -> None:
        """Until all sessions have left memory; then they come back."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(each.resident for each in self._server.sessions().values()):
            demand(time.monotonic() < deadline, "sessions stay in memory")
            time.sleep(0.05)
        self._started()  # an epoch more, as a start is
        self._recover()
