# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a server that misbehaves on demand, clients whose time is made up, and the real server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

import pytest
from as_plain import NewClient, client_of
from backpropd import Session, TrainingClient
from backpropd.v1 import network_pb2 as pb
from fake_clock import FakeAsyncClock, FakeClock, FullJitter
from fake_server import FakeServer, FakeServicer
from real_server import RealServer

# Without BACKPROPD there is no server to test against: run_tests.sh demands it.
AGAINST_REAL = [
    "broken_connection_test.py",
    "cancel_test.py",
    "durable_server_test.py",
    "killed_server_test.py",
    "sync/interrupt_test.py",
    "readme_test.py",
    "real_server_test.py",
]
collect_ignore = [] if os.environ.get("BACKPROPD") else AGAINST_REAL

LONG = 60
"""Seconds after which something hangs; it takes milliseconds."""


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    server = RealServer()
    yield server.address
    assert server.stop() == 0


@pytest.fixture
def in_time() -> Iterator[None]:
    """Fails a test that waits for ever, rather than waiting with it."""

    def give_up(*_: object) -> NoReturn:
        raise AssertionError("It hangs.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONG)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    running = FakeServer()
    yield running
    running.stop()


@pytest.fixture
def servicer(server: FakeServer) -> FakeServicer:
    return server.servicer


@pytest.fixture(params=["plain", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of client that a test has; tests of one kind override it."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def clock(kind: str) -> FakeClock:
    return FakeClock() if kind == "plain" else FakeAsyncClock()


@pytest.fixture
def new_client(kind: str, server: FakeServer, clock: FakeClock) -> NewClient:
    """Makes clients of `kind`, with further options."""
    return partial(client_of, kind, server.target, clock=clock, jitter=FullJitter())


@pytest.fixture
def client(new_client: NewClient) -> Iterator[TrainingClient]:
    with new_client() as made:
        yield made


@pytest.fixture
def spec() -> pb.SessionSpec:
    """A net of 3-4-2 whose first layer is FACTORED and whose second is DENSE."""
    return pb.SessionSpec(
        input_size=3,
        layers=[
            pb.Layer(size=4, activation=pb.ACTIVATION_TANH, delta_form=pb.DELTA_FORM_FACTORED),
            pb.Layer(size=2, delta_form=pb.DELTA_FORM_DENSE),
        ],
        optimiser=pb.Optimiser(sgd=pb.Sgd(), learning_rate=0.5),
        batch_size=1,
    )


@pytest.fixture
def durable(client: TrainingClient, spec: pb.SessionSpec) -> Session:
    """A DURABLE session."""
    spec.durability.mode = pb.DURABILITY_MODE_DURABLE
    return client.create(spec)


@pytest.fixture
def session(client: TrainingClient, spec: pb.SessionSpec) -> Session:
    return client.create(spec)
