# SPDX-License-Identifier: Apache-2.0
# Generated from aio/watch.py by generate_sync.py: change that.
"""Following a session live: WatchDeltas, with anchors where deltas are missing."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from backpropd.replica import DeltaBatch, Replica
from backpropd.sync.session_calls import SessionCalls
from backpropd.sync.watch_dialogue import WatchDialogue


class Watch:
    """Gives out the steps of a session, as they are made, and feeds replicas before.

    with session.watch(replica) as watch:
        for batch in watch:
            ...

    Steps come in order and without gaps. Where the server does not hold them
    any more, or the watch is ahead of a session that went back, the replicas
    are reset from an anchor, and a batch without steps that is marked
    `anchored` and `resynced` says at which step they are now; without replicas
    one marked `resynced` says where the watch goes on. Replicas that begin at
    different steps are brought to one anchor first, which is told as `anchored`
    too. So each step that the watch comes to is given out, also if the session
    makes none after it; but `errors` of such a batch are empty. A broken
    connection or a server that shuts down is waited for, with backoff. The
    iteration ends when the session is deleted or the watch is closed.

    Made by Session.watch(): an iterator of DeltaBatch, and
    a context manager that gives itself. The call is made with the first
    iteration and ended with the context.

    Threads: one iterates; any may close().

    Args:
        session: what is followed.
        replicas: are fed. With some, the watch begins at their step.
        after_step: without replicas: where to begin. None: at the present step.
        epoch: the session's when it made after_step (DeltaBatch.epoch); None: the
            one that the session was in when it was last described. Steps that a
            crash took back and that were made anew have the same numbers.

    """

    def __init__(
        self,
        session: SessionCalls,
        *replicas: Replica,
        after_step: int | None = None,
        epoch: int | None = None,
    ) -> None:
        self._dialogue = WatchDialogue(session, replicas, after_step, epoch)

    def close(self) -> None:
        """Ends the iteration."""
        self._dialogue.close()

    def __iter__(self) -> Iterator[DeltaBatch]:
        return self

    def __next__(self) -> DeltaBatch:
        try:
            batch = self._dialogue.next()
        except BaseException:
            self._dialogue.interrupted()
            raise
        if batch is None:
            raise StopIteration
        return batch

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if "_dialogue" in self.__dict__:
            self._dialogue.drop()
