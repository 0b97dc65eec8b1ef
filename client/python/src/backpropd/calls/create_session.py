# SPDX-License-Identifier: Apache-2.0
"""CreateSession: the request, safe to repeat, and what it may end with."""

from __future__ import annotations

import uuid

import grpc
import numpy as np
import numpy.typing as npt

from backpropd.errors import BackpropdError
from backpropd.replica import Anchor
from backpropd.replica.arrays import floats_to
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


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
