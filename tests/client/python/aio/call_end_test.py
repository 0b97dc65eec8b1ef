# SPDX-License-Identifier: Apache-2.0
"""How a streaming call of the asyncio client ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest
from backpropd import BackpropdError
from backpropd.aio.call import AsyncCall
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs

MESSAGE = rpc.TrainRequest(inputs=bytes(100_000))
"""A few of them are more than the server takes without reading: the next write waits, and fails when the call ends."""


class Ending(stubs.TrainingServiceServicer):
    """Answers a stream's opening, and ends the call at the next message."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self.code = code

    def Train(
        self, request_iterator: Iterator[rpc.TrainRequest], context: grpc.ServicerContext
    ) -> Iterator[rpc.TrainResponse]:
        """The call."""
        next(request_iterator)
        yield rpc.TrainResponse(message_done=True)
        next(request_iterator)
        if self.code is not grpc.StatusCode.OK:
            context.abort(self.code, "why it ends")


async def end_of_call(target: str) -> tuple[bool, BackpropdError | None]:
    """Whether grpcio had forgotten the status when it was asked for; and what receive() said."""
    async with grpc.aio.insecure_channel(target) as channel:
        untyped: Any = channel  # the stubs know plain ones only
        stub: Any = stubs.TrainingServiceStub(untyped)
        call: AsyncCall[rpc.TrainRequest, rpc.TrainResponse] = AsyncCall(stub.Train)
        call.begin()
        call.send(rpc.TrainRequest())
        assert await call.receive() is not None
        for _ in range(100):
            call.send(MESSAGE)
        await call.over()
        await asyncio.sleep(0.01)  # in which the write fails, mostly
        forgotten = await call._grpc_call.code() is grpc.StatusCode.INTERNAL
        try:
            assert await call.receive() is None
        except BackpropdError as error:
            return forgotten, error
        return forgotten, None


@pytest.mark.parametrize("code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OK])
@pytest.mark.usefixtures("in_time")
def test_a_write_that_fails_does_not_hide_how_the_call_ended(code: grpc.StatusCode) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    stubs.add_TrainingServiceServicer_to_server(Ending(code), server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        ends = [asyncio.run(end_of_call(target)) for _ in range(30)]
    finally:
        server.stop(None)
    assert any(forgotten for forgotten, _ in ends), "grpcio forgot no status: this shows nothing."
    for _, error in ends:
        if code is grpc.StatusCode.OK:
            assert error is None
        else:
            assert error is not None
            assert (error.code, str(error)) == (code, "why it ends")
