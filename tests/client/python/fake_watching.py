# SPDX-License-Identifier: Apache-2.0
"""The fake server's WatchDeltas and GetWeights."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc
import numpy as np
from backpropd.v1 import training_service_pb2 as rpc
from fake_session import FakeSession, FakeState, abort


class FakeWatching(FakeState):
    """Anchors come in chunks of 7 numbers."""

    def GetWeights(
        self, request: rpc.GetWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[rpc.GetWeightsResponse]:
        """In chunks of 7 numbers."""
        self.unary(context)
        if self.faults.refuse_anchors:
            self.faults.refuse_anchors -= 1
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no anchor now")
        yield from self._chunks(self.session(request.session_id, context), with_state=request.with_state)

    def _chunks(self, session: FakeSession, *, with_state: bool) -> Iterator[rpc.GetWeightsResponse]:
        self.anchors += 1
        with self.lock:
            numbers = session.weights.copy()
            if with_state:
                numbers = np.concatenate([numbers, session.state.reshape(-1)])
            info, digest = session.info, session.digest ^ int(self.faults.lose_digest)
            head = rpc.GetWeightsResponse(
                step=info.step,
                next_offset=info.next_offset,
                digest=digest,
                weight_count=info.layout.weight_count,
                epoch=info.epoch,
            )
            if info.spec.input.standardisation.mean:
                head.standardisation.CopyFrom(info.spec.input.standardisation)
            head.continuation.state_age = info.step
            head.spec.CopyFrom(info.spec)
        for begin in range(0, len(numbers), 7):
            head.first_weight = begin
            head.weights = numbers[begin : begin + 7].tobytes()
            yield head
            head.ClearField("continuation")
            head.ClearField("spec")

    def _watched_anchor(
        self, session: FakeSession, request: rpc.WatchDeltasRequest
    ) -> Iterator[rpc.WatchDeltasResponse]:
        numbers = session.weights.size + (session.state.size if request.with_state else 0)
        for chunk in self._chunks(session, with_state=request.with_state):
            end = chunk.first_weight + len(chunk.weights) // 4
            yield rpc.WatchDeltasResponse(
                base_step=chunk.step,
                step=chunk.step,
                next_offset=chunk.next_offset,
                epoch=session.info.epoch,
                anchor=chunk,
                anchor_done=end == numbers,
            )

    def _watch_begins(
        self, session: FakeSession, request: rpc.WatchDeltasRequest, context: grpc.ServicerContext
    ) -> Iterator[rpc.WatchDeltasResponse]:
        """An anchor, or a response without steps."""
        begins = request.HasField("after_step")
        at = request.after_step if begins else session.info.step
        is_over = begins and not session.may_go_on(request.epoch, at)
        if request.with_anchor and (is_over or not (begins and session.forgotten <= at <= session.info.step)):
            yield from self._watched_anchor(session, request)
            return
        if is_over:
            abort(context, grpc.StatusCode.OUT_OF_RANGE, "EPOCH_OVER")
        if at < session.forgotten:
            abort(context, grpc.StatusCode.OUT_OF_RANGE, "STEP_NOT_HELD")
        if at > session.info.step:
            abort(context, grpc.StatusCode.OUT_OF_RANGE, "STEP_NOT_REACHED")
        first = rpc.WatchDeltasResponse(base_step=at, step=at, next_offset=at * session.info.spec.batch_size)
        first.epoch = session.info.epoch
        if session.info.spec.input.standardisation.mean:
            first.standardisation.CopyFrom(session.info.spec.input.standardisation)
        yield first

    def _watch_goes_on(
        self, session: FakeSession, request: rpc.WatchDeltasRequest, at: int
    ) -> Iterator[rpc.WatchDeltasResponse]:
        """What there is after step `at`: an anchor or the last word if that is not held, nothing if it is the last."""
        with self.lock:
            end, behind = session.info.step, at < session.forgotten
            steps = [] if behind else session.journal[at:end]
            digest = session.digest
        if behind and request.with_anchor:
            yield from self._watched_anchor(session, request)
        elif behind:
            yield rpc.WatchDeltasResponse(base_step=at, step=end, resync=True)
        elif steps:
            response = rpc.WatchDeltasResponse(base_step=at, step=end, next_offset=end * session.info.spec.batch_size)
            response.epoch = session.info.epoch
            response.errors.extend(step.error for step in steps)
            response.deltas = b"".join(step.row.tobytes() for step in steps)
            response.scalars = b"".join(step.scalars.tobytes() for step in steps)
            response.inputs = b"".join(step.inputs for step in steps)
            response.digests.add(step=end, digest=digest)
            yield response

    def WatchDeltas(
        self, request: rpc.WatchDeltasRequest, context: grpc.ServicerContext
    ) -> Iterator[rpc.WatchDeltasResponse]:
        """Sends what is there, then looks for more every millisecond, until the call ends."""
        self.watch_requests.append(request)
        session = self.session(request.session_id, context)
        at = 0
        for response in self._watch_begins(session, request, context):
            at = response.step
            yield response
        while context.is_active():
            idle = True
            for response in self._watch_goes_on(session, request, at):
                idle, at = False, response.step
                yield response
                if response.resync:
                    return
            if not idle:
                continue
            if session.deleted:
                yield rpc.WatchDeltasResponse(base_step=at, step=at, session_deleted=True)
                return
            if self.watch_end:
                what = self.watch_end.pop(0)
                if what == "break":
                    context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
                yield rpc.WatchDeltasResponse(base_step=at, step=at, resync=what == "resync", goodbye=what == "goodbye")
                return
            threading.Event().wait(0.001)
