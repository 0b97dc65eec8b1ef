# SPDX-License-Identifier: Apache-2.0
"""What only the asyncio client has: cancelled tasks, async iterables. All else is tested for both kinds at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from backpropd.aio import AsyncSession, AsyncTrainingClient, AsyncWatch
from backpropd.replica import DeltaBatch
from backpropd.v1 import network_pb2 as pb
from fake_clock import FakeAsyncClock, FullJitter
from fake_server import FakeServer, FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 3)).astype("f4")
Y = RNG.integers(0, 2, 24)


def run(server: FakeServer, body: Callable[[AsyncTrainingClient], Awaitable[None]]) -> None:
    """Runs `body` with a client."""

    async def main() -> None:
        async with AsyncTrainingClient(server.target, clock=FakeAsyncClock(), jitter=FullJitter()) as client:
            await asyncio.wait_for(body(client), 60)

    asyncio.run(main())


def test_a_stream_goes_on_whenever_a_task_was_cancelled(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        for turns in range(40):
            session = await client.create(spec)
            replica = await session.replica()
            stream = session.stream(replica, window=2)
            answers = []
            for begin in range(0, 24, 4):
                await stream.send(X[begin : begin + 4], Y[begin : begin + 4])
                task = asyncio.create_task(stream.receive())
                for _ in range(turns if begin in {4, 12} else 0):
                    await asyncio.sleep(0)
                if begin in {4, 12}:
                    task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    answers.append(await task)
            answers += [answer async for answer in stream.flush()]
            await stream.close()
            journal = servicer.sessions[session.session_id].journal
            assert b"".join(step.inputs for step in journal) == X.tobytes()
            assert sum(len(answer.errors) + answer.skipped_samples for answer in answers) == 24
            assert replica.verify(await session.weights()) is None

    run(server, body)


def test_training_on_arrays_and_async_chunks(server: FakeServer, spec: pb.SessionSpec) -> None:
    async def chunks() -> AsyncIterator[Any]:
        for begin in range(0, 24, 7):
            yield X[begin : begin + 7], Y[begin : begin + 7]

    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        replica = await session.replica()
        assert (await session.train(X, Y, epochs=2, replicas=[replica])).step == 48
        assert (await session.train(chunks(), replicas=[replica])).step == 72
        assert (await session.train([(X, Y)], replicas=[replica])).samples == 24
        assert replica.verify(await session.weights()) is None

    run(server, body)


async def next_or_none(watch: AsyncWatch) -> DeltaBatch | None:
    """The next batch; None at the end."""
    async for batch in watch:
        return batch
    return None


async def waiting(session: AsyncSession, servicer: FakeServicer) -> tuple[AsyncWatch, asyncio.Task[DeltaBatch | None]]:
    """A watch that a task waits for in vain."""
    calls = len(servicer.watch_requests)
    watch = session.watch()
    task = asyncio.create_task(next_or_none(watch))
    while len(servicer.watch_requests) == calls:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)  # the response that only says where the watch begins
    return watch, task


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a task does not tell that it was cancelled")
@pytest.mark.parametrize("first", ["close", "cancel"])
def test_a_task_that_is_cancelled_as_its_watch_is_closed_is_cancelled(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec, first: str
) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        watch, task = await waiting(await client.create(spec), servicer)
        if first == "cancel":
            task.cancel()
        await watch.close()
        if first == "close":
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(server, body)


def test_a_stream_that_nobody_holds_ends(server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        await session.stream().open()
        gc.collect()
        while servicer.sessions[session.session_id].has_writer:
            await asyncio.sleep(0.001)

    run(server, body)
