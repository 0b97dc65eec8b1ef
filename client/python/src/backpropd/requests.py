# SPDX-License-Identifier: Apache-2.0
"""Requests and answers that the plain and the asyncio clients share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import FieldDescriptor

from backpropd.errors import BackpropdError
from backpropd.replica import Anchor
from backpropd.replica.arrays import Float32, floats_to
from backpropd.replica.input_rows import input_rows
from backpropd.samples import Samples
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import options_pb2 as options
from backpropd.v1 import training_service_pb2 as rpc

Way: TypeAlias = "tuple[FieldDescriptor, ...]"
"""From a message field by field to one within it."""

_LIVE: Any = options.live

MESSAGE_BYTES = 256 * 1024
"""Samples travel in messages of about this size: large enough for matrix speed, small
enough that answers come soon, and far below gRPC's limit of 4 MiB."""


@dataclass(frozen=True)
class Evaluation:
    """Error and accuracy over some samples."""

    samples: int
    """How many."""
    error: float
    """The session's loss, label smoothing and class weights included; mean over them."""
    plain_error: float
    """The same without label smoothing and class weights: comparable between sessions that differ in these."""
    accuracy: float
    """Share answered rightly, 0 to 1."""
    first_step: int
    """The session's step at the first message ..."""
    last_step: int
    """... and at the last: equal when nobody trained meanwhile."""


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


@dataclass(frozen=True)
class TrainResult:
    """What train() did."""

    step: int
    """The last step's number."""
    errors: Float32
    """The error of each step answered, in order: (steps,)."""
    samples: int
    """So many samples were trained on."""
    skipped_samples: int = 0
    """Of those, applied although their answers were lost with a broken stream."""
    left_over: int = 0
    """So many samples at the end did not fill a step and were not sent."""
    digests: dict[int, int] = field(default_factory=dict)
    """Digests of the weights after some steps."""


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


def create_request(
    spec: pb.SessionSpec | None,
    initial: Anchor | npt.ArrayLike | None,
    request_id: str | None,
    fork: rpc.Fork | None = None,
) -> rpc.CreateSessionRequest:
    """A CreateSession that is safe to repeat."""
    request = rpc.CreateSessionRequest(request_id=request_id or str(uuid.uuid4()))
    if spec is not None:
        request.spec.CopyFrom(spec)
    if isinstance(initial, Anchor):
        request.initial.CopyFrom(initial.message())
    elif initial is not None:
        request.initial.weights = floats_to(np.asarray(initial))
    if fork is not None:
        request.fork.CopyFrom(fork)
    return request


def creation_error(error: BackpropdError, request: rpc.CreateSessionRequest) -> BackpropdError:
    """What a CreateSession ended with; for a request that is too long for the server, with what to do."""
    if error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED or error.reason:
        return error  # the server's own refusals have a reason, gRPC's has none
    size = request.ByteSize()
    why = f"the request has {size} bytes, and the server takes messages up to its --max-message-bytes"
    return BackpropdError(f"{error.message}: {why}", code=error.code)


def predict_request(session_id: str, x: npt.ArrayLike, spec: pb.SessionSpec) -> rpc.PredictRequest:
    """A Predict for rows x, (n, input_size)."""
    return rpc.PredictRequest(session_id=session_id, inputs=input_rows(x, spec).tobytes())


def rows_per_message(spec: pb.SessionSpec, layout: pb.Layout) -> int:
    """So many samples make a message: a multiple of batch_size, at least that."""
    batch = spec.batch_size or 1
    element = 1 if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else 4
    up = spec.input_size * element + 4 * spec.layers[-1].size
    down = 4 * layout.delta_row_length // batch
    return max(1, MESSAGE_BYTES // max(up, down, 1) // batch) * batch


def evaluate_requests(session_id: str, samples: Samples, rows: int) -> Iterator[rpc.EvaluateRequest]:
    """The messages of an Evaluate, `rows` samples each."""
    for begin in range(0, max(len(samples), 1), rows):
        part = samples.part(begin, begin + rows)
        yield rpc.EvaluateRequest(
            session_id=session_id if begin == 0 else "",
            inputs=part.inputs.tobytes(),
            targets=b"" if part.targets is None else part.targets.tobytes(),
            classes=() if part.classes is None else part.classes.tolist(),
        )


def evaluation_of(answer: rpc.EvaluateResponse) -> Evaluation:
    """The answer of an Evaluate."""
    return Evaluation(
        samples=answer.samples,
        error=answer.error,
        plain_error=answer.plain_error,
        accuracy=answer.accuracy,
        first_step=answer.first_step,
        last_step=answer.last_step,
    )


def step_result_of(answer: rpc.TrainStepResponse, spec: pb.SessionSpec, layout: pb.Layout) -> StepResult:
    """The answer of a TrainStep."""
    deltas: list[tuple[Float32, Float32]] = [
        (
            np.array(delta.weights, dtype=np.float32).reshape(place.outputs, place.inputs),
            np.array(delta.bias, dtype=np.float32),
        )
        for delta, place in zip(answer.deltas, layout.layers, strict=True)
    ]
    outputs = np.array(answer.outputs, dtype=np.float32).reshape(-1, spec.layers[-1].size)
    return StepResult(answer.step, answer.error, outputs, deltas, answer.digest)


def update_request(session: rpc.Session, changes: dict[str, Any]) -> rpc.UpdateSessionRequest:
    """An UpdateSession.

    Args:
        session: as it was last seen; its optimiser's kind says which fields it has.
        changes: name to new value of fields that network.proto marks as
            (live), such as learning_rate, schedule, digest_every, or momentum
            where the optimiser's kind has it; dropout, one number for each
            layer. None clears a field or brings its default back:
            schedule=None is a constant rate, clipping=None no clipping.

    Raises:
        ValueError: nothing is to be changed, or a name is unknown.

    """
    if not changes:
        raise ValueError("Nothing to update.")
    request = rpc.UpdateSessionRequest(session_id=session.session_id)
    for name, value in changes.items():
        way = _way_to(name, session.spec)
        _set_field(request.spec, way, value, session.spec)
        request.update_mask.paths.append(".".join(step.name for step in way))
    return request


def _live_ways(message: Any, way: Way = ()) -> Iterator[Way]:  # noqa: ANN401  protobuf has two types of descriptor
    """The ways from the message to the fields that the protocol marks as (live)."""
    for step in message.fields:
        if step.GetOptions().Extensions[_LIVE]:
            yield (*way, step)
        elif step.message_type is not None:
            yield from _live_ways(step.message_type, (*way, step))


def _way_to(name: str, spec: pb.SessionSpec) -> Way:
    """The way to the live field of that name that a session of this spec has."""
    ways = [way for way in _live_ways(pb.SessionSpec.DESCRIPTOR) if way[-1].name == name]
    if not ways:
        raise ValueError(f"A session has no {name!r} that could be updated.")
    kind = spec.optimiser.WhichOneof("kind")
    for way in ways:
        # Of the optimisers' own fields only its kind's.
        if all(step.containing_oneof is None or step.name == kind for step in way[:-1]):
            return way
    raise ValueError(f"{kind} has no {name}.")


def _set_field(message: Any, way: Way, value: Any, spec: Any) -> None:  # noqa: ANN401  each field has its type
    """Sets what the way leads to; within a repeated message one value for each that the session's has."""
    first = way[0]
    present = getattr(message, first.name)
    if len(way) == 1:
        if value is None:
            return
        if hasattr(present, "extend"):
            present.extend(value)
        elif first.message_type is not None:
            present.CopyFrom(value)
        else:
            setattr(message, first.name, value)
        return
    within = getattr(spec, first.name)
    if not hasattr(present, "extend"):
        _set_field(present, way[1:], value, within)
        return
    if len(value) != len(within):
        raise ValueError(f"{len(value)} values of {way[-1].name} for {len(within)} {first.name}.")
    for one, of in zip(value, within, strict=True):
        _set_field(present.add(), way[1:], one, of)
