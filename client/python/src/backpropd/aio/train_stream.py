# SPDX-License-Identifier: Apache-2.0
"""A Train stream that survives broken connections, exactly once, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import numpy.typing as npt

from backpropd.aio.peer import AsyncPeer
from backpropd.errors import BackpropdError
from backpropd.replica import Replica
from backpropd.sample_ledger import Trained
from backpropd.samples import Samples, samples_of
from backpropd.train_dialogue import TrainDialogue

if TYPE_CHECKING:
    from backpropd.aio.session import AsyncSession

_T = TypeVar("_T")


class AsyncTrainStream:
    """The one writer of a session; see backpropd.TrainStream, whose arguments it takes.

    An async context manager. One task at a time.
    """

    def __init__(
        self,
        session: AsyncSession,
        *replicas: Replica,
        window: int = 8,
        deltas: str = "factors",
        keep_deltas: bool = False,
        want_outputs: bool = False,
    ) -> None:
        self._spec = session.spec
        self._dialogue = TrainDialogue(
            AsyncPeer(session),
            *replicas,
            window=window,
            deltas=deltas,
            keep_deltas=keep_deltas,
            want_outputs=want_outputs,
        )

    async def open(self) -> AsyncTrainStream:
        """Opens the stream now, rather than with the first samples."""
        await self._run(self._dialogue.open())
        return self

    async def send(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weights: npt.ArrayLike | None = None,
        want_digest: bool = False,
    ) -> None:
        """Sends one message of n samples, n a multiple of batch_size; waits while the window is full."""
        samples = samples_of(x, y, self._spec, sample_weights)
        await self.send_samples(samples, want_digest=want_digest)

    async def send_samples(self, samples: Samples, *, want_digest: bool = False) -> None:
        """As send(), of samples that have their form already."""
        await self._run(self._dialogue.send(samples, want_digest=want_digest))

    async def receive(self) -> Trained:
        """The answer to the next message, in order; errors as of TrainStream.receive()."""
        return await self._run(self._dialogue.receive())

    async def ready(self) -> AsyncIterator[Trained]:
        """The answers that have come while sending, without waiting."""
        while self._dialogue.answers_wait:
            yield await self.receive()

    async def flush(self) -> AsyncIterator[Trained]:
        """The answers to everything that was sent; waits for them."""
        while self._dialogue.answers_wait or self.unanswered:
            yield await self.receive()

    @property
    def unanswered(self) -> int:
        """So many messages are sent and not answered."""
        return self._dialogue.ledger.unanswered

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is sent; None before the stream was opened."""
        return self._dialogue.ledger.next_offset

    async def close(self) -> None:
        """Waits until everything is answered and ends the stream; answers not fetched stay to be received."""
        await self._run(self._dialogue.close())

    def cancel(self) -> None:
        """Ends the stream at once; what is unanswered may or may not have been applied."""
        self._dialogue.leave()

    async def __aenter__(self) -> AsyncTrainStream:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.cancel()

    async def _run(self, doing: Awaitable[_T]) -> _T:
        try:
            return await doing
        except (BackpropdError, ValueError, LookupError):
            raise
        except BaseException:
            self._dialogue.leave()
            raise
