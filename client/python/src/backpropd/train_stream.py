# SPDX-License-Identifier: Apache-2.0
"""A Train stream that survives broken connections, exactly once."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
import numpy.typing as npt

from backpropd.backoff import Backoff, is_passing
from backpropd.errors import BackpropdError, ServerUnavailableError, ShuttingDownError, error_from_call
from backpropd.replica import Replica
from backpropd.replica_feed import feed_replica, needs_anchor
from backpropd.rows import Samples, samples_of
from backpropd.sample_ledger import Answer, SampleLedger, Trained
from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    from backpropd.session import Session

DETAILS = {
    "factors": rpc.DELTA_DETAIL_FACTORS,
    "dense": rpc.DELTA_DETAIL_DENSE,
    "none": rpc.DELTA_DETAIL_NONE,
}
"""What `deltas` may say."""


class _Call:
    """One gRPC call of Train: its requests go through a queue that gRPC's own thread empties."""

    def __init__(self, train: Callable[..., Any], metadata: Any) -> None:  # noqa: ANN401  what grpc takes
        self._requests: queue.SimpleQueue[rpc.TrainRequest | None] = queue.SimpleQueue()
        self._call = train(iter(self._requests.get, None), metadata=metadata)

    def send(self, request: rpc.TrainRequest) -> None:
        self._requests.put(request)

    def half_close(self) -> None:
        self._requests.put(None)

    def receive(self) -> rpc.TrainResponse:
        """The next response; an end of the stream is ServerUnavailableError."""
        try:
            response: rpc.TrainResponse = next(self._call)
        except StopIteration:
            raise ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE) from None
        except grpc.RpcError as error:
            raise error_from_call(error) from None
        return response

    def cancel(self) -> None:
        self.half_close()
        self._call.cancel()


class TrainStream:
    """The one writer of a session: sends samples, gives back errors, keeps replicas current.

    Messages are sent ahead, up to `window` of them. What was sent is kept until
    it is answered. When the stream breaks or the server says goodbye, the
    stream is opened again, with backoff, and goes on from the offset that the
    session names: no sample is applied twice or left out. Replicas whose deltas
    were lost with a broken stream are brought up to date from an anchor.

    Made by Session.stream(); a context manager. Threads: one at a time.

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
        session: Session,
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
        self._backoff: Backoff = session.client.new_backoff()

    def open(self) -> TrainStream:
        """Opens the stream now, rather than with the first samples.

        Raises:
            SessionHasWriterError: another stream writes to the session.
            BackpropdError: as the server says.

        """
        if self._call is None:
            self._reopen(None)
        return self

    def send(
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
            y: classes (n,) or targets (n, outputs), see rows.samples_of.
            sample_weights: (n,).
            want_digest: asks for the digest after the message's last step.

        Raises:
            ValueError: shapes or numbers don't fit; nothing is sent.
            BackpropdError: the stream broke and could not be opened again.

        """
        self.send_samples(samples_of(x, y, self._session.spec, sample_weights), want_digest=want_digest)

    def send_samples(self, samples: Samples, *, want_digest: bool = False) -> None:
        """As send(), of samples that have their form already."""
        if len(samples) == 0 or len(samples) % self._session.batch_size:
            raise ValueError(f"{len(samples)} samples where steps of {self._session.batch_size} are made.")
        self.open()
        while self._ledger.unanswered >= self._window:
            self._receive_one()
        self.open()  # a refusal has closed it
        self._ledger.add(samples, want_digest=want_digest)
        self._send_unsent()

    def receive(self) -> Trained:
        """The answer to the next message, in order; waits for it.

        Raises:
            BackpropdError: the message was refused, or the stream broke and
                could not be opened again. After a refusal all messages that
                were sent after it are dropped, for none of them can be applied;
                error.next_offset says up to where the session is. The stream
                may be used further.
            LookupError: nothing is unanswered.

        """
        while not self._finished:
            if not self._ledger.unanswered:
                raise LookupError("Nothing is unanswered.")
            self._receive_one()
        answer = self._finished.popleft()
        if isinstance(answer, BackpropdError):
            raise answer
        return answer

    def ready(self) -> Iterator[Trained]:
        """The answers that have come while sending, without waiting."""
        while self._finished:
            yield self.receive()

    def flush(self) -> Iterator[Trained]:
        """The answers to everything that was sent; waits for them."""
        while self._finished or self._ledger.unanswered:
            yield self.receive()

    @property
    def unanswered(self) -> int:
        """So many messages are sent and not answered."""
        return self._ledger.unanswered

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is sent; None before the stream was opened."""
        return self._ledger.next_offset

    def close(self) -> None:
        """Waits until everything is answered and ends the stream; answers not fetched stay to be received.

        Raises:
            BackpropdError: the stream broke and could not be opened again.

        """
        while self._ledger.unanswered:
            self._receive_one()
        call, self._call = self._call, None
        if call is not None:
            call.half_close()
            try:
                while True:
                    call.receive()
            except BackpropdError:
                call.cancel()  # ended, or broken: nothing is missing either way

    def cancel(self) -> None:
        """Ends the stream at once; what is unanswered may or may not have been applied."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def __enter__(self) -> TrainStream:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.cancel()

    def _send_unsent(self) -> None:
        if self._call is not None:
            for request in self._ledger.take_unsent():
                self._call.send(request)

    def _receive_one(self) -> None:
        """Takes one response, or opens the stream again."""
        if self._call is None:
            self._reopen(None)
            return
        try:
            response = self._call.receive()
        except BackpropdError as error:
            self._lose_call(error)
            return
        goodbye = response.goodbye
        answer = self._ledger.answer(response)
        if answer is not None:
            self._backoff.succeeded()
            self._take(answer)
        if goodbye and self._call is not None:
            self._lose_call(ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE))

    def _take(self, answer: Answer) -> None:
        if answer.refusal is not None:
            self.cancel()
        self._feed(answer)
        if answer.trained is not None and (answer.refusal is None or len(answer.trained.errors)):
            self._finished.append(answer.trained)
        if answer.refusal is not None:
            self._finished.append(answer.refusal)

    def _feed(self, answer: Answer) -> None:
        for replica in self._replicas:
            if answer.standardisation is not None:
                replica.standardise(answer.standardisation)
            if answer.batch is None:
                continue
            if needs_anchor(replica, answer.batch):
                replica.reset(self._session.weights(with_state=True))
            feed_replica(replica, answer.batch)

    def _lose_call(self, error: BackpropdError) -> None:
        self.cancel()
        if not is_passing(error, had_stream=True):
            raise error
        self._reopen(error)

    def _reopen(self, error: BackpropdError | None) -> None:
        """Opens the stream, after `error` if it broke, and sends what is not applied."""
        while True:
            if error is not None:
                self._session.client.wait(self._backoff, error)
            try:
                opening = self._open_call()
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
                replica.reset(self._session.weights(with_state=True))
        self._send_unsent()

    def _open_call(self) -> rpc.TrainResponse:
        self._call = _Call(self._session.client.stub.Train, self._session.client.metadata)
        self._call.send(rpc.TrainRequest(session_id=self._session.session_id, options=self._options))
        opening = self._call.receive()
        if opening.goodbye:
            raise ShuttingDownError("The server shuts down.", code=grpc.StatusCode.UNAVAILABLE)
        return opening
