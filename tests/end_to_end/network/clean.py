# SPDX-License-Identifier: Apache-2.0
"""The run whose network does not fail."""

from __future__ import annotations

from collections.abc import Callable

from backpropd.replica import Anchor
from backpropd.replica.arrays import Float32
from backpropd.v1 import training_service_pb2 as rpc
from server_under_test.server import Server
from server_under_test.stretch import train_stretch


def trained_in_one_go(
    server: Server, session: rpc.Session, count: int, samples: Callable[[int, int], tuple[Float32, Float32]]
) -> Anchor:
    """What a session is that is given the first samples on one stream; samples: those from an offset on, so many."""
    train_stretch(server, session, 0, count, samples)
    return server.anchor(session)
