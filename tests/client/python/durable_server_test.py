# SPDX-License-Identifier: Apache-2.0
"""The real server with a data directory: its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from as_plain import client_of
from backpropd import (
    CheckpointExistsError,
    CheckpointNotFoundError,
    Session,
    TrainingClient,
    adam,
    network,
)
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
