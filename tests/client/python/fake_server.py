# SPDX-License-Identifier: Apache-2.0
"""A server in the test's own process that misbehaves as it is told.

Its weight deltas are random numbers in the form that the layout asks, and it
moves its own weights by the naive contract. Everything else is as the protocol
says: offsets, skips, refusals, anchors, watchers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import numpy as np
import xxhash
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs
from google.rpc import error_details_pb2, status_pb2
from naive_contract import apply_step, layout_of, scalars_of, seen_inputs


def status_of(code: grpc.StatusCode, reason: str, message: str, *violations: tuple[str, str]) -> status_pb2.Status:
    """A google.rpc.Status as the protocol has it."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="backprop.v1"))
    if violations:
        faults = error_details_pb2.BadRequest()
        for name, description in violations:
            faults.field_violations.add(field=name, description=description)
        status.details.add().Pack(faults)
    return status


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, message: str = "no") -> NoReturn:
    """Ends the call with an error that carries its reason."""
    details = status_of(code, reason, message).SerializeToString()
    context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.abort(code, message)
    raise AssertionError


@dataclass
class Step:
    """What the journal keeps of one step."""

    row: Any
    scalars: Any
    inputs: bytes
    error: float


@dataclass
class FakeSession:
    """One session; `anchor_step` is where its journal begins."""

    info: rpc.Session
    weights: Any
    state: Any
    rng: np.random.Generator
    journal: list[Step] = field(default_factory=list)
    forgotten: int = 0
    deleted: bool = False
    writer: grpc.ServicerContext | None = None

    @property
    def has_writer(self) -> bool:
        """Whether a Train stream is open: one that its client has left is not."""
        return self.writer is not None and self.writer.is_active()

    @property
    def digest(self) -> int:
        """Of the weights."""
        return xxhash.xxh3_64_intdigest(self.weights.tobytes())

    def make_step(self, raw: bytes, rows: Any) -> Step:
        """One step from batch_size input rows."""
        layout, spec = self.info.layout, self.info.spec
        row = self.rng.standard_normal(layout.delta_row_length).astype("f4")
        age = self.info.step + 1
        scalars = np.array(scalars_of(spec.optimiser, age) if layout.scalar_count else [], dtype="f4")
        apply_step(spec, layout, self.weights, self.state, row, scalars, seen_inputs(rows, spec))
        step = Step(row, scalars, raw, float(self.rng.random(dtype="f4")))
        self.journal.append(step)
        self.info.step += 1
        self.info.next_offset += len(rows)
        return step


@dataclass
class Faults:
    """What goes wrong next; each happens once and is then forgotten.

    Counts are of sample messages taken by any stream from now on.
    """

    lose_answer_of: set[int] = field(default_factory=set)
    """After applying these, the stream breaks instead of answering."""
    half_answer_of: set[int] = field(default_factory=set)
    """Of these only the first step is answered, all are applied, then the stream breaks."""
    half_apply: set[int] = field(default_factory=set)
    """Of these two steps are applied, one is answered, then the stream breaks."""
    break_before: set[int] = field(default_factory=set)
    """The stream breaks before these are applied."""
    goodbye_after: set[int] = field(default_factory=set)
    """Having answered these, the server says goodbye."""
    non_finite_at: set[int] = field(default_factory=set)
    """Of these the second step is refused."""
    refuse_opening: int = 0
    """So many openings fail as unreachable."""
    writer_stays: int = 0
    """So many openings after the first, steps by hand and deletions find the old writer still there."""
    fail_unary: int = 0
    """So many unary calls fail as unreachable."""
    refuse_anchors: int = 0
    """So many calls of GetWeights are refused, and with what is not tried again."""
    lose_digest: bool = False
    """Digests are wrong."""
    messages: int = 0
    """Messages taken so far."""


class FakeServicer(stubs.TrainingServiceServicer):
    """The service.

    Attributes:
        watch_end: what WatchDeltas does, once each, when it has nothing more: "resync", "goodbye", "break".

    """

    def __init__(self) -> None:
        self.sessions: dict[str, FakeSession] = {}
        self.request_ids: dict[str, str] = {}
        self.faults = Faults()
        self.openings = 0
        self.watch_requests: list[rpc.WatchDeltasRequest] = []
        self.watch_end: list[str] = []
        self.anchors = 0
        self.metadata: list[dict[str, Any]] = []
        self.updates: list[rpc.UpdateSessionRequest] = []
        self.creations: list[rpc.CreateSessionRequest] = []
        self.lock = threading.RLock()

    def session(self, session_id: str, context: grpc.ServicerContext) -> FakeSession:
        """The session, or an abort."""
        if session_id not in self.sessions:
            abort(context, grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", f"no session {session_id}")
        return self.sessions[session_id]

    def unary(self, context: grpc.ServicerContext) -> None:
        """What every unary call begins with."""
        self.metadata.append(dict(context.invocation_metadata()))
        if self.faults.fail_unary:
            self.faults.fail_unary -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "unreachable")

    def in_the_way(self, session: FakeSession) -> bool:
        """Whether a writer is, be it that one stays."""
        if self.faults.writer_stays:
            self.faults.writer_stays -= 1
            return True
        return session.has_writer

    def CreateSession(
        self, request: rpc.CreateSessionRequest, context: grpc.ServicerContext
    ) -> rpc.CreateSessionResponse:
        """Weights are random if none are given. Makes the session before it fails, if it is to fail."""
        self.creations.append(request)
        if request.request_id in self.request_ids:
            self.unary(context)
            return rpc.CreateSessionResponse(session=self.sessions[self.request_ids[request.request_id]].info)
        spec = pb.SessionSpec()
        spec.CopyFrom(request.spec)
        weights: Any = None
        if request.HasField("fork"):
            origin = self.session(request.fork.session_id, context)
            if not request.HasField("spec"):
                spec.CopyFrom(origin.info.spec)
            weights = origin.weights.copy()
        if not spec.input_size:
            status = status_of(
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                "bad spec",
                ("spec.input_size", "must be at least 1"),
            )
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "bad spec")
        spec.batch_size = spec.batch_size or 1
        layout = layout_of(spec)
        rng = np.random.default_rng(1)
        if request.initial.weights:
            weights = np.frombuffer(request.initial.weights, dtype="<f4").copy()
        if weights is None:
            weights = rng.standard_normal(layout.weight_count).astype("f4")
        state = np.zeros((layout.state_count, layout.weight_count), dtype="f4")
        name = f"s{len(self.sessions)}"
        if request.initial.state:
            state = np.frombuffer(request.initial.state, dtype="<f4").reshape(state.shape).copy()
        info = rpc.Session(session_id=name, spec=spec, layout=layout, forked_from=request.fork.session_id)
        info.step, info.next_offset = request.initial.step, request.initial.next_offset
        self.sessions[name] = FakeSession(info, weights, state, rng)
        if request.request_id:
            self.request_ids[request.request_id] = name
        self.unary(context)
        return rpc.CreateSessionResponse(session=info)

    def GetSession(self, request: rpc.GetSessionRequest, context: grpc.ServicerContext) -> rpc.GetSessionResponse:
        """As it is."""
        self.unary(context)
        return rpc.GetSessionResponse(session=self.session(request.session_id, context).info)

    def ListSessions(self, request: rpc.ListSessionsRequest, context: grpc.ServicerContext) -> rpc.ListSessionsResponse:
        """Page tokens are the last id."""
        self.unary(context)
        names = [name for name in sorted(self.sessions) if name > request.page_token]
        page = names[: request.page_size or 100]
        token = page[-1] if len(page) < len(names) else ""
        return rpc.ListSessionsResponse(sessions=[self.sessions[name].info for name in page], next_page_token=token)

    def DeleteSession(
        self, request: rpc.DeleteSessionRequest, context: grpc.ServicerContext
    ) -> rpc.DeleteSessionResponse:
        """Deletes before it fails, if it is to fail."""
        session = self.session(request.session_id, context)
        if self.in_the_way(session):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_BUSY")
        session.deleted = True
        del self.sessions[request.session_id]
        self.unary(context)
        return rpc.DeleteSessionResponse()

    def UpdateSession(
        self, request: rpc.UpdateSessionRequest, context: grpc.ServicerContext
    ) -> rpc.UpdateSessionResponse:
        """Keeps the request; knows the learning rate only."""
        self.unary(context)
        self.updates.append(request)
        info = self.session(request.session_id, context).info
        if "optimiser.learning_rate" in request.update_mask.paths:
            info.spec.optimiser.learning_rate = request.spec.optimiser.learning_rate
        return rpc.UpdateSessionResponse(session=info, first_step=info.step + 1)

    def TrainStep(self, request: rpc.TrainStepRequest, context: grpc.ServicerContext) -> rpc.TrainStepResponse:
        """ΔW is the difference of the weights."""
        self.unary(context)
        session = self.session(request.session_id, context)
        if self.in_the_way(session):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_HAS_WRITER")
        before = session.weights.copy()
        x = np.array([sample.inputs for sample in request.samples], dtype="f4")
        step = session.make_step(x.tobytes(), x)
        answer = rpc.TrainStepResponse(step=session.info.step, error=step.error, digest=session.digest)
        answer.outputs.extend([0.5] * len(x) * session.info.layout.layers[-1].outputs)
        change = session.weights - before
        for layer in session.info.layout.layers:
            end = layer.bias_begin + layer.outputs
            answer.deltas.add(
                weights=change[layer.weights_begin : layer.bias_begin], bias=change[layer.bias_begin : end]
            )
        return answer

    def Predict(self, request: rpc.PredictRequest, context: grpc.ServicerContext) -> rpc.PredictResponse:
        """One output more for each row."""
        self.unary(context)
        session = self.session(request.session_id, context)
        element = 1 if session.info.spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else 4
        rows = len(request.inputs) // element // session.info.spec.input_size
        return rpc.PredictResponse(outputs=np.arange(rows * session.info.spec.layers[-1].size, dtype="f4"))

    def Evaluate(
        self, request_iterator: Iterator[rpc.EvaluateRequest], context: grpc.ServicerContext
    ) -> rpc.EvaluateResponse:
        """Counts."""
        self.unary(context)
        samples = 0
        for number, request in enumerate(request_iterator):
            if number == 0:
                session = self.session(request.session_id, context)
            samples += len(request.classes) or len(request.targets) // 4 // session.info.spec.layers[-1].size
        return rpc.EvaluateResponse(
            samples=samples, error=0.25, plain_error=0.125, accuracy=0.75, last_step=session.info.step
        )

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
                step=info.step, next_offset=info.next_offset, digest=digest, weight_count=info.layout.weight_count
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
                anchor=chunk,
                anchor_done=end == numbers,
            )

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
        info, spec = session.info, session.info.spec
        rows = np.frombuffer(request.inputs, "u1" if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else "<f4")
        rows = rows.reshape(-1, spec.input_size)
        response = rpc.TrainResponse(
            message_number=number, message_done=True, base_step=info.step, step=info.step, next_offset=info.next_offset
        )
        offset = request.offset if request.HasField("offset") else info.next_offset
        refusal = self._refusal(request, offset, info)
        if refusal is not None:
            response.rejection.CopyFrom(refusal)
            yield response
            return
        skip = min(info.next_offset - offset, len(rows))
        response.skipped_samples = skip
        end = skip + 2 * spec.batch_size if taken in self.faults.half_apply else len(rows)
        with self.lock:
            steps: list[Step] = []
            for begin in range(skip, end, spec.batch_size):
                if taken in self.faults.non_finite_at and len(steps) == 1:
                    response.rejection.CopyFrom(
                        status_of(grpc.StatusCode.FAILED_PRECONDITION, "NON_FINITE_STEP", "not finite")
                    )
                    break
                part = rows[begin : begin + spec.batch_size]
                steps.append(session.make_step(part.tobytes(), part))
        if taken in self.faults.lose_answer_of:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        for at, step in enumerate(steps):
            one = rpc.TrainResponse()
            one.CopyFrom(response)
            one.base_step, one.step = response.base_step + at, response.base_step + at + 1
            one.next_offset = response.next_offset + (at + 1) * spec.batch_size
            one.errors.append(step.error)
            if options.deltas != rpc.DELTA_DETAIL_NONE:
                one.deltas, one.scalars = step.row.tobytes(), step.scalars.tobytes()
            one.message_done = at == len(steps) - 1
            one.skipped_samples = skip if at == 0 else 0
            if not one.message_done:
                one.ClearField("rejection")
            elif request.want_digest:
                one.digests.add(step=info.step, digest=session.digest ^ int(self.faults.lose_digest))
            yield one
            if taken in self.faults.half_answer_of | self.faults.half_apply:
                context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        if not steps:
            if request.want_digest:
                response.digests.add(step=info.step, digest=session.digest)
            yield response

    def _watch_begins(
        self, session: FakeSession, request: rpc.WatchDeltasRequest, context: grpc.ServicerContext
    ) -> Iterator[rpc.WatchDeltasResponse]:
        """An anchor, or a response without steps."""
        begins = request.HasField("after_step")
        at = request.after_step if begins else session.info.step
        if request.with_anchor and not (begins and session.forgotten <= at <= session.info.step):
            yield from self._watched_anchor(session, request)
            return
        if at < session.forgotten:
            abort(context, grpc.StatusCode.OUT_OF_RANGE, "STEP_NOT_HELD")
        if at > session.info.step:
            abort(context, grpc.StatusCode.OUT_OF_RANGE, "STEP_NOT_REACHED")
        first = rpc.WatchDeltasResponse(base_step=at, step=at, next_offset=at * session.info.spec.batch_size)
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


class FakeServer:
    """A FakeServicer that listens on a port of the loopback."""

    def __init__(self, *interceptors: grpc.ServerInterceptor[Any, Any]) -> None:
        self.servicer = FakeServicer()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), interceptors=list(interceptors))
        stubs.add_TrainingServiceServicer_to_server(self.servicer, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        """Ends all calls."""
        self._server.stop(grace=None).wait()
