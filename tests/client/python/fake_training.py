# SPDX-License-Identifier: Apache-2.0
"""The fake server's Train."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_session import FakeSession, FakeState, Step, abort, status_of
from google.rpc import status_pb2


class FakeTraining(FakeState):
    """One writer a session; offsets, skips and refusals are as the protocol says."""

    def Train(
        self, request_iterator: Iterator[rpc.TrainRequest], context: grpc.ServicerContext
    ) -> Iterator[rpc.TrainResponse]:
        """One writer a session."""
        self.openings += 1
        opening = next(request_iterator)
        session = self.session(opening.session_id, context)
        if self.faults.refuse_opening:
            self.faults.refuse_opening -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "unreachable")
        if self.openings > 1 and self.in_the_way(session):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_HAS_WRITER")
        session.writer = context
        try:
            info = session.info
            yield rpc.TrainResponse(
                message_done=True, base_step=info.step, step=info.step, next_offset=info.next_offset
            )
            for number, request in enumerate(request_iterator, 1):
                yield from self._train(session, number, request, opening.options, context)
                if self.faults.messages - 1 in self.faults.goodbye_after:
                    session.writer = None
                    yield rpc.TrainResponse(
                        base_step=info.step, step=info.step, next_offset=info.next_offset, goodbye=True
                    )
                    return
        finally:
            if session.writer is context:
                session.writer = None

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
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        info = session.info
        response = rpc.TrainResponse(
            message_number=number, message_done=True, base_step=info.step, step=info.step, next_offset=info.next_offset
        )
        offset = request.offset if request.HasField("offset") else info.next_offset
        refusal = self._refusal(request, offset, info)
        if refusal is not None:
            response.rejection.CopyFrom(refusal)
            yield response
            return
        with self.lock:
            steps = self._make_steps(session, request, response, info.next_offset - offset, taken)
        if taken in self.faults.lose_answer_of:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        if request.want_digest:
            response.digests.add(step=info.step, digest=session.digest ^ int(self.faults.lose_digest))
        if not steps:
            yield response
        for one in _parts(response, steps, session.info.spec.batch_size, options):
            yield one
            if taken in self.faults.half_answer_of | self.faults.half_apply:
                context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    def _make_steps(
        self, session: FakeSession, request: rpc.TrainRequest, response: rpc.TrainResponse, skip: int, taken: int
    ) -> list[Step]:
        """Makes the message's steps; `response` says how many samples were skipped and whether a step was refused."""
        spec = session.info.spec
        rows = np.frombuffer(request.inputs, "u1" if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else "<f4")
        rows = rows.reshape(-1, spec.input_size)
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


def _parts(
    response: rpc.TrainResponse, steps: list[Step], batch_size: int, options: rpc.TrainOptions
) -> Iterator[rpc.TrainResponse]:
    """The answer in parts of one step each; the last one has the refusal and the digest."""
    for at, step in enumerate(steps):
        one = rpc.TrainResponse()
        one.CopyFrom(response)
        one.base_step, one.step = response.base_step + at, response.base_step + at + 1
        one.next_offset = response.next_offset + (at + 1) * batch_size
        one.errors.append(step.error)
        if options.deltas != rpc.DELTA_DETAIL_NONE:
            one.deltas, one.scalars = step.row.tobytes(), step.scalars.tobytes()
        one.message_done = at == len(steps) - 1
        if at > 0:
            one.skipped_samples = 0
        if not one.message_done:
            one.ClearField("rejection")
            one.ClearField("digests")
        yield one
