# SPDX-License-Identifier: Apache-2.0
"""TrainStep: one step typed by hand, and what it did."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backpropd.replica.arrays import Float32
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


@dataclass(frozen=True)
class HandTypedSamples:
    """For train_step: x as the network sees it, (batch_size, input_size), with targets or classes."""

    samples: list[rpc.Sample]

    @classmethod
    def of(cls, x: npt.ArrayLike, y: npt.ArrayLike, spec: pb.SessionSpec) -> HandTypedSamples:
        """From arrays: y is classes (n,) if of integers and the network has several outputs, else targets."""
        rows = np.atleast_2d(np.asarray(x, dtype=np.float32))
        given = np.asarray(y)
        outputs = spec.layers[-1].size
        if given.dtype.kind in "iu" and given.size == len(rows) and outputs > 1:
            numbers = given.reshape(-1).tolist()
            return cls([rpc.Sample(inputs=row, class_number=c) for row, c in zip(rows.tolist(), numbers, strict=True)])
        targets = np.asarray(given, dtype=np.float32).reshape(len(rows), outputs).tolist()
        return cls([rpc.Sample(inputs=row, targets=d) for row, d in zip(rows.tolist(), targets, strict=True)])


def train_step_request(session: rpc.Session, given: HandTypedSamples, request_id: str | None) -> rpc.TrainStepRequest:
    """A TrainStep that is safe to repeat."""
    identity = request_id or str(uuid.uuid4())
    return rpc.TrainStepRequest(session_id=session.session_id, samples=given.samples, request_id=identity)


@dataclass(frozen=True)
class StepResult:
    """One step, typed by hand."""

    step: int
    """Its number."""
    error: float
    """Its error, before its update."""
    outputs: Float32
    """The outputs before the update, (batch_size, outputs)."""
    deltas: list[tuple[Float32, Float32]]
    """ΔW of each layer: (weights (outputs, inputs), bias (outputs,))."""
    digest: int
    """Of the weights after the step."""
    already_applied: bool = False
    """An earlier call with the same request_id made it. Its number is all that is
    known: `error` is NaN, `outputs` and `deltas` are empty, `digest` is 0."""


def step_result_of(answer: rpc.TrainStepResponse, spec: pb.SessionSpec, layout: pb.Layout) -> StepResult:
    """The answer of a TrainStep."""
    outputs = np.array(answer.outputs, dtype=np.float32).reshape(-1, spec.layers[-1].size)
    if answer.already_applied:
        return StepResult(answer.step, float("nan"), outputs, [], 0, already_applied=True)
    deltas: list[tuple[Float32, Float32]] = [
        (
            np.array(delta.weights, dtype=np.float32).reshape(place.outputs, place.inputs),
            np.array(delta.bias, dtype=np.float32),
        )
        for delta, place in zip(answer.deltas, layout.layers, strict=True)
    ]
    return StepResult(answer.step, answer.error, outputs, deltas, answer.digest)
