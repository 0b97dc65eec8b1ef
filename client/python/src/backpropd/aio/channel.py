# SPDX-License-Identifier: Apache-2.0
"""Channels and calls with one answer, as asyncio has them; the counterpart of backpropd.sync.channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import grpc
import grpc.aio

from backpropd.call_errors import error_from_call
from backpropd.connection import Metadata
from backpropd.v1 import training_service_pb2_grpc as stubs

_T = TypeVar("_T")


def stub_of(channel: grpc.aio.Channel) -> stubs.TrainingServiceAsyncStub:
    """The service's methods. One generated class serves both kinds of channel; only its types differ."""
    return cast("stubs.TrainingServiceAsyncStub", stubs.TrainingServiceStub(cast("grpc.Channel", channel)))


async def close_channel(channel: grpc.aio.Channel) -> None:
    """Closes it; its calls end."""
    await channel.close(None)


async def answer_of(
    method: Callable[..., Awaitable[_T]], request: object, metadata: Metadata, timeout: float | None = None
) -> _T:
    """The answer to one request.

    Raises:
        BackpropdError: as the server says.

    """
    try:
        return await method(request, metadata=metadata, timeout=timeout)
    except grpc.RpcError as error:
        raise error_from_call(error) from None


answer_to_stream = answer_of
"""The answer to a stream of requests: an iterable of them, where answer_of has one."""
