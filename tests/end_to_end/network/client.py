# SPDX-License-Identifier: Apache-2.0
"""A process that trains or watches one session through a network that fails, until its stdin says that it is enough.

What it found it prints as one line of JSON; what its client must not do is a
failed assertion.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import select
import sys
import time
from collections.abc import Iterable

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "client/python/src"), str(HERE.parents[1] / "client/python")]

from as_plain import client_of  # noqa: E402
from backpropd import Resumed, RetryPolicy, Session, Trained  # noqa: E402
from backpropd.connection import CHANNEL_OPTIONS  # noqa: E402

from network.traffic import samples  # noqa: E402

_LONGEST_MESSAGE = 6  # steps
_PAUSE_SECONDS = 0.004
_RETRY = RetryPolicy(longest=0.2, attempts=1 << 30, within=60)


def _says_enough() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


class Answers:
    """What was answered: each message once, in order, and every step's error."""

    def __init__(self) -> None:
        self.offset = 0

    def take(self, answers: Iterable[Trained]) -> None:
        """Further ones."""
        for trained in answers:
            assert trained.offset == self.offset, f"{trained.offset} was answered after {self.offset}"
            assert not trained.skipped_samples, f"of {trained.offset} {trained.skipped_samples} answers were lost"
            self.offset += trained.samples


def train(session: Session, given: argparse.Namespace) -> dict[str, int]:
    """Until it is enough, and all is durable."""
    choice = random.Random(given.seed)
    replica = session.replica()
    answers, sent = Answers(), 0
    resumes: list[Resumed] = []
    with session.stream(replica, window=6, on_resume=resumes.append) as stream:
        while not _says_enough():
            count = choice.randint(1, _LONGEST_MESSAGE) * session.batch_size
            stream.send(*samples(given.seed, sent, count))
            sent += count
            answers.take(stream.ready())
            time.sleep(choice.uniform(0, 2 * _PAUSE_SECONDS))
        answers.take(stream.flush())
        stream.flush_durable()
    assert answers.offset == sent, f"{answers.offset} of {sent} samples were answered"
    assert not any(each.replica_anchored for each in resumes), "an anchor was needed"
    return {"sent": sent, "resumes": len(resumes), "step": replica.step, "digest": replica.digest()}


def watch(session: Session, _: argparse.Namespace) -> dict[str, int]:
    """Until the step that stdin names."""
    replica = session.replica()
    last = None
    with session.watch(replica) as watching:
        for _batch in watching:
            if last is None and _says_enough():
                last = int(sys.stdin.readline())
            if last is not None and replica.step >= last:
                break
    return {"step": replica.step, "digest": replica.digest()}


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("plain", "asyncio", "watch"))
    parser.add_argument("address")
    parser.add_argument("session")
    parser.add_argument("seed", type=int)
    parser.add_argument("silence_ms", type=int, help="after which it asks whether the server lives, and is gone if not")
    given = parser.parse_args()
    times = {"initial": 50, "min": given.silence_ms, "max": 200}
    options = [(f"grpc.{name}_reconnect_backoff_ms", milliseconds) for name, milliseconds in times.items()]
    if given.kind != "watch":  # all that the client waits for in silence it waits for less long
        waits = [name for name, _ in CHANNEL_OPTIONS if name.endswith(("_time_ms", "_timeout_ms"))]
        options += [(name, given.silence_ms) for name in waits]
    kind = "plain" if given.kind == "watch" else given.kind
    with client_of(kind, given.address, retry=_RETRY, options=options) as client:
        session = client.get(given.session)
        found = (watch if given.kind == "watch" else train)(session, given)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
