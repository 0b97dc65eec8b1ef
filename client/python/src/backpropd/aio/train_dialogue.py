# SPDX-License-Identifier: Apache-2.0
"""What a Train stream says and hears, exactly once, whatever breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import grpc

from backpropd.aio.call import AsyncCall
from backpropd.aio.session_calls import AsyncSessionCalls
from backpropd.backoff import is_passing
from backpropd.changes import Changes
from backpropd.errors import (
    BackpropdError,
    NoStoreError,
    SamplesLostError,
    ServerUnavailableError,
    ShuttingDownError,
    WriterReplacedError,
)
from backpropd.replica import Anchor, Replica
from backpropd.replica.feeding import can_go_on, feed_replica, needs_anchor, position_of
from backpropd.resumed import Resumed, log_anchored, log_break, log_resumed
from backpropd.sample_ledger import MAX_KEPT_BYTES, SampleLedger
from backpropd.samples import Samples
from backpropd.silence import log_silence, longest_silence
from backpropd.trained import Answer, Trained
from backpropd.v1 import training_service_pb2 as rpc

DETAILS = {
    "factors": rpc.DELTA_DETAIL_FACTORS,
    "dense": rpc.DELTA_DETAIL_DENSE,
    "none": rpc.DELTA_DETAIL_NONE,
}
"""What `deltas` may say."""


class AsyncTrainDialogue:
    """The one writer of a session; see AsyncTrainStream, whose arguments it takes, for what users see.

    When one of its methods is left by anything that is no error of this package,
    such as KeyboardInterrupt or a task's cancellation, leave() must be called
    before the next one.
    """

    def __init__(
        self,
        session: AsyncSessionCalls,
        *replicas: Replica,
        window: int = 8,
        deltas: str = "factors",
        keep_deltas: bool = False,
        want_outputs: bool = False,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        on_resume: Callable[[Resumed], object] | None = None,
    ) -> None:
        if window < 1:
            raise ValueError("window must be at least 1.")
        if max_kept_bytes < 1:
            raise ValueError(
                "max_kept_bytes must be at least 1; with 1 each message waits until those before are durable."
            )
        if replicas and deltas != "factors":
            raise ValueError('Replicas need deltas="factors".')
        self._session = session
        self._client = session.client
        self._replicas = replicas
        self._window = window
        self._batch_size = session.spec.batch_size or 1
        self._max_kept_bytes = max_kept_bytes
        self._on_resume = on_resume
        self.ledger = SampleLedger(
            session.spec, session.layout, DETAILS[deltas], keep_deltas=keep_deltas, hurry_bytes=max_kept_bytes // 2
        )
        """What is not answered, or not durable."""
        self._options = rpc.TrainOptions(
            deltas=DETAILS[deltas],
            want_outputs=want_outputs,
            tell_durable=self.ledger.becomes_durable,
            hold_answers=True,
        )
        self._finished: deque[Trained | BackpropdError] = deque()
        self._call: AsyncCall[rpc.TrainRequest, rpc.TrainResponse] | None = None
        self._was_writer = False
        self._takes_over = False  # the connection broke on which this stream was the writer
        self._broke_at: tuple[int, int] | None = None
        self._position: rpc.ReplicaPosition | None = None
        self._backoff = session.client.new_backoff()
        self._longest_silence = longest_silence(session.spec)
        self._changes = Changes()

    @property
    def answers_wait(self) -> bool:
        """Whether receive() has one without waiting."""
        return len(self._finished) > 0

    async def open(self) -> None:
        """Opens the stream, if it is not open."""
        self._changes.check()
        if self._call is None:
            await self._reopen(None)

    async def send(self, samples: Samples, *, want_digest: bool, when_durable: bool) -> None:
        """Sends one message; waits while the window is full, or too much is kept."""
        if len(samples) == 0 or len(samples) % self._batch_size:
            raise ValueError(f"{len(samples)} samples where steps of {self._batch_size} are made.")
        await self.open()
        while self.ledger.unanswered >= self._window:
            await self._receive_one()
        while self._keeps_too_much():
            await self._hear_durable(None)
        await self.open()  # a refusal has closed it
        with self._changes.whole():
            self.ledger.add(samples, want_digest=want_digest, when_durable=when_durable)
            self._send_unsent()

    def _keeps_too_much(self) -> bool:
        return self.ledger.becomes_durable and self.ledger.kept_bytes >= self._max_kept_bytes

    async def receive(self) -> Trained:
        """The answer to the next message; waits for it."""
        self._changes.check()
        while not self._finished:
            if not self.ledger.unanswered:
                raise LookupError("Nothing is unanswered.")
            await self._receive_one()
        answer = self._finished.popleft()
        if isinstance(answer, BackpropdError):
            raise answer
        return answer

    async def flush_durable(self, timeout: float | None) -> None:
        """Waits until everything that was sent is durable, which is hurried."""
        self._changes.check()
        if not self.ledger.becomes_durable:
            raise NoStoreError("The session is kept in memory only: nothing of it becomes durable.")
        now = self._client.now
        until = None if timeout is None else now() + timeout
        while not self.ledger.is_durable:
            with self._changes.whole():
                if self._call is not None:
                    self.ledger.hurry()
                self._send_unsent()
            left = None if until is None else until - now()
            try:
                await self._hear_durable(left)
            except TimeoutError:
                told = f"up to offset {self.ledger.durable_offset} of {self.ledger.next_offset} only"
                raise TimeoutError(f"Not durable after {timeout} s: {told}.") from None

    async def close(self) -> None:
        """Waits until everything is answered and ends the stream."""
        self._changes.check()
        while self.ledger.waits:
            await self._receive_one()
        if self.ledger.hurries:
            self._hang_up()  # the server would end the stream when it has answered, and so when all is durable
        self.ledger.closed()
        self._was_writer = self._takes_over = False
        if self._call is None:
            return
        self._call.half_close()
        try:
            while await self._call.receive() is not None:
                pass
            self._call = None
        except BackpropdError:
            self.leave()  # broken: nothing is missing all the same

    def leave(self) -> None:
        """Ends the call at once; the next use opens another, and replaces nobody who writes by then."""
        self._takes_over = False
        self._hang_up()

    def _hang_up(self, *, lingers: bool = True) -> None:
        """Ends the call at once. `lingers`: the server may see that a little later."""
        if self._call is not None:
            self._call.hang_up()
            if lingers:
                self._client.left_calls.add(self._session.session_id, self._call, self._client.now())
            self._call = None

    def drop(self) -> None:
        """As leave(), for a destructor, which may run on any thread."""
        if self._call is not None:
            self._call.drop()
            self._client.left_calls.add(self._session.session_id, self._call, self._client.now())

    def _send_unsent(self) -> None:
        if self._call is not None:
            for request in self.ledger.take_unsent():
                self._call.send(request)

    async def _receive_one(self, timeout: float | None = None) -> None:
        """Takes one response, or opens the stream again; TimeoutError, where none came in so many seconds."""
        if self._call is None:
            await self._reopen(None)
            return
        try:
            response = _not_ended(await self._call.receive(timeout))
        except BackpropdError as error:
            await self._lose_call(error)
            return
        goodbye = response.goodbye
        with self._changes.whole():
            answer = self.ledger.answer(response)
            if answer is not None:
                self._take(answer)
        if answer is not None:
            await self._feed(answer)
        if goodbye and self._call is not None:
            await self._lose_call(ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE))

    async def _hear_durable(self, left: float | None) -> None:
        """As _receive_one(), where what is waited for is news; asks a server that is silent for unusually long.

        An older one tells nothing by itself; one whose disk fails has nothing to tell.
        """
        if left is not None and left <= 0:
            raise TimeoutError
        try:
            await self._receive_one(self._longest_silence if left is None else min(left, self._longest_silence))
        except TimeoutError:
            if left is not None and left <= self._longest_silence:
                raise
            await self._ask_durable()

    async def _ask_durable(self) -> None:
        """Asks what a stream is told otherwise; says so, if nothing has become durable."""
        request = rpc.GetSessionRequest(session_id=self._session.session_id)
        session = (await self._client.call(self._client.stub.GetSession, request)).session
        with self._changes.whole():
            more = self.ledger.note_durable(session)
        if not more:
            log_silence(
                session.session_id,
                self._longest_silence,
                durable=self.ledger.durable_offset,
                sent=self.ledger.next_offset or 0,
            )

    def _take(self, answer: Answer) -> None:
        self._backoff.succeeded()
        if answer.refusal is not None:
            self.leave()
        if answer.trained is not None and (answer.refusal is None or len(answer.trained.errors)):
            self._finished.append(answer.trained)
        if isinstance(answer.refusal, SamplesLostError):
            raise answer.refusal  # not of what is to be received: that was before
        if answer.refusal is not None:
            self._finished.append(answer.refusal)

    async def _feed(self, answer: Answer) -> None:
        anchor = None
        for replica in self._replicas:
            if answer.standardisation is not None:
                replica.standardise(answer.standardisation)
            if answer.batch is None:
                continue
            if needs_anchor(replica, answer.batch):
                anchor = anchor or await self._anchor_in_place()
                replica.reset(anchor)
            feed_replica(replica, answer.batch)

    async def _anchor_in_place(self) -> Anchor:
        """What replicas begin anew from that miss steps, of which the server did not hold the answers."""
        try:
            anchor = await self._session.weights(with_state=True)
        except BaseException:
            self.leave()  # the next opening shows that they are behind, though no answer comes that does
            raise
        log_anchored(self._session.session_id, anchor.step)
        return anchor

    async def _lose_call(self, error: BackpropdError) -> None:
        passing = is_passing(error)
        self._hang_up(lingers=passing)
        if isinstance(error, WriterReplacedError):
            self.ledger.replaced()
        # Of other errors that pass it is not known how the call ended: gRPC may forget that where a write fails.
        self._takes_over = isinstance(error, ServerUnavailableError) and not _ended_by_server(error)
        if not passing:
            raise error
        await self._reopen(error)

    async def _reopen(self, error: BackpropdError | None) -> None:
        """Opens the stream, after `error` if it broke, and sends what is not applied."""
        first = not self._was_writer
        if self._broke_at is None:  # else an earlier attempt got no further than the opening
            self._broke_at = self.ledger.epoch, self.ledger.step
        if error is not None:
            log_break(self._session.session_id, error)
        opening = await self._opening(error)
        try:
            with self._changes.whole():
                applied = self.ledger.opened(opening)
                self._finished.extend(applied)
            if applied:
                self._backoff.succeeded()
            anchored = await self._anchor_replicas(opening)
        except BaseException:
            self.leave()  # nothing was sent on this call: answers on it would be waited for in vain
            raise
        resent = self.ledger.samples_to_send
        with self._changes.whole():
            self._send_unsent()
        self._was_writer = True
        (epoch_before, step_before), self._broke_at = self._broke_at, None
        if error is not None or (not first and (resent or anchored)):
            self._tell_resumed(
                Resumed(
                    self._session.session_id,
                    epoch_before=epoch_before,
                    epoch=opening.epoch,
                    step_before=step_before,
                    step=opening.step,
                    resent_samples=resent,
                    replica_anchored=anchored,
                )
            )

    async def _opening(self, error: BackpropdError | None) -> rpc.TrainResponse:
        """The opening of a new call, be it not the first that is tried."""
        left = self._client.left_calls
        explained = False
        while True:
            if error is not None:
                await self._client.wait(self._backoff, error, explained=explained)
            last = left.last(self._session.session_id)
            if last is not None:
                await last.over()
            try:
                opening = await self._open_call()
            except BackpropdError as failure:
                passing = is_passing(failure)
                self._hang_up(lingers=passing)
                self._takes_over = self._takes_over and not _ended_by_server(failure)
                explained = left.explain(failure, self._session.session_id, self._client.now())
                if not passing and not explained:
                    raise
                error = failure
                continue
            left.replaced(self._session.session_id)
            self._takes_over = False
            return opening

    async def _anchor_replicas(self, opening: rpc.TrainResponse) -> bool:
        """Resets those that can't go on from where the session is; whether there were any."""
        resumed_at = self.ledger.resumed_at
        behind = [replica for replica in self._replicas if not can_go_on(replica, opening, self._position, resumed_at)]
        if behind:
            anchor = await self._session.weights(with_state=True)
            for replica in behind:
                replica.reset(anchor)
        return len(behind) > 0

    def _tell_resumed(self, resumed: Resumed) -> None:
        log_resumed(resumed)
        if self._on_resume is not None:
            self._on_resume(resumed)

    async def _open_call(self) -> rpc.TrainResponse:
        client = self._client
        self._call = AsyncCall(lambda requests: client.stub.Train(requests, metadata=client.metadata))
        self._call.begin()
        self._position = position_of(self._replicas)
        request = rpc.TrainRequest(
            session_id=self._session.session_id,
            options=self._options,
            replica=self._position,
            takeover=self._takes_over,  # whoever is the writer is this stream, on a call that is gone
        )
        self._call.send(request)
        try:
            opening = _not_ended(await self._call.receive(client.timeout))
        except TimeoutError:
            raise ServerUnavailableError(
                f"The server did not answer the opening of the stream within {client.timeout:g} s.",
                code=grpc.StatusCode.UNAVAILABLE,
            ) from None
        if opening.goodbye:
            raise ShuttingDownError("The server shuts down.", code=grpc.StatusCode.UNAVAILABLE)
        return opening


def _ended_by_server(error: BackpropdError) -> bool:
    """Whether the server has seen the call end, maybe for another writer, who is not to be replaced in turn.

    One that was replaced and does not read is cancelled.
    """
    return isinstance(error, (WriterReplacedError, ShuttingDownError)) or error.code is grpc.StatusCode.CANCELLED


def _not_ended(response: rpc.TrainResponse | None) -> rpc.TrainResponse:
    if response is None:
        raise ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE)
    return response
