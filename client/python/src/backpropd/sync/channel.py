# SPDX-License-Identifier: Apache-2.0
"""Channels and calls with one answer that an interrupt can't harm: see threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import grpc

from backpropd.connection import Metadata
from backpropd.sync.call import Call
from backpropd.sync.threads import aside
from backpropd.v1 import training_service_pb2_grpc as stubs

_T = TypeVar("_T")


def stub_of(channel: grpc.Channel) -> stubs.TrainingServiceStub:
    """The service's methods."""
    return stubs.TrainingServiceStub(channel)


def close_channel(channel: grpc.Channel) -> None:
    """Closes it; its calls end."""
    aside(channel.close)


def answer_of(method: Callable[..., _T], request: object, metadata: Metadata, timeout: float | None = None) -> _T:
    """The answer to one request; an interrupt leaves the call to its end.

    Raises:
        BackpropdError: as the server says.

    """
    return aside(lambda: method(request, metadata=metadata, timeout=timeout))


def answer_to_stream(method: Callable[..., _T], requests: Iterable[object], metadata: Metadata) -> _T:
    """The answer to a stream of requests, which may take long: an interrupt cancels the call.

    Raises:
        BackpropdError: as the server says.

    """
    make: Any = method
    call: Call[None, _T] = Call(lambda _: make.future(requests, metadata=metadata), lambda future: (future.result(),))
    with call:
        call.begin()
        answer = call.receive()
    assert answer is not None  # the call ends with an answer or with an error
    return answer
