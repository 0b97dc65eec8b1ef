# SPDX-License-Identifier: Apache-2.0
"""The fake server's Train."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator

import grpc
import numpy as np
from backpropd.replica.arrays import AnyArray
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_session import FakeSession, FakeState, Held, Step, abort, status_of
from google.rpc import status_pb2


class FakeTraining(FakeState):
    """One writer a session; offsets, skips and refusals are as the protocol says."""

    def Train(
        self, request_iterator: Iterator[rpc.TrainRequest], context: grpc.ServicerContext
    ) -> Iterator[rpc.TrainResponse]:
        """One writer a session."""
        self.openings += 1
        opening = next(request_iterator)
        self.opened_with.append(opening)
        session = self.session(opening.session_id, context)
        if self.faults.refuse_opening:
            self.faults.refuse_opening -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "unreachable")
        if self.faults.silent_openings:
            self.faults.silent_openings -= 1
            left = threading.Event()
            if context.add_callback(left.set):
                left.wait()
            context.abort(grpc.StatusCode.CANCELLED, "it has left")
        if self.openings > 1 and (self.stays() or (session.has_writer and not opening.takeover)):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_HAS_WRITER")
        with self.lock:
            session.half_dead = False
            session.writer = context
        try:
            yield self._opened(session, opening)
            yield from self._dialogue(session, opening.options, request_iterator, context)
        finally:
            if session.writer is context:
                session.writer = None

    def _opened(self, session: FakeSession, opening: rpc.TrainRequest) -> rpc.TrainResponse:
        response = at_rest(session.info, 0)
        response.message_done = True
        if opening.HasField("replica"):
            response.resync = not session.may_go_on(opening.replica.epoch, opening.replica.step)
        return response

    def _dialogue(
        self,
        session: FakeSession,
        options: rpc.TrainOptions,
        requests: Iterator[rpc.TrainRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[rpc.TrainResponse]:
        number = 0
        for request in with_pauses(requests, context):
            if request is None:
                if options.tell_durable and self.tells and session.commit(0):
                    news = at_rest(session.info, number)
                    news.durable_news = True
                    yield news
                continue
            number += 1
            yield from self._train(session, number, request, options, context)
            taken = self.faults.messages - 1
            if taken in self.faults.crash_after:
                self._crash(session, self.faults.crash_after[taken], context)
            if taken in self.faults.goodbye_after:
                session.writer = None
                goodbye = at_rest(session.info, 0)
                goodbye.goodbye = True
                yield goodbye
                return

    def _crash(self, session: FakeSession, steps: int, context: grpc.ServicerContext) -> None:
        session.go_back(session.info.step - steps)
        self._break(session, context)

    def _break(self, session: FakeSession, context: grpc.ServicerContext) -> None:
        session.half_dead, self.faults.half_dead = self.faults.half_dead, False
        context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    def _refusal(self, request: rpc.TrainRequest, offset: int, info: rpc.Session) -> status_pb2.Status | None:
        if offset > info.next_offset:
            return status_of(grpc.StatusCode.OUT_OF_RANGE, "OFFSET_GAP", "samples are missing")
        if len(request.classes) and max(request.classes) >= info.spec.layers[-1].size:
            fault = ("classes[0]", "too large")
            return status_of(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "bad class", fault)
        return None

    def _train(
        self,
        session: FakeSession,
        number: int,
        request: rpc.TrainRequest,
        options: rpc.TrainOptions,
        context: grpc.ServicerContext,
    ) -> Iterator[rpc.TrainResponse]:
        taken = self.faults.messages
        self.faults.messages += 1
        if taken in self.faults.break_before:
            self._break(session, context)
        if taken in self.faults.cancel_before:
            context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
        if taken in self.faults.replaced_before:
            abort(context, grpc.StatusCode.ABORTED, "WRITER_REPLACED")
        self.received.append(request.received_offset)
        info = session.info
        with self.lock:
            if session.writer is not context:
                abort(context, grpc.StatusCode.ABORTED, "WRITER_REPLACED")
            offset = request.offset if request.HasField("offset") else info.next_offset
            refusal = self._refusal(request, offset, info)
            if refusal is None:
                parts = self._answer(session, request, offset, taken, options)
        if refusal is not None:
            response = at_rest(info, number)
            response.message_done = True
            response.rejection.CopyFrom(refusal)
            yield response
            return
        if taken in self.faults.lose_answer_of:
            self._break(session, context)
        if taken in self.faults.unheard:
            return
        session.commit(0 if request.when_durable and self.hurries else self.durable_behind)
        for one in parts:
            one.message_number = number
            one.durable_step, one.durable_offset = info.durable_step, info.durable_offset
            yield one
            if taken in self.faults.crash_within:
                self._crash(session, self.faults.crash_within[taken], context)
            if taken in self.faults.half_answer_of | self.faults.half_apply:
                self._break(session, context)

    def _answer(
        self, session: FakeSession, request: rpc.TrainRequest, offset: int, taken: int, options: rpc.TrainOptions
    ) -> list[rpc.TrainResponse]:
        """Applies what is not; the answer in parts of one step each, of which held ones come first."""
        info = session.info
        end = offset + len(_rows(request, info.spec))
        session.held = [each for each in session.held if request.received_offset <= each.begin < info.next_offset]
        held = [_again(each.answer) for each in session.held if offset <= each.begin < end]
        response = at_rest(info, 0)
        first = info.next_offset
        steps = self._make_steps(session, request, response, max(0, first - offset), taken)
        fresh = _parts(response, steps, info.spec.batch_size, options)
        if request.want_digest and (fresh or not held):
            (fresh or [response])[-1].digests.add(step=info.step, digest=session.digest ^ self.faults.lose_digest)
        if options.hold_answers:
            session.held += [Held(first + at * info.spec.batch_size, _again(one)) for at, one in enumerate(fresh)]
            session.held = session.held[max(0, len(session.held) - self.held_steps) :]
        parts = [*held, *fresh] or [response]
        if response.HasField("rejection"):
            parts[-1].rejection.CopyFrom(response.rejection)
        parts[0].skipped_samples = response.skipped_samples - len(held) * info.spec.batch_size
        parts[-1].message_done = True
        return parts

    def _make_steps(
        self, session: FakeSession, request: rpc.TrainRequest, response: rpc.TrainResponse, skip: int, taken: int
    ) -> list[Step]:
        """Makes the message's steps; `response` says how many samples were skipped and whether a step was refused."""
        spec = session.info.spec
        rows = _rows(request, spec)
        skip = min(skip, len(rows))
        response.skipped_samples = skip
        end = skip + 2 * spec.batch_size if taken in self.faults.half_apply else len(rows)
        steps: list[Step] = []
        for begin in range(skip, end, spec.batch_size):
            if taken in self.faults.non_finite_at and len(steps) == 1:
                refusal = status_of(grpc.StatusCode.FAILED_PRECONDITION, "NON_FINITE_STEP", "not finite")
                response.rejection.CopyFrom(refusal)
                break
            part = rows[begin : begin + spec.batch_size]
            steps.append(session.make_step(part.tobytes(), part))
        return steps


def at_rest(info: rpc.Session, number: int) -> rpc.TrainResponse:
    """A response without steps."""
    return rpc.TrainResponse(
        message_number=number,
        base_step=info.step,
        step=info.step,
        next_offset=info.next_offset,
        epoch=info.epoch,
        durable_step=info.durable_step,
        durable_offset=info.durable_offset,
    )


def with_pauses(
    requests: Iterator[rpc.TrainRequest], context: grpc.ServicerContext
) -> Iterator[rpc.TrainRequest | None]:
    """The requests, and None each time that none has come for two milliseconds."""
    coming: queue.SimpleQueue[rpc.TrainRequest | None] = queue.SimpleQueue()

    def take() -> None:
        with contextlib.suppress(Exception):  # the call is over
            for request in requests:
                coming.put(request)
        coming.put(None)

    threading.Thread(target=take, daemon=True).start()
    while context.is_active():
        try:
            request = coming.get(timeout=0.002)
        except queue.Empty:
            yield None
            continue
        if request is None:
            return
        yield request


def _rows(request: rpc.TrainRequest, spec: pb.SessionSpec) -> AnyArray:
    numbers = np.frombuffer(request.inputs, "u1" if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else "<f4")
    return numbers.reshape(-1, spec.input_size)


def _again(answer: rpc.TrainResponse) -> rpc.TrainResponse:
    """A copy of an answer, for who asks once more."""
    copy = rpc.TrainResponse()
    copy.CopyFrom(answer)
    copy.held = True
    return copy


def _parts(
    response: rpc.TrainResponse, steps: list[Step], batch_size: int, options: rpc.TrainOptions
) -> list[rpc.TrainResponse]:
    """The answer in parts of one step each, without what the whole message is told."""
    parts = []
    for at, step in enumerate(steps):
        one = rpc.TrainResponse(epoch=response.epoch)
        one.base_step, one.step = response.base_step + at, response.base_step + at + 1
        one.next_offset = response.next_offset + (at + 1) * batch_size
        one.errors.append(step.error)
        if options.deltas != rpc.DELTA_DETAIL_NONE:
            one.deltas, one.scalars = step.row.tobytes(), step.scalars.tobytes()
        parts.append(one)
    return parts
