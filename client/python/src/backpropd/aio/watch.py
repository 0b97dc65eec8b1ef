# SPDX-License-Identifier: Apache-2.0
"""Following a session live, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from backpropd.backoff import is_passing
from backpropd.deltas import DeltaBatch
from backpropd.errors import (
    BackpropdError,
    ServerUnavailableError,
    ShuttingDownError,
    error_from_call,
)
from backpropd.replica import Replica
from backpropd.watch_state import STEPS_MISSED, Event, WatchState

if TYPE_CHECKING:
    from backpropd.aio.session import AsyncSession


async def follow(session: AsyncSession, *replicas: Replica, after_step: int | None) -> AsyncGenerator[DeltaBatch, None]:
    """The steps of a session; see backpropd.Watch. It is ended by aclose() or by cancelling its task."""
    state = WatchState(session.spec, session.layout, replicas, after_step)
    backoff = session.client.new_backoff()
    while True:
        if state.needs_anchor:
            state.anchored(await session.weights(with_state=True))
        call = session.client.stub.WatchDeltas(state.request(session.session_id), metadata=session.client.metadata)
        event = Event.STEPS
        try:
            async for response in call:
                event = state.classify(response)
                batch = state.take(response)
                if batch is not None:
                    backoff.succeeded()
                    yield batch
                if event is not Event.STEPS:
                    break
            failure: BackpropdError | None = _end_of(event)
        except grpc.RpcError as error:
            failure = error_from_call(error)
        finally:
            call.cancel()
        if event is Event.DELETED:
            return
        if failure is None:
            continue
        if isinstance(failure, STEPS_MISSED):
            state.missed()
        elif not is_passing(failure):
            raise failure
        await session.client.wait(backoff, failure)


def _end_of(event: Event) -> BackpropdError | None:
    """What the call's end means after its last response; None: go on at once."""
    if event is Event.GOODBYE:
        return ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE)
    if event is Event.STEPS:
        return ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE)
    return None
