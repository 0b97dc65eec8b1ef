# SPDX-License-Identifier: Apache-2.0
"""Following a session live: WatchDeltas, with anchors where deltas are missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType

from backpropd.aio.session_calls import AsyncSessionCalls
from backpropd.aio.watch_dialogue import AsyncWatchDialogue
from backpropd.replica import DeltaBatch, Replica


class AsyncWatch:
    """Gives out the steps of a session, as they are made, and feeds replicas before.

    async with session.watch(replica) as watch:
        async for batch in watch:
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

    Made by AsyncSession.watch(): an async iterator of DeltaBatch, and
    an async context manager that gives itself. The call is made with the first
    iteration and ended with the context.

    Tasks: one iterates; any may close().

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
        session: AsyncSessionCalls,
        *replicas: Replica,
        after_step: int | None = None,
        epoch: int | None = None,
    ) -> None:
        self._dialogue = AsyncWatchDialogue(session, replicas, after_step, epoch)

    async def close(self) -> None:
        """Ends the iteration."""
        self._dialogue.close()

    def __aiter__(self) -> AsyncIterator[DeltaBatch]:
        return self

    async def __anext__(self) -> DeltaBatch:
        try:
            batch = await self._dialogue.next()
        except BaseException:
            self._dialogue.interrupted()
            raise
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if "_dialogue" in self.__dict__:
            self._dialogue.drop()
