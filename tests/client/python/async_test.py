# SPDX-License-Identifier: Apache-2.0
"""The asyncio client does as the plain one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from backpropd import InvalidRequestError, NonFiniteStepError, ServerUnavailableError, SessionNotFoundError, sgd
from backpropd.aio import AsyncSession, AsyncTrainingClient, AsyncWatch
from backpropd.replica import DeltaBatch
from backpropd.v1 import network_pb2 as pb
from fake_clock import FakeAsyncClock, FullJitter
from fake_server import FakeServer, FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 3)).astype("f4")
Y = RNG.integers(0, 2, 24)


def run(server: FakeServer, body: Callable[[AsyncTrainingClient], Awaitable[None]]) -> FakeAsyncClock:
    """Runs `body` with a client; the clock that it had."""
    clock = FakeAsyncClock()

    async def main() -> None:
        async with AsyncTrainingClient(server.target, clock=clock, jitter=FullJitter()) as client:
            await asyncio.wait_for(body(client), 60)

    asyncio.run(main())
    return clock


async def send_all(session: AsyncSession, replica: Any, window: int = 2) -> list[Any]:
    """Trains on X in messages of 4; the answers."""
    answers = []
    async with session.stream(replica, window=window) as stream:
        for begin in range(0, 24, 4):
            await stream.send(X[begin : begin + 4], Y[begin : begin + 4], want_digest=True)
            answers += [answer async for answer in stream.ready()]
        answers += [answer async for answer in stream.flush()]
    return answers


@pytest.mark.parametrize("fault", ["break_before", "lose_answer_of", "half_answer_of", "half_apply", "goodbye_after"])
@pytest.mark.parametrize("window", [1, 3])
def test_no_sample_is_lost_or_repeated(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec, fault: str, window: int
) -> None:
    getattr(servicer.faults, fault).update({1, 3})

    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        replica = await session.replica()
        answers = await send_all(session, replica, window)
        assert sum(len(answer.errors) + answer.skipped_samples for answer in answers) == 24
        assert replica.verify(await session.weights()) is None

    clock = run(server, body)
    assert b"".join(step.inputs for step in servicer.sessions["s0"].journal) == X.tobytes()
    assert clock.waits == pytest.approx([0.1, 0.1])


def test_a_replica_is_current_though_the_last_answer_was_lost(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    servicer.faults.lose_answer_of.add(5)

    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        replica = await session.replica()
        await send_all(session, replica, 1)
        assert replica.verify(await session.weights()) is None

    run(server, body)


def test_refusals_are_raised_and_the_stream_goes_on(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    servicer.faults.non_finite_at.add(0)

    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        async with session.stream() as stream:
            await stream.send(X[:4], Y[:4])
            assert (await stream.receive()).step == 1
            with pytest.raises(NonFiniteStepError):
                await stream.receive()
            await stream.send(X[1:4], Y[1:4])
            assert (await stream.receive()).step == 4

    run(server, body)


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


def test_a_watch_feeds_a_replica_through_breaks_and_gaps(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        replica = await session.replica()
        watch = session.watch(replica)

        async def train_soon() -> None:
            await asyncio.sleep(0.1)
            await session.train(X, Y)

        resynced = []
        for end in ("break", "goodbye", "resync", None):
            training = asyncio.create_task(train_soon())
            missed = (await anext(watch)).resynced
            await training
            while replica.step < (await session.refresh()).step:
                missed = (await anext(watch)).resynced or missed
            resynced.append(missed)
            assert replica.verify(await session.weights()) is None
            if end:
                servicer.watch_end.append(end)
        assert resynced == [False, False, False, True]
        await session.delete()
        assert [batch async for batch in watch] == []

    run(server, body)
    assert len(servicer.watch_requests) == 4


def test_an_anchor_is_given_out_though_no_step_follows_it(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        session = await client.create(spec)
        replica = await session.replica()
        await session.train(X, Y)
        servicer.sessions[session.session_id].forgotten = 4
        async with session.watch(replica) as watch:
            async for batch in watch:
                if batch.step >= 24:
                    break
        assert (batch.step, batch.anchored, batch.resynced) == (24, True, True)
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


def test_a_watch_that_is_closed_meanwhile_ends(
    server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        watch, task = await waiting(await client.create(spec), servicer)
        await watch.close()
        assert await task is None

    run(server, body)


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


def test_calls_and_errors(server: FakeServer, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    async def body(client: AsyncTrainingClient) -> None:
        servicer.faults.fail_unary = 2
        session = await client.create(spec)
        fork = await client.fork(session.session_id)
        assert fork.info.forked_from == session.session_id
        assert [found.session_id async for found in client.list(page_size=1)] == ["s0", "s1"]
        assert (await client.get("s0")).session_id == "s0"
        assert await session.update(learning_rate=0.25) == 1
        assert session.spec.optimiser.learning_rate == 0.25
        assert (await session.train_step(X[0], [0.0, 1.0])).step == 1
        assert (await session.predict(X)).shape == (24, 2)
        assert (await session.evaluate(X, Y)).samples == 24
        await fork.delete()
        with pytest.raises(SessionNotFoundError):
            await client.get("s1")
        with pytest.raises(InvalidRequestError):
            await client.create(pb.SessionSpec(layers=[pb.Layer(size=1)], optimiser=sgd(1)))
        servicer.faults.fail_unary = 1
        with pytest.raises(ServerUnavailableError):
            await session.train_step(X[0], [0.0, 1.0])

    clock = run(server, body)
    assert clock.waits == pytest.approx([0.1, 0.2])
