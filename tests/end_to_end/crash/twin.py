# SPDX-License-Identifier: Apache-2.0
"""A session in memory only that gets what another one got, in one go and with no crash."""

from __future__ import annotations

from backpropd.replica import Anchor
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from google.protobuf import field_mask_pb2
from server_under_test.server import Server
from server_under_test.stretch import train_stretch

from crash.oracle import Oracle


def anchor_of_twin(server: Server, oracle: Oracle) -> Anchor:
    """What the session must be at its offset."""
    spec = pb.SessionSpec()
    spec.CopyFrom(oracle.asked)
    spec.durability.mode = pb.DURABILITY_MODE_MEMORY
    spec.ClearField("history")
    session = server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
    offset = 0
    for stop in sorted({oracle.offset, *oracle.hand_steps, *(each.offset for each in oracle.updates)}):
        train_stretch(server, session, offset, stop, oracle.samples.rows)
        offset = stop
        for update in oracle.updates:
            if update.offset == stop:
                _update(server, session.session_id, update.rate)
        if stop in oracle.hand_steps:
            server.stub.TrainStep(oracle.hand_step_at(stop, session.session_id))
            offset += oracle.batch
    anchor = server.anchor(session)
    server.stub.DeleteSession(rpc.DeleteSessionRequest(session_id=session.session_id))
    return anchor


def _update(server: Server, session_id: str, rate: float) -> None:
    spec = pb.SessionSpec(optimiser=pb.Optimiser(learning_rate=rate))
    mask = field_mask_pb2.FieldMask(paths=["optimiser.learning_rate"])
    server.stub.UpdateSession(rpc.UpdateSessionRequest(session_id=session_id, spec=spec, update_mask=mask))
