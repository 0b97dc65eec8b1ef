# SPDX-License-Identifier: Apache-2.0
"""The real server with a data directory: its checkpoints, what it says of durability, and what it does once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from as_plain import client_of
from backpropd import (
    CheckpointExistsError,
    CheckpointNotFoundError,
    RetryPolicy,
    Session,
    StepNotKeptError,
    StepNotReachedError,
    TrainingClient,
    Watch,
    adam,
    network,
)
from breaking_proxy import BreakingProxy
from real_server import RealServer

RNG = np.random.default_rng(9)
X = RNG.standard_normal((200, 12)).astype("f4")
Y = RNG.random((200, 4)).astype("f4")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    running = RealServer(tmp_path_factory.mktemp("data"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(kind: str, server: RealServer) -> Iterator[TrainingClient]:
    with client_of(kind, server.address) as made:
        yield made


@pytest.fixture
def session(client: TrainingClient) -> Session:
    return client.create(network(12, [(10, "tanh"), 4], adam(0.002), seed=3))


@pytest.mark.usefixtures("in_time")
def test_that_all_is_durable_is_told(session: Session) -> None:
    with session.stream(window=2) as stream:
        for begin in range(0, 200, 20):
            stream.send(X[begin : begin + 20], Y[begin : begin + 20])
        stream.flush_durable(timeout=8)  # sooner than a server that tells nothing is asked
        assert (stream.durable_step, stream.durable_offset) == (200, 200)
        assert len(list(stream.flush())) == 10
        stream.send(X[:20], Y[:20], when_durable=True)
        assert stream.receive().step == 220
        assert stream.durable_step == 220
    session.train(X, Y, until_durable=True, max_kept_bytes=1)
    assert session.refresh().durable_step == session.step == 420


@pytest.mark.usefixtures("in_time")
def test_a_long_lag_is_cut_short_where_that_all_is_durable_is_waited_for(client: TrainingClient) -> None:
    session = client.create(network(12, [(10, "tanh"), 4], adam(0.002), seed=3, max_lag=600))
    with session.stream() as stream:
        for begin in range(0, 200, 20):
            stream.send(X[begin : begin + 20], Y[begin : begin + 20])
        assert len(list(stream.flush())) == 10
        assert stream.durable_offset < 200
        stream.flush_durable(timeout=30)
        assert (stream.durable_step, stream.durable_offset) == (200, 200)
    assert session.refresh().step == 200
    assert len(list(session.train(X, Y, until_durable=True).errors)) == 200


@pytest.mark.usefixtures("in_time")
def test_a_stream_takes_the_place_of_its_own_whose_connection_vanished(kind: str, server: RealServer) -> None:
    proxy = BreakingProxy(server.address)
    with client_of(kind, proxy.address, retry=RetryPolicy(attempts=4)) as client:  # the server would wait for 40 s
        session = client.create(network(12, [(10, "tanh"), 4], adam(0.002), seed=3))
        replica = session.replica()
        with session.stream(replica, window=2) as stream:
            for begin in range(0, 200, 20):
                stream.send(X[begin : begin + 20], Y[begin : begin + 20])
                if begin in {40, 120}:
                    proxy.vanish()
            assert list(stream.flush())[-1].step == 200
        anchor = session.weights(with_state=True)
        assert (anchor.step, replica.verify(anchor)) == (200, None)
    proxy.close()


def until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.01)


@pytest.mark.usefixtures("in_time")
def test_a_step_and_an_update_are_made_once_though_their_answers_are_lost(kind: str, server: RealServer) -> None:
    proxy = BreakingProxy(server.address)
    with (
        client_of(kind, proxy.address) as client,
        TrainingClient(server.address) as beside,
        ThreadPoolExecutor(1) as thread,
    ):
        session = client.create(network(12, [(10, "tanh"), 4], adam(0.002), seed=3))
        seen = beside.get(session.session_id)
        proxy.muffle()
        step = thread.submit(session.train_step, X[0], Y[0])
        until(lambda: seen.refresh().step == 1)
        proxy.cut()
        assert (step.result().step, step.result().already_applied) == (1, True)
        proxy.muffle()
        update = thread.submit(session.update, learning_rate=0.5)
        until(lambda: seen.refresh().spec.optimiser.learning_rate == 0.5)
        seen.train_step(X[1], Y[1])
        proxy.cut()
        assert update.result() == 2
    proxy.close()


@pytest.mark.usefixtures("in_time")
def test_a_watch_follows_a_session_back_to_its_checkpoint(session: Session) -> None:
    session.create_checkpoint("empty")
    replica = session.replica()
    places: list[tuple[int, int]] = []
    with session.watch(replica) as watch:
        session.train(X[:100], Y[:100])
        until_there(watch, places, (1, 100))
        session.rewind("empty")
        session.train(X[100:], Y[100:])  # as many steps, and others
        until_there(watch, places, (2, 100))
    assert replica.verify(session.weights(with_state=True)) is None
    assert sorted(set(places)) == places


def until_there(watch: Watch, places: list[tuple[int, int]], place: tuple[int, int]) -> None:
    """Notes each epoch and step that the watch comes to, up to `place`."""
    for batch in watch:
        places.append((batch.epoch, batch.step))
        if places[-1] == place:
            return


def test_history(client: TrainingClient) -> None:
    session = client.create(network(12, [(10, "tanh"), 4], adam(0.002), seed=3, history=1000))
    replica = session.replica()
    session.train(X[:70], Y[:70], replicas=[replica])
    then = session.weights(with_state=True)
    session.train(X[70:], Y[70:], replicas=[replica])
    end = session.weights(with_state=True)
    assert (session.rewind(step=70).step, session.info.epoch, session.info.history_first_step) == (70, 2, 0)
    assert session.weights(with_state=True).message() == then.message()
    session.train(X[70:], Y[70:], replicas=[replica])
    assert session.weights(with_state=True).message() == end.message()
    assert (replica.epoch, replica.verify(end)) == (2, None)
    with pytest.raises(StepNotReachedError, match="has steps 0 to 200"):
        session.rewind(step=201)
    session.update(history=None)
    with pytest.raises(StepNotKeptError, match="keeps no history"):
        session.rewind(step=70)


def test_checkpoints(session: Session) -> None:
    replica = session.replica()
    session.train(X[:100], Y[:100], replicas=[replica])
    kept = session.weights(with_state=True)
    made = session.create_checkpoint("before", expire_after=3600, pinned=True)
    assert (made.step, made.next_offset, made.digest, made.pinned) == (100, 100, kept.digest, True)
    assert session.create_checkpoint("before") == made
    session.train(X[100:], Y[100:], replicas=[replica])
    with pytest.raises(CheckpointExistsError):
        session.create_checkpoint("before")
    session.create_checkpoint("after")
    assert [each.name for each in session.checkpoints(page_size=1)] == ["after", "before"]
    fork = session.fork(checkpoint="before", with_state=True)
    assert fork.weights().digest == kept.digest
    assert session.rewind("before").step == 100
    assert session.info.epoch == 2
    assert session.weights(with_state=True).message() == kept.message()
    session.train(X[:50], Y[:50], replicas=[replica])
    assert (replica.epoch, replica.verify(session.weights(with_state=True))) == (2, None)
    changed = session.update_checkpoint("before", pinned=False, expire_after=None)
    assert (changed.pinned, changed.HasField("expire_time")) == (False, False)
    session.delete_checkpoint("before")
    with pytest.raises(CheckpointNotFoundError):
        session.rewind("before")
