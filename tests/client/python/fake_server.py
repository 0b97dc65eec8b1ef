# SPDX-License-Identifier: Apache-2.0
"""A server in the test's own process that misbehaves as it is told; all else is as the protocol says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs
from fake_checkpoints import FakeCheckpoints
from fake_session import FakeSession, abort
from fake_training import FakeTraining
from fake_watching import FakeWatching
from naive_contract import layout_of


class FakeServicer(FakeTraining, FakeWatching, FakeCheckpoints):
    """The service."""

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
            fault = ("spec.input_size", "must be at least 1")
            abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "bad spec", fault)
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
        info = rpc.Session(session_id=name, spec=spec, layout=layout, forked_from=request.fork.session_id, epoch=3)
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
        """Keeps the request; knows the learning rate only. Changes it before it fails, if it is to fail."""
        self.updates.append(request)
        session = self.session(request.session_id, context)
        info = session.info
        known = session.request_ids.get(request.request_id)
        if known is None and "optimiser.learning_rate" in request.update_mask.paths:
            info.spec.optimiser.learning_rate = request.spec.optimiser.learning_rate
        first_step = session.request_ids.setdefault(request.request_id, info.step + 1)
        self.unary(context)
        return rpc.UpdateSessionResponse(session=info, first_step=first_step, already_applied=known is not None)

    def GetServerInfo(
        self, request: rpc.GetServerInfoRequest, context: grpc.ServicerContext
    ) -> rpc.GetServerInfoResponse:
        """Some numbers."""
        self.unary(context)
        limits = rpc.ServerLimits(max_message_bytes=4_000_000)
        return rpc.GetServerInfoResponse(version="0.0.1", compute=rpc.ComputeInfo(threads=2), limits=limits)

    def TrainStep(self, request: rpc.TrainStepRequest, context: grpc.ServicerContext) -> rpc.TrainStepResponse:
        """ΔW is the difference of the weights. Makes the step before it fails, if it is to fail."""
        session = self.session(request.session_id, context)
        if self.in_the_way(session):
            abort(context, grpc.StatusCode.FAILED_PRECONDITION, "SESSION_HAS_WRITER")
        if request.request_id in session.request_ids:
            self.unary(context)
            step = session.request_ids[request.request_id]
            return rpc.TrainStepResponse(step=step, epoch=session.info.epoch, already_applied=True)
        before = session.weights.copy()
        x = np.array([sample.inputs for sample in request.samples], dtype="f4")
        made = session.make_step(x.tobytes(), x)
        session.request_ids[request.request_id] = session.info.step
        self.unary(context)
        answer = rpc.TrainStepResponse(step=session.info.step, error=made.error, digest=session.digest)
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
