# SPDX-License-Identifier: Apache-2.0
"""UpdateSession: from names and values to the fields that the protocol marks as (live)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from backpropd.spans import duration_of
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import options_pb2 as options
from backpropd.v1 import training_service_pb2 as rpc

Way: TypeAlias = "tuple[FieldDescriptor, ...]"
"""From a message field by field to one within it."""

_LIVE: Any = options.live


def update_request(
    session: rpc.Session, changes: dict[str, Any], request_id: str | None = None
) -> rpc.UpdateSessionRequest:
    """An UpdateSession that is safe to repeat.

    Args:
        session: as it was last seen; its optimiser's kind says which fields it has.
        changes: name to new value of fields that network.proto marks as
            (live), such as learning_rate, schedule, digest_every, or momentum
            where the optimiser's kind has it; dropout, one number for each
            layer; expire_after, a timedelta or seconds. None clears a field or
            brings its default back: schedule=None is a constant rate,
            clipping=None no clipping.
        request_id: None: a new UUID.

    Raises:
        ValueError: nothing is to be changed, or a name is unknown.

    """
    if not changes:
        raise ValueError("Nothing to update.")
    request = rpc.UpdateSessionRequest(session_id=session.session_id, request_id=request_id or str(uuid.uuid4()))
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
        elif isinstance(present, Duration):
            present.CopyFrom(value if isinstance(value, Duration) else duration_of(value))
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
