# SPDX-License-Identifier: Apache-2.0
"""Train streams: exactly once, whatever breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from as_plain import NewClient
from backpropd import (
    NO_RETRY,
    BackpropdError,
    DigestMismatchError,
    InvalidRequestError,
    NonFiniteStepError,
    Replica,
    RetryPolicy,
    SamplesLostError,
    ServerUnavailableError,
    Session,
    SessionBusyError,
    SessionHasWriterError,
    SessionNotFoundError,
    Trained,
    TrainingClient,
)
from backpropd.left_calls import LINGER
from backpropd.samples import Samples
from backpropd.v1 import network_pb2 as pb
from fake_clock import FakeClock
from fake_server import FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 3)).astype("f4")
Y = RNG.integers(0, 2, 24)


def interrupt(*_: object) -> None:
    """Instead of something: Ctrl-C."""
    raise KeyboardInterrupt


def send_all(session: Session, *replicas: Replica, size: int = 4, window: int = 2) -> list[Trained]:
    """Trains on X in messages of `size`; the answers."""
    answers: list[Trained] = []
    with session.stream(*replicas, window=window) as stream:
        for begin in range(0, len(X), size):
            stream.send(X[begin : begin + size], Y[begin : begin + size], want_digest=True)
            answers += stream.ready()
        answers += stream.flush()
    return answers


def check_all_arrived_once(session: Session, servicer: FakeServicer, answers: list[Trained], replica: Replica) -> None:
    """All of X was trained, in order and once; the answers tell of each sample, and the replica is current."""
    kept = servicer.sessions[session.session_id]
    assert b"".join(step.inputs for step in kept.journal) == X.tobytes()
    assert sum(len(answer.errors) + answer.skipped_samples for answer in answers) == 24
    assert replica.verify(session.weights(with_state=True)) is None


def test_a_replica_follows(session: Session) -> None:
    replica = session.replica()
    answers = send_all(session, replica)
    assert [answer.step for answer in answers] == [4, 8, 12, 16, 20, 24]
    assert [len(answer.errors) for answer in answers] == [4] * 6
    assert replica.step == 24
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.parametrize("optimiser", [pb.Optimiser(adam=pb.Adam()), pb.Optimiser(sgd=pb.Sgd(momentum=0.5))])
@pytest.mark.parametrize("fault", ["break_before", "lose_answer_of", "half_answer_of", "half_apply", "goodbye_after"])
@pytest.mark.parametrize("window", [1, 3])
def test_no_sample_is_lost_or_repeated(
    client: TrainingClient,
    servicer: FakeServicer,
    clock: FakeClock,
    spec: pb.SessionSpec,
    optimiser: pb.Optimiser,
    fault: str,
    window: int,
) -> None:
    spec.optimiser.CopyFrom(optimiser)
    spec.optimiser.learning_rate = 0.1
    session = client.create(spec)
    replica = session.replica()
    getattr(servicer.faults, fault).update({1, 3})
    answers = send_all(session, replica, window=window)
    assert [answer.offset for answer in answers] == [0, 4, 8, 12, 16, 20]
    assert sum(answer.samples for answer in answers) == 24
    assert servicer.openings == 3
    assert clock.waits == pytest.approx([0.1, 0.1])
    assert replica.step == 24
    check_all_arrived_once(session, servicer, answers, replica)


def test_answers_that_were_lost_are_told_and_the_replica_fetches_an_anchor(
    session: Session, servicer: FakeServicer
) -> None:
    servicer.held_steps = 0
    replica = session.replica()
    before = servicer.anchors
    servicer.faults.lose_answer_of.add(2)
    answers = send_all(session, replica, window=1)
    assert [answer.skipped_samples for answer in answers] == [0, 0, 4, 0, 0, 0]
    assert len(answers[2].errors) == 0
    assert servicer.anchors == before + 1


@pytest.mark.usefixtures("in_time")
def test_a_stream_goes_on_after_an_anchor_could_not_be_had(session: Session, servicer: FakeServicer) -> None:
    servicer.held_steps = 0
    replica = session.replica()
    servicer.faults.lose_answer_of.add(1)
    with session.stream(replica, window=3) as stream:
        servicer.faults.refuse_anchors = 1
        stream.send(X[:4], Y[:4])
        answers = [stream.receive()]  # else it might be lost with the next one
        stream.send(X[4:8], Y[4:8])
        with pytest.raises(BackpropdError, match="no anchor now"):
            stream.receive()
        while servicer.sessions[session.session_id].has_writer:
            time.sleep(0.001)  # the call was hung up
        answers += stream.flush()  # what was sent is sent again, though nothing new is
        for begin in range(8, 24, 4):
            answers += stream.ready()
            stream.send(X[begin : begin + 4], Y[begin : begin + 4])
        answers += stream.flush()
    assert servicer.openings == 3
    check_all_arrived_once(session, servicer, answers, replica)


@pytest.mark.parametrize("fault", ["lose_answer_of", "half_answer_of"])
def test_a_replica_is_current_though_the_last_answer_was_lost(
    session: Session, servicer: FakeServicer, fault: str
) -> None:
    replica = session.replica()
    getattr(servicer.faults, fault).add(5)
    send_all(session, replica, window=1)
    assert replica.step == 24
    assert replica.verify(session.weights(with_state=True)) is None


def test_reconnecting_waits_longer_each_time_with_a_bound(
    session: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    servicer.faults.break_before.add(1)
    stream = session.stream(window=1).open()
    stream.send(X[:4], Y[:4])
    stream.receive()
    servicer.faults.refuse_opening = 9
    stream.send(X[4:8], Y[4:8])
    stream.receive()
    stream.close()
    assert clock.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])


def test_it_gives_up(
    new_client: NewClient,
    servicer: FakeServicer,
    clock: FakeClock,
    spec: pb.SessionSpec,
) -> None:
    with new_client(retry=RetryPolicy(attempts=3)) as client:
        session = client.create(spec)
        servicer.faults.refuse_opening = 100
        with pytest.raises(ServerUnavailableError):
            session.stream().open()
        assert len(clock.waits) == 2
        assert servicer.openings == 3


@pytest.mark.usefixtures("in_time")
def test_an_opening_that_is_never_answered_is_tried_again(
    new_client: NewClient, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    with new_client(timeout=0.5) as client:
        session = client.create(spec)
        servicer.faults.silent_openings = 2
        send_all(session, session.replica(), window=1)
        assert servicer.openings == 3
    with new_client(timeout=0.5, retry=RetryPolicy(attempts=1)) as client:
        servicer.faults.silent_openings = 1
        with pytest.raises(ServerUnavailableError, match=r"did not answer the opening of the stream within 0\.5 s"):
            client.create(spec).stream().open()


def test_answers_begin_the_count_of_attempts_anew(session: Session, servicer: FakeServicer, clock: FakeClock) -> None:
    servicer.faults.break_before.update({1, 3, 5, 7})
    send_all(session, window=1)
    assert clock.waits == pytest.approx([0.1] * 4)


def test_the_own_old_stream_is_waited_for_after_a_break_only(
    session: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    servicer.faults.break_before.add(0)
    servicer.faults.writer_stays = 2
    send_all(session)
    assert len(clock.waits) == 3
    with session.stream(), pytest.raises(SessionHasWriterError):
        session.stream().open()
    assert len(clock.waits) == 3


def leave_stream(session: Session, servicer: FakeServicer) -> None:
    """Leaves a stream; the server knows of it, so that only writer_stays keeps its writer."""
    session.stream().open().cancel()
    while servicer.sessions[session.session_id].has_writer:
        time.sleep(0.001)


def test_a_stream_that_was_left_is_waited_for_by_whoever_got_the_session(
    client: TrainingClient, session: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    again = client.get(session.session_id)
    for call in (lambda: again.train(X, Y), lambda: again.train_step(X[0], [0.0, 1.0]), again.delete):
        leave_stream(session, servicer)
        servicer.faults.writer_stays = 2
        before = len(clock.waits)
        call()
        assert len(clock.waits) == before + 2


SERVER_KEEPS = 40
"""Looks after which the server has dropped the writer of a connection that vanished; about as many seconds."""


def calls_that_train(session: Session) -> list[Callable[[], Any]]:
    """What a writer stands in the way of."""
    return [lambda: session.train(X, Y), lambda: session.train_step(X[0], [0.0, 1.0]), session.delete]


@pytest.mark.parametrize("which", range(3))
def test_a_writer_that_vanished_is_waited_for_as_long_as_the_server_keeps_it(
    session: Session, servicer: FakeServicer, clock: FakeClock, which: int
) -> None:
    leave_stream(session, servicer)
    servicer.faults.writer_stays = SERVER_KEEPS
    calls_that_train(session)[which]()
    assert len(clock.waits) == SERVER_KEEPS
    assert clock.waits[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1])
    assert set(clock.waits[4:]) == {1.0}


@pytest.mark.parametrize("which", range(3))
def test_a_writer_that_stays_is_somebody_elses(
    session: Session, servicer: FakeServicer, clock: FakeClock, which: int
) -> None:
    session.stream().open().cancel()
    servicer.faults.writer_stays = 1000
    with pytest.raises((SessionHasWriterError, SessionBusyError)):
        calls_that_train(session)[which]()
    assert LINGER < clock.time <= LINGER + 1


@pytest.mark.parametrize(("retry", "longest"), [(NO_RETRY, 0), (RetryPolicy(within=10), 10)])
def test_a_policy_bounds_the_wait_for_a_writer_too(
    new_client: NewClient,
    servicer: FakeServicer,
    clock: FakeClock,
    spec: pb.SessionSpec,
    retry: RetryPolicy,
    longest: int,
) -> None:
    with new_client(retry=retry) as client:
        session = client.create(spec)
        session.stream().open().cancel()
        servicer.faults.writer_stays = 1000
        with pytest.raises(SessionHasWriterError):
            session.train(X, Y)
    assert longest - 1 <= clock.time <= longest


def test_what_was_left_long_ago_is_no_reason_to_wait(
    session: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    session.stream().open().cancel()
    servicer.faults.writer_stays = 1
    clock.time += LINGER + 1
    with pytest.raises(SessionHasWriterError):
        session.stream().open()
    assert clock.waits == []


@pytest.mark.parametrize("kind", ["plain"])
@pytest.mark.parametrize("after", range(6))
def test_a_stream_that_was_interrupted_while_it_waited_goes_on(
    session: Session, servicer: FakeServicer, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    replica = session.replica()
    stream = session.stream(replica, window=3).open()
    answers: list[Trained] = []
    for begin in range(0, 24, 4):
        with monkeypatch.context() as patch:
            if begin == after * 4:
                patch.setattr("backpropd.sync.call.take", interrupt)
            try:
                stream.send(X[begin : begin + 4], Y[begin : begin + 4])
                answers.append(stream.receive())
            except KeyboardInterrupt:
                assert begin == after * 4
    answers += stream.flush()
    stream.close()
    check_all_arrived_once(session, servicer, answers, replica)


@pytest.mark.parametrize("kind", ["plain"])
def test_a_stream_that_was_interrupted_within_an_answer_says_so(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = session.replica()
    stream = session.stream(replica).open()
    stream.send(X[:4], Y[:4])
    with monkeypatch.context() as patch:
        patch.setattr("backpropd.sample_ledger.SampleLedger.answer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stream.receive()
    with pytest.raises(BackpropdError, match="open another"):
        stream.receive()
    session.train(X, Y, replicas=[replica])
    assert replica.verify(session.weights(with_state=True)) is None


def test_a_session_that_is_gone_ends_the_stream(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.break_before.add(0)
    stream = session.stream().open()
    del servicer.sessions[session.session_id]
    stream.send(X[:4], Y[:4])
    with pytest.raises(SessionNotFoundError):
        stream.receive()


def test_a_session_that_went_back_is_noticed(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.break_before.add(1)
    stream = session.stream().open()
    stream.send(X[:4], Y[:4])
    stream.receive()
    servicer.sessions[session.session_id].info.next_offset = 2
    stream.send(X[4:8], Y[4:8])
    with pytest.raises(SamplesLostError):
        stream.receive()


def test_a_replica_of_a_session_that_went_back_begins_anew(session: Session, servicer: FakeServicer) -> None:
    replica = session.replica()
    session.train(X, Y, replicas=[replica])
    kept = servicer.sessions[session.session_id]
    kept.info.step = kept.info.next_offset = 4
    kept.weights[:] = 1
    session.train(X[:2], Y[:2], replicas=[replica])
    assert replica.verify(session.weights()) is None


def test_a_bad_message_is_refused_and_the_stream_goes_on(session: Session) -> None:
    replica = session.replica()
    with session.stream(replica, window=4) as stream:
        stream.send(X[:4], Y[:4])
        # The checks of send() would keep the fault from the server.
        classes = np.full(4, 9, dtype="u4")
        stream.send_samples(Samples(X[4:8], None, classes))
        stream.send(X[8:12], Y[8:12])
        assert stream.unanswered > 0
        assert stream.receive().step == 4
        with pytest.raises(InvalidRequestError) as refused:
            stream.receive()
        assert refused.value.next_offset == 4
        assert [(fault.field, fault.description) for fault in refused.value.field_violations] == [
            ("classes[0]", "too large")
        ]
        assert stream.unanswered == 0
        stream.send(X[4:8], Y[4:8])
        assert stream.receive().step == 8
    assert replica.verify(session.weights(with_state=True)) is None


def test_steps_before_a_refused_one_are_answered(session: Session, servicer: FakeServicer) -> None:
    replica = session.replica()
    servicer.faults.non_finite_at.add(0)
    stream = session.stream(replica).open()
    stream.send(X[:4], Y[:4])
    assert stream.receive().step == 1
    with pytest.raises(NonFiniteStepError) as refused:
        stream.receive()
    assert refused.value.next_offset == 1
    assert replica.step == 1
    assert stream.next_offset == 1
    stream.send(X[1:4], Y[1:4])
    assert stream.receive().step == 4
    stream.close()
    assert replica.verify(session.weights(with_state=True)) is None


def test_a_wrong_digest_is_raised(session: Session, servicer: FakeServicer) -> None:
    replica = session.replica()
    servicer.faults.lose_digest = True
    with pytest.raises(DigestMismatchError):
        send_all(session, replica)


def test_messages_that_make_no_whole_steps_are_not_sent(client: TrainingClient, spec: pb.SessionSpec) -> None:
    spec.batch_size = 3
    stream = client.create(spec).stream()
    with pytest.raises(ValueError, match="4 samples"):
        stream.send(X[:4], Y[:4])
    with pytest.raises(LookupError):
        stream.receive()


def test_arrays_may_be_changed_once_they_are_sent(session: Session) -> None:
    replica = session.replica()
    with session.stream(replica) as stream:
        x = X[:4].copy()
        stream.send(x, Y[:4])
        x[:] = 0
    assert replica.verify(session.weights(with_state=True)) is None


def test_deltas_are_kept_if_asked_for(session: Session, servicer: FakeServicer) -> None:
    with session.stream(keep_deltas=True) as stream:
        stream.send(X[:4], Y[:4])
        answer = stream.receive()
    kept = servicer.sessions[session.session_id].journal
    assert np.array_equal(answer.deltas, np.stack([step.row for step in kept]))


def test_training_on_arrays(session: Session) -> None:
    replica = session.replica()
    result = session.train(X, Y, epochs=2, shuffle_seed=1, replicas=[replica], progress=True)
    assert (result.step, result.samples, len(result.errors), result.left_over) == (48, 48, 48, 0)
    assert replica.verify(session.weights()) is None


def test_training_on_chunks_of_any_length(client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    spec.batch_size = 5
    session = client.create(spec)
    chunks = ((X[begin : begin + 7], Y[begin : begin + 7]) for begin in range(0, 24, 7))
    result = session.train(chunks)
    assert (result.step, result.samples, result.left_over) == (4, 20, 4)
    assert b"".join(step.inputs for step in servicer.sessions[session.session_id].journal) == X[:20].tobytes()


def test_an_iterable_is_gone_through_once(session: Session) -> None:
    with pytest.raises(ValueError, match="once"):
        session.train([(X, Y)], epochs=2)


def test_training_survives_a_server_that_shuts_down(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.goodbye_after.add(0)
    session.train(X, Y)
    assert session.train(X, Y).samples == 24
    assert servicer.sessions[session.session_id].info.next_offset == 48
