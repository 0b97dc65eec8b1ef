# SPDX-License-Identifier: Apache-2.0
"""A Train stream that survives broken connections, exactly once, for asyncio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import numpy.typing as npt

from backpropd.backoff import is_passing
from backpropd.errors import BackpropdError, ServerUnavailableError, ShuttingDownError, error_from_call
from backpropd.replica import Replica
from backpropd.replica_feed import feed_replica, needs_anchor
from backpropd.rows import Samples, samples_of
from backpropd.sample_ledger import Answer, SampleLedger, Trained
from backpropd.train_stream import DETAILS
from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    from backpropd.aio.session import AsyncSession


class _Call:
    """One gRPC call of Train: its requests go through a queue, so that sending never waits for receiving."""

    def __init__(self, train: Callable[..., Any], metadata: Any) -> None:  # noqa: ANN401  what grpc takes
        self._requests: asyncio.Queue[rpc.TrainRequest | None] = asyncio.Queue()
        self._call = train(self._each_request(), metadata=metadata)

    async def _each_request(self) -> AsyncIterator[rpc.TrainRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def send(self, request: rpc.TrainRequest) -> None:
        self._requests.put_nowait(request)

    def half_close(self) -> None:
        self._requests.put_nowait(None)

    async def receive(self) -> rpc.TrainResponse:
        """The next response; an end of the stream is ServerUnavailableError."""
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise error_from_call(error) from None
        if response is grpc.aio.EOF:  # type: ignore[attr-defined]  # its types lack it
            raise ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE)
        taken: rpc.TrainResponse = response
        return taken

    def cancel(self) -> None:
        self.half_close()
        self._call.cancel()


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
        if window < 1:
            raise ValueError("window must be at least 1.")
        if replicas and deltas != "factors":
            raise ValueError('Replicas need deltas="factors".')
        self._session = session
        self._replicas = replicas
        self._window = window
        self._options = rpc.TrainOptions(deltas=DETAILS[deltas], want_outputs=want_outputs)
        self._ledger = SampleLedger(session.spec, session.layout, DETAILS[deltas], keep_deltas=keep_deltas)
        self._finished: deque[Trained | BackpropdError] = deque()
        self._call: _Call | None = None
        self._had_stream = False
        self._backoff = session.client.new_backoff()

    async def open(self) -> AsyncTrainStream:
        """Opens the stream now, rather than with the first samples."""
        if self._call is None:
            await self._reopen(None)
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
        samples = samples_of(x, y, self._session.spec, sample_weights)
        await self.send_samples(samples, want_digest=want_digest)

    async def send_samples(self, samples: Samples, *, want_digest: bool = False) -> None:
        """As send(), of samples that have their form already."""
        if len(samples) == 0 or len(samples) % self._session.batch_size:
            raise ValueError(f"{len(samples)} samples where steps of {self._session.batch_size} are made.")
        await self.open()
        while self._ledger.unanswered >= self._window:
            await self._receive_one()
        await self.open()  # a refusal has closed it
        self._ledger.add(samples, want_digest=want_digest)
        self._send_unsent()

    async def receive(self) -> Trained:
        """The answer to the next message, in order; errors as of TrainStream.receive()."""
        while not self._finished:
            if not self._ledger.unanswered:
                raise LookupError("Nothing is unanswered.")
            await self._receive_one()
        answer = self._finished.popleft()
        if isinstance(answer, BackpropdError):
            raise answer
        return answer

    async def ready(self) -> AsyncIterator[Trained]:
        """The answers that have come while sending, without waiting."""
        while self._finished:
            yield await self.receive()

    async def flush(self) -> AsyncIterator[Trained]:
        """The answers to everything that was sent; waits for them."""
        while self._finished or self._ledger.unanswered:
            yield await self.receive()

    @property
    def unanswered(self) -> int:
        """So many messages are sent and not answered."""
        return self._ledger.unanswered

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is sent; None before the stream was opened."""
        return self._ledger.next_offset

    async def close(self) -> None:
        """Waits until everything is answered and ends the stream; answers not fetched stay to be received."""
        while self._ledger.unanswered:
            await self._receive_one()
        call, self._call = self._call, None
        if call is not None:
            call.half_close()
            try:
                while True:
                    await call.receive()
            except BackpropdError:
                call.cancel()  # ended, or broken: nothing is missing either way

    def cancel(self) -> None:
        """Ends the stream at once; what is unanswered may or may not have been applied."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    async def __aenter__(self) -> AsyncTrainStream:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.cancel()

    def _send_unsent(self) -> None:
        if self._call is not None:
            for request in self._ledger.take_unsent():
                self._call.send(request)

    async def _receive_one(self) -> None:
        """Takes one response, or opens the stream again."""
        if self._call is None:
            await self._reopen(None)
            return
        try:
            response = await self._call.receive()
        except BackpropdError as error:
            await self._lose_call(error)
            return
        goodbye = response.goodbye
        answer = self._ledger.answer(response)
        if answer is not None:
            self._backoff.succeeded()
            await self._take(answer)
        if goodbye and self._call is not None:
            await self._lose_call(ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE))

    async def _take(self, answer: Answer) -> None:
        if answer.refusal is not None:
            self.cancel()
        await self._feed(answer)
        if answer.trained is not None and (answer.refusal is None or len(answer.trained.errors)):
            self._finished.append(answer.trained)
        if answer.refusal is not None:
            self._finished.append(answer.refusal)

    async def _feed(self, answer: Answer) -> None:
        for replica in self._replicas:
            if answer.standardisation is not None:
                replica.standardise(answer.standardisation)
            if answer.batch is None:
                continue
            if needs_anchor(replica, answer.batch):
                replica.reset(await self._session.weights(with_state=True))
            feed_replica(replica, answer.batch)

    async def _lose_call(self, error: BackpropdError) -> None:
        self.cancel()
        if not is_passing(error, had_stream=True):
            raise error
        await self._reopen(error)

    async def _reopen(self, error: BackpropdError | None) -> None:
        """Opens the stream, after `error` if it broke, and sends what is not applied."""
        while True:
            if error is not None:
                await self._session.client.wait(self._backoff, error)
            try:
                opening = await self._open_call()
                break
            except BackpropdError as failure:
                self.cancel()
                if not is_passing(failure, had_stream=self._had_stream):
                    raise
                error = failure
        self._had_stream = True
        applied = self._ledger.opened(opening)
        if applied:
            self._backoff.succeeded()
        self._finished.extend(applied)
        for replica in self._replicas:
            if replica.step != opening.step:  # deltas were lost, or the session went back
                replica.reset(await self._session.weights(with_state=True))
        self._send_unsent()

    async def _open_call(self) -> rpc.TrainResponse:
        self._call = _Call(self._session.client.stub.Train, self._session.client.metadata)
        self._call.send(rpc.TrainRequest(session_id=self._session.session_id, options=self._options))
        opening = await self._call.receive()
        if opening.goodbye:
            raise ShuttingDownError("The server shuts down.", code=grpc.StatusCode.UNAVAILABLE)
        return opening
