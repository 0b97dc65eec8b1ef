# SPDX-License-Identifier: Apache-2.0
"""A Train stream that survives broken connections, exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TypeVar

import numpy.typing as npt

from backpropd.aio.session_calls import AsyncSessionCalls
from backpropd.aio.train_dialogue import AsyncTrainDialogue
from backpropd.errors import BackpropdError
from backpropd.replica import Replica
from backpropd.samples import Samples, samples_of
from backpropd.trained import Trained

_T = TypeVar("_T")


class AsyncTrainStream:
    """The one writer of a session: sends samples, gives back errors, keeps replicas current.

    Messages are sent ahead, up to `window` of them. What was sent is kept until
    it is answered. When the stream breaks or the server says goodbye, the
    stream is opened again, with backoff, and goes on from the offset that the
    session names: no sample is applied twice or left out. Replicas whose deltas
    were lost with a broken stream are brought up to date from an anchor.

    Ctrl-C or a cancelled task ends the call, not the stream: used again, it
    opens another call and goes on likewise. Only if Ctrl-C came within the few
    microseconds that an answer takes to be noted does it say so, and another
    stream is needed.

    Made by AsyncSession.stream(); an async context manager. Tasks: one at a time.

    Args:
        session: what is trained.
        replicas: are kept current; need deltas="factors".
        window: so many messages may be unanswered at a time.
        deltas: "factors", "dense" or "none": how answers tell the deltas.
        keep_deltas: whether Trained holds them.
        want_outputs: whether Trained holds the outputs before each update.

    """

    def __init__(
        self,
        session: AsyncSessionCalls,
        *replicas: Replica,
        window: int = 8,
        deltas: str = "factors",
        keep_deltas: bool = False,
        want_outputs: bool = False,
    ) -> None:
        self._spec = session.spec
        self._dialogue = AsyncTrainDialogue(
            session,
            *replicas,
            window=window,
            deltas=deltas,
            keep_deltas=keep_deltas,
            want_outputs=want_outputs,
        )

    async def open(self) -> AsyncTrainStream:
        """Opens the stream now, rather than with the first samples.

        Raises:
            SessionHasWriterError: another stream writes to the session; after
                waiting, if it may be one that this client left shortly before.
            BackpropdError: as the server says.

        """
        await self._run(self._dialogue.open)
        return self

    async def send(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weights: npt.ArrayLike | None = None,
        want_digest: bool = False,
    ) -> None:
        """Sends one message of n samples, n a multiple of batch_size; waits while the window is full.

        Args:
            x: (n, input_size), in the session's element type.
            y: classes (n,) or targets (n, outputs), see samples.samples_of.
            sample_weights: (n,).
            want_digest: asks for the digest after the message's last step.

        Raises:
            ValueError: shapes or numbers don't fit; nothing is sent.
            BackpropdError: the stream broke and could not be opened again.

        """
        await self.send_samples(samples_of(x, y, self._spec, sample_weights), want_digest=want_digest)

    async def send_samples(self, samples: Samples, *, want_digest: bool = False) -> None:
        """As send(), of samples that have their form already."""
        await self._run(lambda: self._dialogue.send(samples, want_digest=want_digest))

    async def receive(self) -> Trained:
        """The answer to the next message, in order; waits for it.

        Raises:
            BackpropdError: the message was refused, or the stream broke and
                could not be opened again. After a refusal all messages that
                were sent after it are dropped, for none of them can be applied;
                error.next_offset says up to where the session is. The stream
                may be used further.
            LookupError: nothing is unanswered.

        """
        return await self._run(self._dialogue.receive)

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
        """Waits until everything is answered and ends the stream; answers not fetched stay to be received.

        Raises:
            BackpropdError: the stream broke and could not be opened again.

        """
        await self._run(self._dialogue.close)

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

    def __del__(self) -> None:
        # Of a stream that nobody ended: an interrupt came between opening it and a with block.
        if "_dialogue" in self.__dict__:
            self._dialogue.drop()

    async def _run(self, doing: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await doing()
        except (BackpropdError, ValueError, LookupError):
            raise
        except BaseException:
            self._dialogue.leave()
            raise
