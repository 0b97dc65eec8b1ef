# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: how long they are kept, from Python's words to the protocol's."""

from __future__ import annotations

from typing import Literal, TypeAlias

from backpropd.spans import Span, duration_of
from backpropd.v1 import training_service_pb2 as rpc

Unchanged: TypeAlias = Literal["unchanged"]
"""What an update leaves as it is."""


def create_request(
    session_id: str, name: str, expire_after: Span | None, *, pinned: bool
) -> rpc.CreateCheckpointRequest:
    """A CreateCheckpoint, which is safe to repeat as long as nobody trains the session; else see made_since()."""
    request = rpc.CreateCheckpointRequest(session_id=session_id, name=name, pinned=pinned)
    if expire_after is not None:
        request.expire_after.CopyFrom(duration_of(expire_after))
    return request


def made_since(before: rpc.Session, checkpoint: rpc.Checkpoint) -> bool:
    """Whether a checkpoint may have been made after the session was as it was `before`: no older one of its name is."""
    return checkpoint.epoch >= before.epoch and checkpoint.step >= before.step


def update_request(
    session_id: str, name: str, expire_after: Span | Unchanged | None, pinned: bool | None
) -> rpc.UpdateCheckpointRequest:
    """An UpdateCheckpoint.

    Raises:
        ValueError: nothing is to be changed.

    """
    request = rpc.UpdateCheckpointRequest(session_id=session_id, name=name)
    if expire_after != "unchanged":
        request.update_mask.paths.append("expire_after")
        if expire_after is not None:
            request.expire_after.CopyFrom(duration_of(expire_after))
    if pinned is not None:
        request.update_mask.paths.append("pinned")
        request.pinned = pinned
    if not request.update_mask.paths:
        raise ValueError("Nothing to update: give expire_after or pinned.")
    return request
