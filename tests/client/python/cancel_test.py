# SPDX-License-Identifier: Apache-2.0
"""A client is never refused by a stream that it has left itself: 100 times, at random moments, on the real server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from backpropd import SessionHasWriterError, TrainingClient, network, sgd
from backpropd.aio import AsyncTrainingClient

TIMES = 100
X = np.random.default_rng(1).standard_normal((4000, 30)).astype("f4")
Y = np.argmax(X[:, :5], axis=1)
SPEC = network(30, [(24, "tanh"), (5, "softmax")], sgd(0.05), loss="cross_entropy", further={"digest_every": 16})


class Broken(Exception):  # noqa: N818  what a user's own code raises
    """Something of the user's."""


def chunks(moments: random.Random) -> Iterator[Any]:
    """Chunks that end with an exception."""
    for _ in range(moments.randrange(40)):
        yield X[:100], Y[:100]
    raise Broken


@pytest.fixture
def moments() -> random.Random:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def test_after_an_exception_the_next_train_begins(target: str, moments: random.Random) -> None:
    with TrainingClient(target) as client:
        session = client.create(SPEC)
        replica = session.replica()
        for _ in range(TIMES):
            with pytest.raises(Broken):
                session.train(chunks(moments), replicas=[replica])
            # What passes belongs to the client: it may get() the session again.
            client.get(session.session_id).train(X[:50], Y[:50], replicas=[replica])
            assert replica.verify(session.weights(with_state=True)) is None
        session.delete()


def test_after_a_cancelled_task_the_next_train_begins(target: str, moments: random.Random) -> None:
    async def body() -> None:
        async with AsyncTrainingClient(target) as client:
            session = await client.create(SPEC)
            replica = await session.replica()
            for _ in range(TIMES):
                task = asyncio.create_task(session.train(X, Y, epochs=1000, replicas=[replica]))
                await asyncio.sleep(moments.uniform(0, 0.03))
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                again = await client.get(session.session_id)
                await again.train(X[:50], Y[:50], replicas=[replica])
                assert replica.verify(await session.weights(with_state=True)) is None
            await session.delete()

    asyncio.run(asyncio.wait_for(body(), 120))


def test_other_calls_are_not_refused_for_a_stream_that_was_just_left(target: str) -> None:
    with TrainingClient(target) as client:
        for _ in range(20):
            session = client.create(SPEC)
            calls: list[Callable[[], Any]] = [partial(session.train_step, X[0], int(Y[0])), session.delete]
            for call in calls:
                stream = session.stream().open()
                stream.send(X[:100], Y[:100])
                stream.cancel()
                call()


def test_somebody_elses_stream_is_no_reason_to_wait(target: str) -> None:
    with TrainingClient(target) as client, TrainingClient(target) as other:
        session = client.create(SPEC)
        with other.get(session.session_id).stream(), pytest.raises(SessionHasWriterError):
            session.stream().open()
        session.delete()
