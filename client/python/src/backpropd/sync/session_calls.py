# SPDX-License-Identifier: Apache-2.0
# Generated from aio/session_calls.py by generate_sync.py: change that.
"""What is asked of one session in single calls."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from backpropd.calls.evaluate import Evaluation, evaluate_requests, evaluation_of
from backpropd.calls.train_step import HandTypedSamples, StepResult, step_result_of, train_step_request
from backpropd.calls.update_session import update_request
from backpropd.replica import Replica
from backpropd.replica.anchor import Anchor, AnchorReader
from backpropd.replica.arrays import Float32
from backpropd.replica.input_rows import input_rows
from backpropd.samples import rows_per_message, samples_of
from backpropd.sync.call import Call
from backpropd.sync.caller import Caller
from backpropd.sync.channel import answer_to_stream
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

_Self = TypeVar("_Self", bound="SessionCalls")


class SessionCalls:
    """A session without its streams, which are Session's and use this."""

    def __init__(self, client: Caller, info: rpc.Session) -> None:
        self.client = client
        self._info = info

    @property
    def info(self) -> rpc.Session:
        """The session as it was when the server last described it: see refresh()."""
        return self._info

    @property
    def session_id(self) -> str:
        """Given by the server; opaque."""
        return self._info.session_id

    @property
    def spec(self) -> pb.SessionSpec:
        """The effective spec: all defaults filled in."""
        return self._info.spec

    @property
    def layout(self) -> pb.Layout:
        """Where each weight and each part of a delta row lies."""
        return self._info.layout

    @property
    def batch_size(self) -> int:
        """Samples a step."""
        return self._info.spec.batch_size or 1

    @property
    def step(self) -> int:
        """Number of steps done when the server last described the session."""
        return self._info.step

    @property
    def epoch(self) -> int:
        """Which of its lives in the server's memory it was in when the server last described it."""
        return self._info.epoch

    @property
    def durable_step(self) -> int:
        """The step up to which it would have survived a crash then; 0 for sessions in memory only."""
        return self._info.durable_step

    @property
    def durable_offset(self) -> int:
        """Offset of the first sample that was not durable then."""
        return self._info.durable_offset

    def refresh(self: _Self) -> _Self:
        """Asks the server how the session is now."""
        request = rpc.GetSessionRequest(session_id=self.session_id)
        self._info = (self.client.call(self.client.stub.GetSession, request)).session
        return self

    def update(self, *, request_id: str | None = None, **changes: Any) -> int:  # noqa: ANN401  each has its type
        """Changes hyperparameters, all or nothing: learning_rate=0.01, momentum=0.5 and so on.

        See calls.update_session for the names. Made once, however often it is
        asked for because the server could not be reached: a schedule's age
        does not begin anew.

        Args:
            request_id: makes calls of several processes one; None: a new UUID.
            changes: name to new value.

        Returns:
            The first step that the new values hold for.

        """
        request = update_request(self._info, changes, request_id)
        answer = self.client.call(self.client.stub.UpdateSession, request)
        self._info = answer.session
        return answer.first_step

    def train_step(self, x: npt.ArrayLike, y: npt.ArrayLike, *, request_id: str | None = None) -> StepResult:
        """One step, typed by hand: x (batch_size, input_size) as the network sees it, scale not applied.

        Made once, however often it is asked for because the server could not be
        reached. Where it was made by a call whose answer is lost, only its number
        is told: StepResult.already_applied.

        Args:
            x: (batch_size, input_size).
            y: classes (batch_size,) or targets (batch_size, outputs).
            request_id: makes calls of several processes one; None: a new UUID.

        """
        request = train_step_request(self._info, HandTypedSamples.of(x, y, self.spec), request_id)
        answer = self.client.call(self.client.stub.TrainStep, request, trains=self.session_id)
        return step_result_of(answer, self.spec, self.layout)

    def predict(self, x: npt.ArrayLike) -> Float32:
        """The server's outputs for rows x, (n, input_size): (n, outputs)."""
        request = rpc.PredictRequest(session_id=self.session_id, inputs=input_rows(x, self.spec).tobytes())
        answer = self.client.call(self.client.stub.Predict, request)
        return np.array(answer.outputs, dtype=np.float32).reshape(-1, self.spec.layers[-1].size)

    def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Evaluation:
        """Error and accuracy over samples; x and y as in train()."""
        samples = samples_of(x, y, self.spec)
        rows = rows_per_message(self.spec, self.layout)

        def attempt() -> Evaluation:
            requests = evaluate_requests(self.session_id, samples, rows)
            return evaluation_of(answer_to_stream(self.client.stub.Evaluate, requests, self.client.metadata))

        return self.client.repeat(attempt)

    def weights(self, *, with_state: bool = False) -> Anchor:
        """All weights as they are at one step; with the optimiser's state for a replica."""
        request = rpc.GetWeightsRequest(session_id=self.session_id, with_state=with_state)

        def attempt() -> Anchor:
            reader = AnchorReader(with_state=with_state, state_count=self.layout.state_count)
            client = self.client
            chunks: Call[None, rpc.GetWeightsResponse]
            chunks = Call(lambda _: client.stub.GetWeights(request, metadata=client.metadata))
            with chunks:
                chunks.begin()
                while (chunk := chunks.receive()) is not None:
                    reader.add(chunk)
            return reader.finish()

        return self.client.repeat(attempt)

    def replica(self, *, check_digests: bool = True) -> Replica:
        """A replica at the session's present step."""
        return Replica(self.spec, self.layout, self.weights(with_state=True), check_digests=check_digests)
