# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what is asked, what comes back, when it is asked again."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from backpropd import (
    CheckpointExistsError,
    CheckpointNotFoundError,
    ServerUnavailableError,
    Session,
    SessionHasWriterError,
)
from fake_server import FakeServicer

X = np.ones((4, 3), dtype="f4")
Y = np.zeros(4, dtype=int)


def test_checkpoints_are_made_listed_and_deleted(session: Session) -> None:
    session.train(X, Y)
    made = [session.create_checkpoint(name) for name in ("c", "a", "b")]
    assert (made[0].name, made[0].step, made[0].next_offset) == ("c", 4, 4)
    assert made[0].digest == session.weights().digest
    assert not made[0].HasField("expire_time")
    assert [kept.name for kept in session.checkpoints(page_size=2)] == ["a", "b", "c"]
    session.delete_checkpoint("a")
    assert [kept.name for kept in session.checkpoints()] == ["b", "c"]
    with pytest.raises(CheckpointNotFoundError):
        session.delete_checkpoint("a")
    session.train(X, Y)
    with pytest.raises(CheckpointExistsError):
        session.create_checkpoint("b")


@pytest.mark.parametrize("span", [datetime.timedelta(minutes=1), 60, 60.0])
def test_how_long_a_checkpoint_is_kept(session: Session, span: float) -> None:
    made = session.create_checkpoint("a", expire_after=span, pinned=True)
    assert (made.expire_time.seconds, made.pinned) == (60, True)
    changed = session.update_checkpoint("a", pinned=False)
    assert (changed.expire_time.seconds, changed.pinned) == (60, False)
    changed = session.update_checkpoint("a", expire_after=2.5)
    assert (changed.expire_time.ToMilliseconds(), changed.pinned) == (2500, False)
    assert not session.update_checkpoint("a", expire_after=None).HasField("expire_time")


@pytest.mark.parametrize("span", [float("nan"), float("inf"), 1e20])
def test_what_is_no_time_span_is_refused(session: Session, span: float) -> None:
    with pytest.raises(ValueError, match="no time span"):
        session.create_checkpoint("a", expire_after=span)
    with pytest.raises(ValueError, match="Nothing to update"):
        session.update_checkpoint("a")


def test_making_and_deleting_are_safe_to_repeat(session: Session, servicer: FakeServicer) -> None:
    for call in (session.create_checkpoint, session.delete_checkpoint):
        servicer.faults.fail_unary = 1  # it is done, and the answer is lost
        call("a")
        assert servicer.faults.fail_unary == 0
    assert servicer.sessions[session.session_id].checkpoints == {}


def test_a_checkpoint_whose_answer_was_lost_is_found_though_the_session_went_on(
    session: Session, servicer: FakeServicer
) -> None:
    session.train(X, Y)
    servicer.faults.lose_checkpoint = 1
    made = session.create_checkpoint("a")
    assert (made.name, made.step, session.refresh().step) == ("a", 4, 5)


@pytest.mark.parametrize("epoch_is_older", [True, False])
def test_a_checkpoint_that_was_there_before_is_not_taken_for_the_lost_one(
    session: Session, servicer: FakeServicer, *, epoch_is_older: bool
) -> None:
    session.train(X, Y)
    session.create_checkpoint("a")
    if epoch_is_older:
        session.create_checkpoint("b")
        session.train(X, Y)
        session.delete_checkpoint("a")
        session.create_checkpoint("a")
        session.rewind("b")
    else:
        session.train(X, Y)
    servicer.faults.lose_checkpoint = 1
    with pytest.raises(CheckpointExistsError):
        session.create_checkpoint("a")
    assert servicer.faults.lose_checkpoint == 0


def test_a_rewound_session_is_as_it_was_and_its_replicas_begin_anew(session: Session) -> None:
    session.train(X, Y)
    kept = session.weights(with_state=True)
    session.create_checkpoint("a")
    replica = session.replica()
    session.train(X, Y, replicas=[replica])
    with session.stream(), pytest.raises(SessionHasWriterError):
        session.rewind("a")
    assert session.rewind("a").step == 4
    assert session.info.epoch == 4
    assert session.weights(with_state=True).to_bytes() == kept.to_bytes()
    session.train(X, Y, replicas=[replica])
    assert replica.verify(session.weights(with_state=True)) is None
    with pytest.raises(CheckpointNotFoundError):
        session.rewind("b")


def test_a_rewind_is_not_repeated(session: Session, servicer: FakeServicer) -> None:
    session.create_checkpoint("a")
    servicer.faults.fail_unary = 1
    with pytest.raises(ServerUnavailableError):
        session.rewind("a")
    assert servicer.sessions[session.session_id].info.epoch == 4


def test_a_fork_names_its_checkpoint(session: Session, servicer: FakeServicer) -> None:
    session.create_checkpoint("a")
    session.fork(checkpoint="a", with_state=True)
    fork = servicer.creations[-1].fork
    assert (fork.session_id, fork.checkpoint, fork.with_state) == (session.session_id, "a", True)
