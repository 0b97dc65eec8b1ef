# SPDX-License-Identifier: Apache-2.0
"""Answers that the server holds: who lost them with a connection gets them on the next one, and no anchor is needed."""

from __future__ import annotations

import logging
import random
import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from backpropd import Replica, Resumed, Session, Trained, TrainingClient, TrainStream, adam, sgd
from backpropd.replica.feeding import can_go_on
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_server import FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 3)).astype("f4")
Y = RNG.integers(0, 2, 24)
MODES = {"memory": pb.DURABILITY_MODE_MEMORY, "durable": pb.DURABILITY_MODE_DURABLE}


def send_all(stream: TrainStream, size: int = 4) -> list[Trained]:
    """Sends X in messages of `size`; the answers, of which some come while it sends."""
    answers: list[Trained] = []
    for begin in range(0, len(X), size):
        stream.send(X[begin : begin + size], Y[begin : begin + size], want_digest=True)
        answers += stream.ready()
    return [*answers, *stream.flush()]


def check_told(session: Session, servicer: FakeServicer, answers: list[Trained], lost: tuple[int, ...] = ()) -> None:
    """All of X was trained once, and each step told as it was made, but for those lost."""
    journal = servicer.sessions[session.session_id].journal
    assert b"".join(step.inputs for step in journal) == X.tobytes()
    told = [step for number, step in enumerate(journal) if number not in lost]
    assert [error for answer in answers for error in answer.errors.tolist()] == [step.error for step in told]
    assert np.array_equal(np.concatenate([answer.deltas for answer in answers]), np.stack([step.row for step in told]))
    assert [answer.offset for answer in answers] == list(np.cumsum([0, *(each.samples for each in answers[:-1])]))
    assert sum(answer.skipped_samples for answer in answers) == len(lost)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize(("mode", "optimiser"), [("memory", sgd(0.1)), ("durable", adam(0.1))], ids=MODES)
@pytest.mark.parametrize("fault", ["break_before", "lose_answer_of", "half_answer_of", "half_apply", "goodbye_after"])
@pytest.mark.parametrize("window", [1, 3])
def test_a_broken_connection_loses_no_answer(
    client: TrainingClient,
    servicer: FakeServicer,
    spec: pb.SessionSpec,
    mode: str,
    optimiser: pb.Optimiser,
    fault: str,
    window: int,
) -> None:
    spec.optimiser.CopyFrom(optimiser)
    spec.durability.mode = MODES[mode]
    session = client.create(spec)
    replicas = [session.replica(), session.replica()]
    anchors = servicer.anchors
    getattr(servicer.faults, fault).update({1, 3})
    resumes: list[Resumed] = []
    with session.stream(*replicas, window=window, keep_deltas=True, on_resume=resumes.append) as stream:
        answers = send_all(stream)
    check_told(session, servicer, answers)
    assert servicer.anchors == anchors
    assert [each.replica_anchored for each in resumes] == [False, False]
    assert [each.lost_steps for each in resumes] == [0, 0]
    for replica in replicas:
        assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("seed", range(12))
def test_any_breaks(client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec, seed: int) -> None:
    choice = random.Random(seed)
    spec.durability.mode = choice.choice(list(MODES.values()))
    session = client.create(spec)
    replica = session.replica()
    anchors, faults = servicer.anchors, servicer.faults
    kinds = [faults.break_before, faults.lose_answer_of, faults.half_answer_of, faults.half_apply, faults.goodbye_after]
    for at in choice.sample(range(30), 12):
        choice.choice(kinds).add(at)
    with session.stream(replica, window=choice.randint(1, 6), keep_deltas=True) as stream:
        answers = send_all(stream, choice.choice([2, 3, 4]))
    check_told(session, servicer, answers)
    assert servicer.anchors == anchors
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("breaks", [{}, {"lose_answer_of": {4}, "half_answer_of": {6}}])
@pytest.mark.parametrize(("held", "lost"), [(0, 12), (1, 11), (6, 6), (11, 1), (12, 0)])
def test_what_the_server_does_not_hold_is_told_as_lost(
    session: Session, servicer: FakeServicer, held: int, lost: int, breaks: dict[str, set[int]]
) -> None:
    servicer.held_steps = held
    replica = session.replica()
    anchors = servicer.anchors
    servicer.faults.unheard.update({1, 2})
    servicer.faults.lose_answer_of.add(3)
    with session.stream(replica, window=4, keep_deltas=True) as stream:
        stream.send(X[:4], Y[:4])
        for begin in range(4, 16, 4):
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
        for name, places in breaks.items():
            getattr(servicer.faults, name).update(places)
        answers = list(stream.flush())
        for begin in range(16, 24, 4):
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
            answers.append(stream.receive())
    check_told(session, servicer, answers, lost=tuple(range(4, 4 + lost)))
    assert servicer.anchors == anchors + (lost > 0)
    assert replica.verify(session.weights(with_state=True)) is None


def test_the_server_is_told_what_came(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.half_answer_of.update({1, 4})
    with session.stream(window=1) as stream:
        send_all(stream)
    assert servicer.received == [0, 4, 4, 8, 12, 12, 16, 20]
    assert all(opening.options.hold_answers and not opening.received_offset for opening in servicer.opened_with)


def test_what_is_unanswered_when_a_stream_is_left_is_answered_on_the_next_one(
    session: Session, servicer: FakeServicer
) -> None:
    replica = session.replica()
    anchors = servicer.anchors
    servicer.faults.unheard.update({2, 3})
    stream = session.stream(replica, window=8, keep_deltas=True).open()
    for begin in range(0, 16, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
    answers = [stream.receive(), stream.receive()]
    while servicer.sessions[session.session_id].info.next_offset < 16:
        time.sleep(0.001)  # else the next stream has the faults
    stream.cancel()
    for begin in range(16, 24, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
    answers += stream.flush()
    stream.close()
    check_told(session, servicer, answers)
    assert servicer.anchors == anchors
    assert replica.verify(session.weights(with_state=True)) is None


def test_what_a_crash_took_back_is_counted_though_its_second_answer_was_lost(
    durable: Session, servicer: FakeServicer
) -> None:
    servicer.tells = servicer.hurries = False
    servicer.durable_behind = 6
    replica = durable.replica()
    anchors = servicer.anchors
    servicer.faults.crash_after[5] = 2
    servicer.faults.lose_answer_of.add(6)
    servicer.faults.half_answer_of.add(7)
    with durable.stream(replica, window=1, keep_deltas=True) as stream:
        answers = send_all(stream)
        servicer.tells = True
        stream.flush_durable(timeout=30)
        assert stream.repeated_samples == 2
    assert [answer.skipped_samples for answer in answers] == [0] * 6
    assert len(servicer.sessions[durable.session_id].journal) == 24
    assert servicer.anchors == anchors + 1  # for the crash
    assert replica.verify(durable.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
def test_that_everything_is_durable_is_hurried_again_after_a_break(durable: Session, servicer: FakeServicer) -> None:
    servicer.tells = False
    servicer.faults.break_before.add(2)
    with durable.stream() as stream:
        for begin in (0, 12):
            stream.send(X[begin : begin + 12], Y[begin : begin + 12])
        assert len(list(stream.flush())) == 2
        stream.flush_durable(timeout=5)  # sooner than a server that tells nothing is asked
        assert (stream.durable_offset, stream.next_offset, stream.unanswered) == (24, 24, 0)
    assert servicer.received[2:] == [24]
    assert servicer.openings == 2


def test_answers_that_are_lost_after_all_are_told_in_the_log(
    session: Session, servicer: FakeServicer, caplog: pytest.LogCaptureFixture
) -> None:
    servicer.held_steps = 0
    servicer.faults.lose_answer_of.add(2)
    caplog.set_level(logging.INFO, logger="backpropd")
    with session.stream(session.replica(), session.replica(), window=1) as stream:
        send_all(stream)
    told = [record.getMessage() for record in caplog.records if record.name == "backpropd"]
    assert told[1:] == [
        "session s0 goes on in epoch 3 at step 12 (was in epoch 3 at step 8); 4 samples are sent again",
        "session s0: answers were lost, replicas begin anew from an anchor at step 12",
    ]


@pytest.mark.usefixtures("in_time")
def test_a_replica_without_its_anchor_gets_one_though_no_answer_asks_for_it(
    session: Session, servicer: FakeServicer
) -> None:
    servicer.held_steps = 0
    replica = session.replica()
    servicer.faults.lose_answer_of.add(5)
    servicer.faults.refuse_anchors = 1
    stream = session.stream(replica, window=1).open()
    with pytest.raises(Exception, match="no anchor now"):
        send_all(stream)
    assert stream.receive().skipped_samples == 4
    stream.open()
    stream.close()
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.parametrize(
    ("place", "resumed_at", "goes_on"),
    [
        ((2, 5), 5, True),
        ((2, 7), 5, True),  # an anchor was newer than the answers
        ((2, 9), 5, True),
        ((2, 4), 5, False),
        ((2, 10), 5, False),
        ((1, 5), 5, False),
        ((2, 5), None, False),
        ((2, 9), None, False),  # not the place that the opening is about
    ],
)
def test_a_replica_goes_on_if_deltas_from_its_step_on_come_again(
    place: tuple[int, int], resumed_at: int | None, goes_on: bool
) -> None:
    def replica(**more: Any) -> Replica:
        return cast("Replica", SimpleNamespace(epoch=place[0], step=place[1], interrupted=False, **more))

    opening = rpc.TrainResponse(epoch=2, step=9)
    asked = rpc.ReplicaPosition(epoch=2, step=6)
    assert can_go_on(replica(), opening, asked, resumed_at) == goes_on
    assert not can_go_on(replica(), opening, None, resumed_at)
    opening.resync = True
    assert not can_go_on(replica(), opening, asked, resumed_at)
