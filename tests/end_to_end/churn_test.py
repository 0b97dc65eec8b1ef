#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions come, are trained, leave memory, are taken back and go, and nothing of the server grows with them.

Every session is compared bit for bit with what it was when it was last seen. A
run in which any of that happened too seldom is void. What grows shows in a run of
five minutes or more; ctest's is shorter. By hand:

    build/test/python_venv/bin/python tests/end_to_end/churn_test.py \
        --backpropd build/test/server/backpropd --minutes 30

The seed decides what each worker does; the machine decides in which order.
Needs the Python that client_python_test makes.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import random
import re
import secrets
import statistics
import sys
import tempfile
import threading
import time
import unittest
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from backpropd import Session, TrainingClient  # noqa: E402
from server_under_test.demand import demand  # noqa: E402
from server_under_test.server import Server  # noqa: E402
from server_under_test.sessions import KINDS, Samples, spec_of  # noqa: E402

WORKERS = 4
RESIDENT = 12
"""Sessions in memory at once."""
KEPT = 40
"""Sessions in the store at once, about."""
MOST_LARGE = 3
"""Of them, of the kind that takes most of the store: a file is as long as it ever had to be."""
LONGEST_TRAINING = 60
"""Messages' worth of samples, in steps."""
WARM_UP = 0.3
"""Share of the run in which the server may still grow."""
LEAST_A_MINUTE = 20
"""Of each thing that happens."""
PATIENCE_SECONDS = 120
"""Beyond its time, for a slow machine to do that much."""
LEAST_MINUTES_OF_GROWTH = 5
"""A shorter run has not warmed up."""
GIVEN = argparse.Namespace()


@dataclass
class Kept:
    """A session that nobody uses, and what it has to be."""

    kind: str
    session: Session
    samples: Samples
    anchor: bytes
    checkpoint: bytes


def anchor_of(session: Session) -> bytes:
    """All that the session's further steps depend on."""
    return session.weights(with_state=True).message().SerializeToString(deterministic=True)


class Worker:
    """One client; its sessions are everybody's."""

    def __init__(self, churn: Churn, seed: int) -> None:
        self._churn = churn
        self._random = random.Random(seed)
        self._client = TrainingClient(churn.server.address)

    def run(self) -> None:
        """Until there is no more time."""
        while not self._churn.over.is_set():
            kept = self._churn.take(self._random)
            if kept is None:
                self._create()
            elif self._random.random() < len(self._churn.kept) / (2 * KEPT):
                self._delete(kept)
            elif self._random.random() < 0.5:
                self._rewind(kept)
            else:
                self._train(kept)

    def close(self) -> None:
        """When nobody uses its sessions any more."""
        self._client.close()

    def _create(self) -> None:
        kind = self._churn.new_kind(self._random)
        seed = self._random.getrandbits(32)
        spec = spec_of(kind, seed)
        session = self._client.create(spec)
        kept = Kept(kind, session, self._churn.samples[kind], b"", b"")
        self._churn.count("created")
        self._samples_of(kept)
        session.create_checkpoint("moment")
        kept.anchor = kept.checkpoint = anchor_of(session)
        self._churn.give(kept)

    def _samples_of(self, kept: Kept) -> None:
        """Trains it a little."""
        session = kept.session.refresh()
        count = self._random.randint(1, LONGEST_TRAINING) * session.batch_size
        session.train(*kept.samples.rows(session.info.next_offset, count))
        self._churn.count("trained")

    def _seen(self, kept: Kept) -> None:
        demand(anchor_of(kept.session) == kept.anchor, f"session {kept.session.session_id} is another than it was")

    def _train(self, kept: Kept) -> None:
        self._seen(kept)
        self._samples_of(kept)
        kept.anchor = anchor_of(kept.session)
        self._churn.give(kept)

    def _rewind(self, kept: Kept) -> None:
        self._seen(kept)
        kept.session.rewind("moment")
        kept.anchor = anchor_of(kept.session)
        demand(kept.anchor == kept.checkpoint, f"session {kept.session.session_id} was not taken back")
        self._churn.count("rewound")
        self._samples_of(kept)
        kept.session.delete_checkpoint("moment")
        kept.session.create_checkpoint("moment")
        kept.anchor = kept.checkpoint = anchor_of(kept.session)
        self._churn.give(kept)

    def _delete(self, kept: Kept) -> None:
        kept.session.delete()
        self._churn.count("deleted")
        self._churn.gone(kept.kind)


class Churn:
    """A server, its sessions, and those who use them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.samples = {kind: Samples.of(spec_of(kind, 0), GIVEN.seed) for kind in KINDS}
        self.over = threading.Event()
        self.kept: list[Kept] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        self._large = 0
        self._failures: list[BaseException] = []

    def take(self, choice: random.Random) -> Kept | None:
        """One that nobody else has; None: make one."""
        with self._lock:
            if choice.random() > len(self.kept) / KEPT:
                return None
            return self.kept.pop(choice.randrange(len(self.kept)))

    def give(self, kept: Kept) -> None:
        """It may be taken."""
        with self._lock:
            self.kept.append(kept)

    def new_kind(self, choice: random.Random) -> str:
        """Of a session to be made."""
        with self._lock:
            kind = choice.choice(KINDS if self._large < MOST_LARGE else [each for each in KINDS if each != "large"])
            self._large += kind == "large"
            return kind

    def gone(self, kind: str) -> None:
        """A session of the kind is."""
        with self._lock:
            self._large -= kind == "large"

    def count(self, what: str) -> None:
        """That it was done."""
        with self._lock:
            self.counts[what] += 1

    def run(self, seconds: float) -> list[Size]:
        """The sizes of the server in all that time, one a second."""
        seeds = random.Random(GIVEN.seed)
        workers = [Worker(self, seeds.getrandbits(32)) for _ in range(WORKERS)]
        threads = [threading.Thread(target=self._guarded, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        sizes = []
        while (time.monotonic() < end or self._lacks(end)) and not self.over.wait(1):
            sizes.append(Size.of(self.server))
        self.over.set()
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.close()
        if self._failures:
            raise self._failures[0]
        return sizes

    def _lacks(self, end: float) -> bool:
        """Whether something has happened too seldom, and may still."""
        evictions = re.search(r"^backprop_session_evictions_total\S* (\S+)$", self.server.metrics(), re.M)
        self.counts["evicted"] = int(float(evictions[1])) if evictions else 0
        return time.monotonic() < end + PATIENCE_SECONDS and bool(self.seldom())

    def seldom(self) -> list[str]:
        """What has happened too seldom."""
        least = LEAST_A_MINUTE * GIVEN.minutes
        return [what for what in ("created", "trained", "rewound", "deleted", "evicted") if self.counts[what] < least]

    def _guarded(self, worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as wrong:  # noqa: BLE001  all is told by the main thread
            self._failures.append(wrong)
            self.over.set()


@dataclass
class Size:
    """What the server takes at one moment."""

    resident_bytes: int
    descriptors: int
    threads: int
    store_bytes: int

    @classmethod
    def of(cls, server: Server) -> Size:
        """The present one."""
        process = pathlib.Path("/proc") / str(server.pid)
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return cls(
            resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
            descriptors=len(os.listdir(process / "fd")),
            threads=int(status["Threads"]),
            store_bytes=sum(each.stat().st_size for each in server.data_dir.iterdir()),
        )


ALLOWED = {
    "resident_bytes": (0.05, 8 << 20),
    "descriptors": (0, 3),
    "threads": (0, 2),
    "store_bytes": (0.10, 16 << 20),
}
"""By which share and how much more each may be at the end than after warming up."""


def growth(sizes: list[Size], name: str) -> tuple[float, float]:
    """The median of the first and of the last third after warming up."""
    values = [getattr(size, name) for size in sizes[int(len(sizes) * WARM_UP) :]]
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


class ChurnTest(unittest.TestCase):
    def test_nothing_grows(self) -> None:
        print(f"--seed {GIVEN.seed} --minutes {GIVEN.minutes}", flush=True)
        with tempfile.TemporaryDirectory(prefix="churn_test_", dir=GIVEN.data_dir) as data_dir:
            server = Server(GIVEN.backpropd, pathlib.Path(data_dir), flags=(f"--max-sessions={RESIDENT}",))
            churn = Churn(server)
            sizes = churn.run(GIVEN.minutes * 60)
            self.assertEqual(server.stop(), 0)
            server.close()
        print(json.dumps(churn.counts), flush=True)
        for name, (share, much) in ALLOWED.items():
            before, after = growth(sizes, name)
            print(f"{name}: {before:.0f} after warming up, {after:.0f} at the end", flush=True)
            if GIVEN.minutes < LEAST_MINUTES_OF_GROWTH:
                continue
            with self.subTest(name):
                self.assertLessEqual(after, before * (1 + share) + much)
        self.assertEqual(churn.seldom(), [], "void: too seldom")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of an earlier run, to repeat it")
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--data-dir", help="where to make the server's")
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
