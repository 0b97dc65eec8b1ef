# SPDX-License-Identifier: Apache-2.0
"""Following a session live, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

from backpropd.aio.peer import AsyncPeer
from backpropd.replica import DeltaBatch, Replica
from backpropd.watch_dialogue import WatchDialogue

if TYPE_CHECKING:
    from backpropd.aio.session import AsyncSession


class AsyncWatch:
    """Gives out the steps of a session, as they are made; see backpropd.Watch.

    async with session.watch(replica) as watch:
        async for batch in watch:
            ...

    One task iterates; any may close(). Batches without steps, `anchored` or
    `resynced`, are given out as there.
    """

    def __init__(self, session: AsyncSession, *replicas: Replica, after_step: int | None = None) -> None:
        self._dialogue = WatchDialogue(AsyncPeer(session), replicas, after_step)

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
