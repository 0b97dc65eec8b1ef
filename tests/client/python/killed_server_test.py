# SPDX-License-Identifier: Apache-2.0
"""The real server is killed in the middle of training: the client's loop goes on, and not a bit is different."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from as_plain import client_of
from backpropd import Anchor, Resumed, Session, Trained, TrainingClient, adam, network, sgd
from backpropd.v1 import network_pb2 as pb
from google.protobuf.duration_pb2 import Duration
from real_server import RealServer

RNG = np.random.default_rng(8)
X = RNG.standard_normal((2400, 12)).astype("f4")
Y = RNG.random((2400, 4)).astype("f4")
KILLED_AT = (400, 900, 1600)
"""Offsets that were sent by then."""
LAGS = (0.2, 2.0, 20.0)
"""Seconds; so that a kill takes something back: the longer, the surer, and the less is left of what was before."""
OPTIMISERS = {"momentum": sgd(0.002, momentum=0.9), "adam": adam(0.002)}


def spec_of(name: str, max_lag: float) -> pb.SessionSpec:
    """So small a net that its products don't depend on how samples are cut into blocks; max_lag 0: in memory only."""
    durability = pb.Durability(mode=pb.DURABILITY_MODE_DURABLE if max_lag else pb.DURABILITY_MODE_MEMORY)
    if max_lag:
        durability.max_lag.CopyFrom(Duration(nanos=int(max_lag * 1e9) % 10**9, seconds=int(max_lag)))
    further = {"digest_every": 1, "durability": durability}
    return network(12, [(10, "tanh"), 4], OPTIMISERS[name], seed=3, further=further)


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[RealServer]:
    running = RealServer(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def client(kind: str, server: RealServer) -> Iterator[TrainingClient]:
    with client_of(kind, server.address) as made:
        yield made


def train_and_kill(server: RealServer, session: Session, *replicas: Any, **options: Any) -> list[Trained]:
    """Trains on X in small messages while the server is killed; the answers."""
    answers: list[Trained] = []
    with session.stream(*replicas, window=4, **options) as stream:
        for begin in range(0, len(X), 4):
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
            answers += stream.ready()
            if begin in KILLED_AT:
                server.kill()
                server.start()
        answers += stream.flush()
    return answers


def uninterrupted(client: TrainingClient, name: str) -> Anchor:
    """What a session is that was trained on the same in memory, in one go."""
    twin = client.create(spec_of(name, 0))
    twin.train(X, Y)
    return twin.weights(with_state=True)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_loop_goes_on_and_not_a_bit_is_different(client: TrainingClient, server: RealServer, name: str) -> None:
    twin = uninterrupted(client, name)
    lost = 0
    for lag in LAGS:  # on a busy machine all may be durable before the kill comes, which shows nothing
        session = client.create(spec_of(name, lag))
        replica = session.replica()
        told: list[Resumed] = []
        answers = train_and_kill(server, session, replica, on_resume=told.append)
        assert [answer.offset for answer in answers] == list(range(0, len(X), 4))
        assert sum(len(answer.errors) + answer.skipped_samples for answer in answers) == len(X)
        assert [each.epoch for each in told] == [2, 3, 4]
        anchor = session.weights(with_state=True)
        assert (anchor.step, anchor.epoch, replica.epoch) == (len(X), 4, 4)
        assert replica.verify(anchor) is None
        assert anchor.message() == twin.message()
        lost = sum(each.lost_steps for each in told)
        if lost:
            break
    assert lost > 0, "Nothing that was answered was taken back: this shows nothing."


@pytest.mark.usefixtures("in_time")
def test_a_watcher_comes_back_too(client: TrainingClient, server: RealServer) -> None:
    session = client.create(spec_of("adam", LAGS[0]))
    replica = session.replica()
    epochs: list[int] = []

    def follow() -> None:
        with client.get(session.session_id).watch(replica) as watch:
            for batch in watch:
                epochs.append(batch.epoch)
                if batch.step == len(X):
                    break

    watcher = threading.Thread(target=follow)
    watcher.start()
    train_and_kill(server, session, deltas="none")
    watcher.join()
    assert (sorted(epochs), epochs[0], epochs[-1]) == (epochs, 1, 4)
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
def test_a_replica_of_a_life_that_is_over_begins_anew(client: TrainingClient, server: RealServer) -> None:
    session = client.create(spec_of("adam", 60))
    streamed, watched = session.replica(), session.replica()
    session.train(X[:100], Y[:100], replicas=[streamed])
    session.train(X[100:200], Y[100:200], replicas=[watched, streamed])
    server.kill()
    server.start()
    assert session.refresh().step == 0
    session.train(X[300:500], Y[300:500])  # as many steps as those that are gone, and others
    assert streamed.step == watched.step == session.refresh().step
    with session.watch(watched) as watch:
        assert next(watch).anchored
        assert watched.verify(session.weights(with_state=True)) is None
        session.train(X[:100], Y[:100], replicas=[streamed])
        for batch in watch:
            if batch.step == 300:
                break
    for replica in (streamed, watched):
        assert replica.verify(session.weights(with_state=True)) is None
