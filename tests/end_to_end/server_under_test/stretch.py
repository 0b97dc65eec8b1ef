# SPDX-License-Identifier: Apache-2.0
"""A stretch of a session's samples on one stream whose server and network do not fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backpropd.replica.arrays import AnyArray, Float32
from backpropd.v1 import training_service_pb2 as rpc

from server_under_test.demand import demand
from server_under_test.server import Server

_STEPS = 64  # of a message


def train_stretch(
    server: Server,
    session: rpc.Session,
    begin: int,
    end: int,
    rows: Callable[[int, int], tuple[AnyArray, Float32]],
) -> None:
    """Trains on the samples from offset begin to end; rows: those from an offset on, so many."""
    if begin >= end:
        return

    def requests() -> Iterator[rpc.TrainRequest]:
        options = rpc.TrainOptions(deltas=rpc.DELTA_DETAIL_NONE)
        yield rpc.TrainRequest(session_id=session.session_id, options=options)
        stride = _STEPS * session.spec.batch_size
        for offset in range(begin, end, stride):
            x, y = rows(offset, min(stride, end - offset))
            yield rpc.TrainRequest(offset=offset, inputs=x.tobytes(), targets=y.tobytes())

    for response in server.stub.Train(requests()):
        demand(not response.HasField("rejection"), f"session {session.session_id}: {response.rejection}")
