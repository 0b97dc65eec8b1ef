# SPDX-License-Identifier: Apache-2.0
"""Connections to the real server break while answers are on their way: nothing is lost, and no anchor is fetched."""

from __future__ import annotations

import itertools
import pathlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import pytest
from as_plain import client_of
from backpropd import Resumed, RetryPolicy, Session, Trained, TrainingClient, adam, network, sgd
from backpropd.v1 import network_pb2 as pb
from breaking_proxy import BreakingProxy
from real_server import RealServer

RNG = np.random.default_rng(8)
X = RNG.standard_normal((1600, 12)).astype("f4")
Y = RNG.random((1600, 4)).astype("f4")
SIZE = 4
"""Samples of a message."""
ROUND = 5 * SIZE
"""Samples whose answers are on their way when a connection breaks."""
BREAKS = 24
KINDS = {"momentum": sgd(0.002, momentum=0.9), "adam": adam(0.002), "standardised": adam(0.002)}


def spec_of(name: str, durability: Literal["memory", "durable"] = "memory") -> pb.SessionSpec:
    """So small a net that its products don't depend on how samples are cut into blocks."""
    learnt = 30 if name == "standardised" else 0
    more = {"digest_every": 1}
    return network(
        12, [(10, "tanh"), 4], KINDS[name], seed=3, learn_standardisation=learnt, durability=durability, further=more
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    running = RealServer(tmp_path_factory.mktemp("data"))
    yield running
    assert running.stop() == 0


@contextmanager
def behind_proxy(kind: str, server: RealServer) -> Iterator[tuple[TrainingClient, BreakingProxy, TrainingClient]]:
    """A client that a proxy is before, the proxy, and a client that nothing befalls."""
    proxy = BreakingProxy(server.address)
    retry = RetryPolicy(first=0.01, longest=0.1, attempts=1 << 30, within=60)
    with client_of(kind, proxy.address, retry=retry) as client, TrainingClient(server.address) as whole:
        yield client, proxy, whole
    proxy.close()


def uncut(client: TrainingClient, session: Session, name: str, samples: int) -> list[Trained]:
    """The answers where nothing broke; the session, which had the same samples, is as it was then."""
    twin = client.create(spec_of(name))
    answers: list[Trained] = []
    with twin.stream(window=1, want_outputs=True, keep_deltas=True) as stream:
        for begin in range(0, samples, SIZE):
            stream.send(X[begin : begin + SIZE], Y[begin : begin + SIZE])
            answers += stream.flush()
    assert twin.weights(with_state=True).message() == session.weights(with_state=True).message()
    return answers


def check_are(answers: list[Trained], due: list[Trained]) -> None:
    """Whether all that is told is the same, to the last bit."""
    for answer, other in zip(answers, due, strict=True):
        for name in ("offset", "samples", "base_step", "step", "digests", "skipped_samples"):
            assert getattr(answer, name) == getattr(other, name)
        for name in ("errors", "outputs", "deltas"):
            assert getattr(answer, name).tobytes() == getattr(other, name).tobytes()


def train_unheard(session: Session, whole: TrainingClient, proxy: BreakingProxy, rounds: int) -> list[Trained]:
    """Each time that the server has applied some messages, and no answer came through, the connection breaks."""
    replica, other = session.replica(), whole.get(session.session_id)
    answers: list[Trained] = []
    with session.stream(replica, window=8, want_outputs=True, keep_deltas=True) as stream:
        for begin in range(0, rounds * ROUND, ROUND):
            proxy.muffle()
            for at in range(begin, begin + ROUND, SIZE):
                stream.send(X[at : at + SIZE], Y[at : at + SIZE])
            while other.refresh().info.next_offset < begin + ROUND:
                time.sleep(0.001)
            assert len(answers) == begin // SIZE
            proxy.cut()
            answers += stream.flush()
    assert replica.verify(session.weights(with_state=True)) is None
    return answers


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("durability", ["memory", "durable"])
@pytest.mark.parametrize("name", KINDS)
def test_answers_that_no_one_heard_come_after_all(
    kind: str, server: RealServer, name: str, durability: Literal["memory", "durable"]
) -> None:
    with behind_proxy(kind, server) as (client, proxy, whole):
        session = client.create(spec_of(name, durability))
        anchors = server.calls("GetWeights")
        answers = train_unheard(session, whole, proxy, rounds=4)
        assert server.calls("GetWeights") == anchors + 2  # the replica's first, and the test's at the end
        check_are(answers, uncut(whole, session, name, 4 * ROUND))


@pytest.mark.usefixtures("in_time")
def test_breaks_at_any_moment_lose_nothing(kind: str, server: RealServer) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    choice = random.Random(seed)
    places = set(choice.sample(range(0, len(X), SIZE), BREAKS))
    answers: list[Trained] = []
    resumes: list[Resumed] = []
    with behind_proxy(kind, server) as (client, proxy, whole):
        session = client.create(spec_of("adam", "durable"))
        replica = session.replica()
        anchors = server.calls("GetWeights")
        with session.stream(replica, window=6, want_outputs=True, keep_deltas=True, on_resume=resumes.append) as stream:
            for begin in range(0, len(X), SIZE):
                if begin in places:
                    if choice.random() < 0.5:
                        proxy.muffle()
                    threading.Timer(choice.uniform(0, 0.02), proxy.cut).start()
                stream.send(X[begin : begin + SIZE], Y[begin : begin + SIZE])
                answers += stream.ready()
            answers += stream.flush()
        assert len(resumes) >= BREAKS // 4, "void: too few breaks"
        assert server.calls("GetWeights") == anchors
        assert replica.verify(session.weights(with_state=True)) is None
        check_are(answers, uncut(whole, session, "adam", len(X)))


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("held", [0, 3000])
def test_what_is_not_held_is_told_as_lost(kind: str, tmp_path: pathlib.Path, held: int) -> None:
    server = RealServer(tmp_path, f"--max-held-bytes={held}")
    with behind_proxy(kind, server) as (client, proxy, whole):
        assert client.server_info().limits.max_held_bytes == held
        session = client.create(spec_of("adam", "durable"))
        anchors = server.calls("GetWeights")
        answers = train_unheard(session, whole, proxy, rounds=3)
        assert server.calls("GetWeights") == anchors + 2 + 3
        due = uncut(whole, session, "adam", 3 * ROUND)
    assert server.stop() == 0
    lost = [answer.skipped_samples == SIZE for answer in answers]
    of_a_round = list(itertools.islice(lost, ROUND // SIZE))
    assert lost == 3 * of_a_round == 3 * sorted(of_a_round, reverse=True)
    assert (any(of_a_round), all(of_a_round)) == (True, held == 0)
    check_are(
        [answer for answer, is_lost in zip(answers, lost, strict=True) if not is_lost],
        [answer for answer, is_lost in zip(due, lost, strict=True) if not is_lost],
    )
