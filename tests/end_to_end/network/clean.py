# SPDX-License-Identifier: Apache-2.0
"""The run whose network does not fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backpropd.replica import Anchor
from backpropd.replica.arrays import Float32
from backpropd.v1 import training_service_pb2 as rpc
from crash.oracle import demand
from crash.server import Server

_STEPS = 64  # of a message


def trained_in_one_go(
    server: Server, session: rpc.Session, count: int, samples: Callable[[int, int], tuple[Float32, Float32]]
) -> Anchor:
    """What a session is that is given the first samples on one stream; samples: those from an offset on, so many."""

    def requests() -> Iterator[rpc.TrainRequest]:
        options = rpc.TrainOptions(deltas=rpc.DELTA_DETAIL_NONE)
        yield rpc.TrainRequest(session_id=session.session_id, options=options)
        stride = _STEPS * session.spec.batch_size
        for offset in range(0, count, stride):
            x, y = samples(offset, min(stride, count - offset))
            yield rpc.TrainRequest(offset=offset, inputs=x.tobytes(), targets=y.tobytes())

    for response in server.stub.Train(requests()):
        demand(not response.HasField("rejection"), f"the clean run: {response.rejection}")
    return server.anchor(session)
