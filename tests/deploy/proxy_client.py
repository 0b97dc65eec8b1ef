# SPDX-License-Identifier: Apache-2.0
"""The Python client, plain and asyncio, through a proxy; run by proxy_test.py where the package is installed.

usage: proxy_client.py work|quiet TARGET CA TOKEN SECONDS

work: everything that travels differently is done once. quiet: a stream that
says nothing for SECONDS goes on after that. What is unexpected is an exception.
"""

import asyncio
import sys
import threading
import time

import numpy as np
from backpropd import NO_RETRY, AccessDeniedError, Tls, TrainingClient, UnreachableError, adam, network
from backpropd.aio import AsyncTrainingClient

RANDOM = np.random.default_rng(1)
X = RANDOM.standard_normal((400, 8)).astype("f4")
Y = (X[:, 0] > 0).astype(int)
# Above 1 MB, and above gRPC's own limit of 4 MiB a message for the weights' state.
LARGE = RANDOM.standard_normal((60_000, 8)).astype("f4")
SPEC = network(8, [(2000, "relu"), (2, "softmax")], adam(0.003), loss="cross_entropy")


def work(arguments: dict) -> None:
    with TrainingClient(**arguments) as client:
        session = client.create(SPEC)
        replica, follower = session.replica(), session.replica()
        with session.watch(follower) as watch:
            training = threading.Timer(0.2, session.train, (X, Y), {"replicas": [replica]})
            training.start()
            for _ in watch:
                if follower.step == len(X):
                    break
            training.join()
        anchor = session.weights(with_state=True)
        assert replica.verify(anchor) is None
        assert follower.verify(anchor) is None
        assert session.evaluate(LARGE, np.zeros(len(LARGE), dtype=int)).samples == len(LARGE)
        session.delete()


async def work_async(arguments: dict) -> None:
    async with AsyncTrainingClient(**arguments) as client:
        session = await client.create(SPEC)
        replica = await session.replica()
        await session.train(X, Y, replicas=[replica])
        assert replica.verify(await session.weights(with_state=True)) is None
        await session.delete()


def refusals(arguments: dict) -> None:
    """Each is raised at once: none is worth another attempt."""
    began = time.monotonic()
    for change, error in (
        ({"metadata": []}, AccessDeniedError),
        ({"tls": True}, UnreachableError),
        ({"authority": "elsewhere.example"}, UnreachableError),
    ):
        try:
            with TrainingClient(**{**arguments, **change}) as client:
                client.get("s")
        except error as raised:
            print(f"{change}: {raised}")
        else:
            raise AssertionError(change)
    assert time.monotonic() - began < 30


def quiet(arguments: dict, seconds: float) -> None:
    with TrainingClient(**arguments, retry=NO_RETRY) as client:
        session = client.create(SPEC)
        follower = session.replica()
        with session.watch(follower) as watch, session.stream() as stream:
            for begin in (0, 4):
                stream.send(X[begin : begin + 4], Y[begin : begin + 4])
                answered = stream.receive().step
                while follower.step < answered:
                    next(watch)
                time.sleep(seconds if begin == 0 else 0)
        assert follower.step == 8
        session.delete()


def main() -> None:
    what, target, ca, token, seconds = sys.argv[1:]
    arguments = {"target": target, "tls": Tls(ca=ca), "metadata": [("authorization", f"Bearer {token}")]}
    if what == "quiet":
        quiet(arguments, float(seconds))
        return
    work(arguments)
    asyncio.run(work_async(arguments))
    refusals(arguments)


if __name__ == "__main__":
    main()
