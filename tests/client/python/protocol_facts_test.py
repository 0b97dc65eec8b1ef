# SPDX-License-Identifier: Apache-2.0
"""What the client takes from the protocol's descriptors, against the descriptors."""

from collections.abc import Iterator
from typing import Any

from backpropd.calls.update_session import update_request
from backpropd.errors import BY_REASON
from backpropd.specs import adagrad, adam, lion, network, rms_prop, sgd
from backpropd.v1 import options_pb2 as options
from backpropd.v1 import training_service_pb2 as rpc

LIVE: Any = options.live
OPTIMISERS = {
    "sgd": sgd(0.1),
    "adagrad": adagrad(0.1),
    "rms_prop": rms_prop(0.1),
    "adam": adam(0.1),
    "lion": lion(0.1),
}


def live_paths(message: Any, to: str = "") -> Iterator[str]:
    """Of the fields that are marked (live)."""
    for field in message.fields:
        if field.GetOptions().Extensions[LIVE]:
            yield to + field.name
        elif field.message_type is not None:
            yield from live_paths(field.message_type, f"{to}{field.name}.")


def test_every_reason_has_an_error() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in rpc.ErrorReason.keys()}  # noqa: SIM118  no mapping
    assert set(BY_REASON) == names - {"UNSPECIFIED"}
    assert {kind.REASON for kind in BY_REASON.values()} == set(BY_REASON)
    assert BY_REASON["OFFSET_GAP"].__name__ == "OffsetGapError"


def test_every_live_field_has_a_name_in_updates() -> None:
    session = rpc.Session(session_id="s", spec=network(3, [4, 2], sgd(0.1)))
    reached: set[str] = set()
    for path in live_paths(session.spec.DESCRIPTOR):
        kind = path.split(".")[1] if path.count(".") == 2 else "sgd"
        session.spec.optimiser.CopyFrom(OPTIMISERS[kind])
        name = path.split(".")[-1]
        value = [0.0, 0.0] if name == "dropout" else None
        reached.update(update_request(session, {name: value}).update_mask.paths)
    assert reached == set(live_paths(session.spec.DESCRIPTOR))
    assert len(reached) >= 18
