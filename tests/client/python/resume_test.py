# SPDX-License-Identifier: Apache-2.0
"""Train streams of DURABLE sessions: what a crash takes back is sent again, and the user's loop doesn't notice."""

from __future__ import annotations

import dataclasses
import logging
import random
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from as_plain import client_of
from backpropd import (
    BackpropdError,
    InvalidRequestError,
    NonFiniteStepError,
    NoStoreError,
    Replica,
    Resumed,
    SamplesLostError,
    ServerUnavailableError,
    Session,
    Trained,
    TrainingClient,
    TrainStream,
    WriterReplacedError,
    adam,
    sgd,
    silence,
)
from backpropd.samples import Samples
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_clock import FakeClock
from fake_server import FakeServer, FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 3)).astype("f4")
Y = RNG.integers(0, 2, 24)


@pytest.fixture(autouse=True)
def _no_disk_is_quick(servicer: FakeServicer) -> None:
    """The last six steps are not durable, however long nothing is said."""
    servicer.durable_behind, servicer.tells = 6, False


def send_all(stream: TrainStream, x: np.ndarray = X, y: np.ndarray = Y, size: int = 4) -> list[Trained]:
    """Sends all in messages of `size`; the answers, of which some come while it sends."""
    answers: list[Trained] = []
    for begin in range(0, len(x), size):
        stream.send(x[begin : begin + size], y[begin : begin + size], want_digest=True)
        answers += stream.ready()
    return [*answers, *stream.flush()]


def check_loop_noticed_nothing(session: Session, servicer: FakeServicer, answers: list[Trained]) -> None:
    """All of X was trained in the session's present life, once, and each message was answered once."""
    journal = servicer.sessions[session.session_id].journal
    assert b"".join(step.inputs for step in journal) == X.tobytes()
    assert [answer.offset for answer in answers] == list(range(0, 24, 4))
    assert [len(answer.errors) + answer.skipped_samples for answer in answers] == [4] * 6


@pytest.mark.parametrize("optimiser", [sgd(0.1), adam(0.1)], ids=["sgd", "adam"])
@pytest.mark.parametrize("crash", ["crash_after", "crash_within"])
@pytest.mark.parametrize("window", [1, 3])
def test_steps_that_a_crash_took_back_are_made_again(
    kind: str,
    client: TrainingClient,
    servicer: FakeServicer,
    spec: pb.SessionSpec,
    optimiser: pb.Optimiser,
    crash: str,
    window: int,
) -> None:
    spec.optimiser.CopyFrom(optimiser)
    spec.durability.mode = pb.DURABILITY_MODE_DURABLE
    session = client.create(spec)
    replica = session.replica()
    getattr(servicer.faults, crash)[3] = 6
    told: list[Resumed] = []
    with session.stream(replica, window=window, on_resume=told.append) as stream:
        answers = send_all(stream)
        assert stream.epoch == 4
        repeated = stream.repeated_samples
    check_loop_noticed_nothing(session, servicer, answers)
    assert replica.verify(session.weights(with_state=True)) is None
    assert replica.epoch == 4
    assert len(told) == 1
    answered = 16 if crash == "crash_after" else 13
    # asyncio's gRPC may forget what came just before the call broke.
    assert told[0].step_before == answered if kind == "plain" else told[0].step_before <= answered
    assert repeated == max(0, told[0].step_before // 4 * 4 - 10)
    assert told[0].session_id == session.session_id
    assert (told[0].epoch_before, told[0].epoch) == (3, 4)
    assert (told[0].step, told[0].lost_steps) == (10, max(0, told[0].step_before - 10))
    assert told[0].resent_samples >= 6
    assert told[0].replica_anchored


def test_what_a_message_was_answered_twice_is_told_once_and_as_it_is_now(
    durable: Session, servicer: FakeServicer
) -> None:
    servicer.faults.crash_within[3] = 6
    with durable.stream(window=1, keep_deltas=True, want_outputs=True) as stream:
        answers = send_all(stream)
    journal = servicer.sessions[durable.session_id].journal
    assert [float(error) for error in answers[3].errors] == [step.error for step in journal[12:16]]
    assert np.array_equal(answers[3].deltas, np.stack([step.row for step in journal[12:16]]))
    assert (answers[3].base_step, answers[3].step, answers[3].skipped_samples) == (12, 16, 0)


def test_what_is_durable_is_not_sent_again(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.crash_after[5] = 3
    with durable.stream(window=1) as stream:
        send_all(stream)
        stream.send(X[:4], Y[:4])
        assert [answer.step for answer in stream.flush()] == [28]
    assert servicer.faults.messages == 6 + 2  # one lies across the offset, and one is new


@pytest.mark.parametrize("seed", range(12))
def test_any_breaks_and_crashes(durable: Session, servicer: FakeServicer, seed: int) -> None:
    choice = random.Random(seed)
    faults, replica = servicer.faults, durable.replica()
    places = list(range(0, 60, 3))
    choice.shuffle(places)
    for at in places[:12]:
        lossless = [faults.break_before, faults.lose_answer_of, faults.half_answer_of, faults.half_apply]
        if choice.random() < 0.5:
            choice.choice(lossless).add(at)
        else:
            choice.choice([faults.crash_after, faults.crash_within])[at] = choice.randint(0, 3)
    answers: list[Trained] = []
    x, y = np.tile(X, (4, 1)), np.tile(Y, 4)
    with durable.stream(replica, window=choice.randint(1, 4)) as stream:
        answers = send_all(stream, x, y, size=choice.choice([2, 3, 4]))
    journal = servicer.sessions[durable.session_id].journal
    assert b"".join(step.inputs for step in journal) == x.tobytes()
    assert sum(len(answer.errors) + answer.skipped_samples for answer in answers) == len(x)
    assert [answer.offset for answer in answers] == list(np.cumsum([0] + [each.samples for each in answers[:-1]]))
    assert replica.verify(durable.weights(with_state=True)) is None


def test_a_replica_that_a_crash_left_behind_needs_no_anchor(durable: Session, servicer: FakeServicer) -> None:
    replica = durable.replica()
    before = servicer.anchors
    servicer.faults.crash_after[2] = 0  # all was durable
    told: list[Resumed] = []
    with durable.stream(replica, window=1, on_resume=told.append) as stream:
        check_loop_noticed_nothing(durable, servicer, send_all(stream))
    assert servicer.anchors == before
    assert [each.replica_anchored for each in told] == [False]
    assert replica.verify(durable.weights(with_state=True)) is None


def make_anew(session: Session, servicer: FakeServicer, steps: int) -> None:
    """A crash takes steps back, and somebody makes as many others."""
    fake = servicer.sessions[session.session_id]
    fake.go_back(fake.info.step - steps)
    for row in X[:steps]:
        fake.make_step(row.tobytes(), row[None])


def test_a_replica_at_the_same_step_of_another_epoch_begins_anew(durable: Session, servicer: FakeServicer) -> None:
    for order in (slice(None), slice(None, None, -1), slice(1)):
        old = durable.replica()
        durable.train(X, Y, replicas=[old])
        make_anew(durable, servicer, 3)
        new = durable.replica()
        assert (old.step, old.epoch + 1) == (new.step, new.epoch)
        replicas = [old, new][order]
        durable.train(X, Y, replicas=replicas)
        for each in replicas:
            assert each.verify(durable.weights(with_state=True)) is None


def test_a_stream_takes_the_place_of_its_own_half_dead_one(
    durable: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    servicer.faults.break_before.add(2)
    servicer.faults.half_dead = True
    with durable.stream(window=1) as stream:
        check_loop_noticed_nothing(durable, servicer, send_all(stream))
    assert clock.waits == pytest.approx([0.1])
    assert [opening.takeover for opening in servicer.opened_with] == [False, True]


def test_a_stream_that_was_replaced_does_not_replace_in_turn(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.replaced_before.add(1)
    stream = durable.stream(window=1).open()
    stream.send(X[:4], Y[:4])
    stream.receive()
    stream.send(X[4:8], Y[4:8])
    with pytest.raises(WriterReplacedError):
        stream.receive()
    stream.receive()  # the other one is gone
    stream.close()
    assert [opening.takeover for opening in servicer.opened_with] == [False, False]


@pytest.mark.parametrize("way", ["cancel", "refusal", "close", "goodbye"])
def test_a_stream_that_was_left_replaces_nobody(durable: Session, servicer: FakeServicer, way: str) -> None:
    stream = durable.stream(window=1).open()
    if way == "goodbye":
        servicer.faults.goodbye_after.add(0)
    stream.send(X[:4], Y[:4])
    assert stream.receive().step == 4
    if way == "cancel":
        stream.cancel()
    elif way == "refusal":
        stream.send_samples(Samples(X[4:8], None, np.full(4, 9, dtype="u4")))
        with pytest.raises(InvalidRequestError):
            stream.receive()
    elif way == "close":
        servicer.faults.break_before.add(1)
        stream.send(X[4:8], Y[4:8])
        stream.close()
    stream.send(X[:4], Y[:4])
    stream.receive()
    stream.cancel()
    taken = [opening.takeover for opening in servicer.opened_with]
    assert len(taken) > 1
    assert any(taken) == (way == "close")  # which took over after the break, before it had ended


def test_a_stream_whose_end_broke_replaces_nobody(
    durable: Session, servicer: FakeServicer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = durable.stream(window=1).open()

    def broken(*_: object) -> None:
        raise ServerUnavailableError("broken")

    with monkeypatch.context() as patch:
        for call in ("backpropd.sync.call.Call.receive", "backpropd.aio.call.AsyncCall.receive"):
            patch.setattr(call, broken)
        stream.close()
    stream.open()
    stream.cancel()
    assert not any(opening.takeover for opening in servicer.opened_with)


def train_elsewhere(session: Session, servicer: FakeServicer, steps: int) -> None:
    """Another writer makes so many steps, and goes."""
    for row in np.full((steps, 3), 0.5, dtype="f4"):
        servicer.sessions[session.session_id].make_step(row.tobytes(), row[None])


@pytest.mark.parametrize("ahead", [17, 5000])
def test_what_another_writer_trained_does_not_answer_what_was_never_begun(
    session: Session, servicer: FakeServicer, ahead: int
) -> None:
    servicer.faults.break_before.add(1)
    stream = session.stream(window=3).open()
    stream.send(X[:4], Y[:4])
    assert stream.receive().step == 4
    servicer.faults.refuse_opening = 11  # as many as are tried: the other one comes meanwhile
    for begin in (4, 8, 12):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
    with pytest.raises(ServerUnavailableError):
        stream.receive()
    train_elsewhere(session, servicer, ahead - 4)
    for _ in range(2):
        with pytest.raises(SamplesLostError, match=rf"is at offset {ahead}, .* another writer"):
            stream.receive()
    stream.cancel()


def test_what_a_replaced_stream_was_not_answered_was_not_applied(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.replaced_before.add(1)
    stream = session.stream(window=3).open()
    stream.send(X[:4], Y[:4])
    assert stream.receive().step == 4
    stream.send(X[4:8], Y[4:8])
    with pytest.raises(WriterReplacedError):
        stream.receive()
    train_elsewhere(session, servicer, 4)  # as long as the message that was not begun
    with pytest.raises(SamplesLostError, match=r"is at offset 8, and from 4 on .* another writer"):
        stream.receive()
    stream.cancel()


def test_a_stream_that_the_server_cancels_goes_on_but_replaces_nobody(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.cancel_before.add(2)
    with durable.stream() as stream:
        check_loop_noticed_nothing(durable, servicer, send_all(stream))
    assert [opening.takeover for opening in servicer.opened_with] == [False, False]


@pytest.mark.usefixtures("in_time")
def test_that_everything_is_durable_is_hurried_and_applied_once(durable: Session, servicer: FakeServicer) -> None:
    servicer.tells = False
    with durable.stream() as stream:
        for begin in (0, 12):
            stream.send(X[begin : begin + 12], Y[begin : begin + 12])
        assert len(list(stream.flush())) == 2
        assert stream.durable_offset < 24
        for _ in range(2):
            stream.flush_durable(timeout=30)
        assert (stream.durable_offset, stream.next_offset, stream.unanswered) == (24, 24, 0)
        stream.send(X[:12], Y[:12])
        assert (stream.receive().step, stream.repeated_samples) == (36, 0)
    assert durable.refresh().info.next_offset == 36
    assert servicer.openings == 1


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("breaks", [set(), {1}], ids=["", "after a break"])
def test_a_stream_whose_samples_do_not_become_durable_is_closed_all_the_same(
    durable: Session, servicer: FakeServicer, monkeypatch: pytest.MonkeyPatch, breaks: set[int]
) -> None:
    servicer.tells = servicer.hurries = False
    servicer.faults.break_before.update(breaks)
    train = servicer._train
    asked, store_works = threading.Event(), threading.Event()

    def waiting(*given: Any) -> Iterator[rpc.TrainResponse]:
        asks = any(isinstance(each, rpc.TrainRequest) and each.when_durable for each in given)
        if asks and servicer.faults.messages not in breaks:
            asked.set()
            store_works.wait(60)
        yield from train(*given)

    monkeypatch.setattr(servicer, "_train", waiting)
    with durable.stream() as stream:
        stream.send(X[:12], Y[:12])
        assert stream.receive().step == 12
        with pytest.raises(TimeoutError, match="up to offset 6 of 12 only"):
            stream.flush_durable(timeout=0.3)
        assert asked.is_set()
    store_works.set()


@pytest.mark.parametrize("kept", [0, -1])
def test_that_nothing_may_be_kept_is_refused(durable: Session, kept: int) -> None:
    with pytest.raises(ValueError, match="max_kept_bytes must be at least 1"):
        durable.stream(max_kept_bytes=kept)


@pytest.mark.usefixtures("in_time")
def test_too_much_is_not_kept(durable: Session, servicer: FakeServicer) -> None:
    servicer.tells = True
    with durable.stream(window=2, max_kept_bytes=1) as stream:
        for begin in range(0, 24, 4):
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
            assert stream.durable_offset == begin
        assert len(list(stream.flush())) == 6


def test_that_everything_is_durable_is_waited_for(durable: Session, servicer: FakeServicer) -> None:
    servicer.hurries = False
    stream = durable.stream().open()
    stream.flush_durable()  # of nothing
    stream.send(X[:12], Y[:12])
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        stream.flush_durable(timeout=0.05)
    assert (stream.durable_step, stream.durable_offset) == (6, 6)
    servicer.tells = True
    stream.flush_durable(timeout=30)
    assert (stream.durable_step, stream.durable_offset) == (12, 12)
    assert stream.receive().step == 12
    stream.send(X[:12], Y[:12])
    stream.flush_durable()
    assert (stream.durable_offset, stream.next_offset) == (24, 24)
    stream.close()
    assert servicer.openings == 1


@pytest.mark.usefixtures("in_time")
def test_a_server_that_tells_nothing_of_what_is_durable_is_asked(
    kind: str,
    server: FakeServer,
    spec: pb.SessionSpec,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(silence, "ALLOWANCE", 0.05)
    caplog.set_level(logging.INFO, logger="backpropd")
    spec.durability.mode = pb.DURABILITY_MODE_DURABLE
    servicer = server.servicer
    servicer.hurries = False
    with client_of(kind, server.target) as client, client.create(spec).stream(max_kept_bytes=1) as stream:
        (session_id,) = servicer.sessions
        stream.send(X[:12], Y[:12])
        assert stream.receive().step == 12
        with pytest.raises(TimeoutError, match=r"^Not durable after 0\.3 s: up to offset 6 of 12 only\.$"):
            stream.flush_durable(timeout=0.3)
        says = f"session {session_id}: nothing more became durable in 0.05 s, up to offset 6 of 12 only"
        assert says in caplog.text
        caplog.clear()
        servicer.sessions[session_id].commit(0)
        stream.send(X[:12], Y[:12])  # waits until less is kept
        assert (stream.durable_step, stream.durable_offset) == (12, 12)
        assert stream.receive().step == 24
        servicer.sessions[session_id].commit(0)
        stream.flush_durable()
        assert (stream.durable_step, stream.durable_offset) == (24, 24)
        assert caplog.text == ""
    assert servicer.openings == 1


def test_a_crash_is_survived_while_that_is_waited_for(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.crash_after[5] = 6
    replica = durable.replica()
    with durable.stream(replica) as stream:
        answers = send_all(stream)
        servicer.tells = True
        stream.flush_durable()
        assert stream.durable_offset == 24
    check_loop_noticed_nothing(durable, servicer, answers)
    assert replica.verify(durable.weights(with_state=True)) is None


def test_a_message_may_wait_for_its_answer_until_it_is_durable(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.break_before.add(0)
    with durable.stream() as stream:
        stream.send(X[:12], Y[:12], when_durable=True)
        assert stream.receive().step == 12
        assert stream.durable_offset == 12
    assert durable.train(X, Y, until_durable=False).repeated_samples == 0
    servicer.tells = True
    durable.train(X, Y, until_durable=True)
    assert durable.refresh().durable_step == durable.step == 60


def test_a_session_in_memory_does_not_become_durable(session: Session, servicer: FakeServicer) -> None:
    with session.stream() as stream:
        assert len(send_all(stream)) == 6
        with pytest.raises(NoStoreError):
            stream.flush_durable()
        assert (stream.durable_step, stream.durable_offset) == (0, 0)
    assert not servicer.opened_with[0].options.tell_durable


def test_a_session_that_was_taken_back_to_a_checkpoint_is_not_brought_forward(
    durable: Session, servicer: FakeServicer
) -> None:
    servicer.faults.break_before.add(5)
    stream = durable.stream(window=1).open()
    for begin in range(0, 20, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
        stream.receive()
    assert stream.durable_offset == 14
    servicer.sessions[durable.session_id].go_back(12)
    stream.send(X[20:], Y[20:])
    with pytest.raises(SamplesLostError, match="checkpoint"):
        stream.receive()
    while servicer.sessions[durable.session_id].has_writer:
        time.sleep(0.001)  # the call was hung up


def test_a_stream_that_was_closed_begins_where_the_session_is(durable: Session, servicer: FakeServicer) -> None:
    durable.create_checkpoint("a")
    stream = durable.stream().open()
    send_all(stream)
    stream.close()
    durable.rewind("a")
    answers = send_all(stream)
    stream.close()
    check_loop_noticed_nothing(durable, servicer, answers)


def test_what_was_refused_is_not_sent_again(durable: Session, servicer: FakeServicer) -> None:
    replica = durable.replica()
    servicer.faults.non_finite_at.add(2)
    servicer.faults.crash_after[4] = 6
    stream = durable.stream(replica, window=1).open()
    answers = []
    for begin in range(0, 12, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
        answers.append(stream.receive())
    assert answers[-1].step == 9
    with pytest.raises(Exception, match="not finite") as refused:
        stream.receive()
    assert refused.value.next_offset == 9  # type: ignore[attr-defined]
    stream.send(X[12:], Y[12:])
    stream.receive()
    stream.send(X[9:12], Y[9:12])
    stream.receive()
    stream.send(X[9:12], Y[9:12])
    stream.receive()
    stream.close()
    journal = servicer.sessions[durable.session_id].journal
    due = np.concatenate([X[:9], X[12:], X[9:12], X[9:12]])
    assert b"".join(step.inputs for step in journal) == due.tobytes()
    assert replica.verify(durable.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
def test_what_is_refused_when_it_is_sent_again_is_lost(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.break_before.add(3)
    servicer.faults.non_finite_at.add(5)
    stream = durable.stream(window=3).open()
    for begin in range(0, 12, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
    assert [answer.step for answer in stream.flush()] == [4, 8, 12]
    servicer.sessions[durable.session_id].go_back(6)
    stream.send(X[12:16], Y[12:16])
    with pytest.raises(SamplesLostError, match=r"from offset 9 on were answered.*not finite") as lost:
        stream.flush_durable()
    assert isinstance(lost.value.__cause__, NonFiniteStepError)
    assert (lost.value.next_offset, stream.next_offset, stream.unanswered) == (9, 9, 0)
    stream.send(X[9:12], Y[9:12])
    assert stream.receive().step == 12
    stream.close()
    journal = servicer.sessions[durable.session_id].journal
    assert b"".join(step.inputs for step in journal) == X[:12].tobytes()


def test_the_log_tells(durable: Session, servicer: FakeServicer, caplog: pytest.LogCaptureFixture) -> None:
    servicer.faults.break_before.add(1)
    servicer.faults.crash_after[4] = 6
    caplog.set_level(logging.INFO, logger="backpropd")
    with durable.stream(durable.replica(), window=1) as stream:
        send_all(stream)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "backpropd"]
    assert [level for level, _ in told] == ["INFO", "INFO", "INFO", "WARNING"]
    assert "the stream broke" in told[0][1]
    assert re.fullmatch(
        r"session s0 goes on in epoch 4 at step 10 \(was in epoch 3 at step 1[26]\); (6|10) samples are sent again, "
        r"replicas begin anew from an anchor",
        told[3][1],
    )


def test_a_callback_that_fails_leaves_a_stream_that_goes_on(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.crash_after[1] = 6

    def fail(resumed: Resumed) -> None:
        if resumed.epoch > resumed.epoch_before:
            raise ArithmeticError("mine")

    replica = durable.replica()
    answers: list[Trained] = []
    stream = durable.stream(replica, window=1, on_resume=fail).open()
    for begin in range(0, 24, 4):
        try:
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
            answers.append(stream.receive())
        except ArithmeticError:
            continue
    answers += stream.flush()
    stream.close()
    check_loop_noticed_nothing(durable, servicer, answers)
    assert replica.verify(durable.weights(with_state=True)) is None


def test_a_watch_tells_the_epoch_of_its_replica(durable: Session, servicer: FakeServicer) -> None:
    replica: Replica = durable.replica()
    durable.train(X, Y, replicas=[replica])
    with durable.watch(replica) as watch:
        make_anew(durable, servicer, 3)
        batch = next(watch)
    asked = servicer.watch_requests[0]
    assert (asked.after_step, asked.epoch) == (24, 3)
    assert (batch.anchored, batch.resynced, batch.step, batch.epoch) == (True, True, 24, 4)
    assert replica.epoch == 4
    assert replica.verify(durable.weights(with_state=True)) is None


def test_a_watch_without_replicas_tells_its_steps_epoch(durable: Session, servicer: FakeServicer) -> None:
    durable.train(X, Y)
    make_anew(durable, servicer, 3)
    with durable.watch(after_step=24) as watch:  # of the epoch in which it was last described
        assert next(watch).resynced
    with durable.watch(after_step=23, epoch=4) as watch:
        batch = next(watch)
        assert (batch.base_step, batch.resynced, batch.epoch) == (23, False, 4)
    assert [request.epoch for request in servicer.watch_requests if request.HasField("after_step")] == [3, 4]


def test_what_was_lost_is_told_though_it_takes_two_attempts(durable: Session, servicer: FakeServicer) -> None:
    servicer.faults.crash_after[3] = 6
    told: list[Resumed] = []
    stream = durable.stream(durable.replica(), window=1, on_resume=told.append).open()
    for begin in range(0, 16, 4):
        stream.send(X[begin : begin + 4], Y[begin : begin + 4])
        if begin < 12:
            stream.receive()
    servicer.faults.refuse_anchors = 1
    with pytest.raises(BackpropdError, match="no anchor now"):
        stream.flush_durable(timeout=30)
    assert told == []
    servicer.tells = True
    stream.flush_durable()
    stream.close()
    assert [(each.epoch_before, each.epoch, each.lost_steps > 0) for each in told] == [(3, 4, True)]


@pytest.mark.parametrize("kind", ["plain"])
def test_who_reads_a_replica_that_begins_anew_sees_the_old_weights_or_the_new_ones(session: Session) -> None:
    replica = session.replica()
    session.train(X, Y)
    new = session.weights(with_state=True)
    begun = threading.Event()

    class SlowArray(np.ndarray):
        """Is copied while others run."""

        def copy(self, *_: object) -> np.ndarray:
            begun.set()
            time.sleep(0.1)
            return np.array(self)

    slow = dataclasses.replace(new, state=new.state.view(SlowArray))
    writer = threading.Thread(target=replica.reset, args=(slow,))
    writer.start()
    begun.wait()
    assert replica.verify(new) is None
    assert replica.digest() == new.digest
    writer.join()
