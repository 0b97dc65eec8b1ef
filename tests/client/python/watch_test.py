# SPDX-License-Identifier: Apache-2.0
"""Watching a session: replicas stay current through breaks, gaps and goodbyes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from backpropd import (
    DeltaBatch,
    ReplicaGapError,
    ServerUnavailableError,
    Session,
    SessionNotFoundError,
    TrainingClient,
    Watch,
)
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.watch_state import WatchState
from fake_clock import FakeClock
from fake_server import FakeServicer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((8, 3)).astype("f4")
Y = RNG.integers(0, 2, 8)


@pytest.fixture(params=[pb.Optimiser(sgd=pb.Sgd()), pb.Optimiser(adam=pb.Adam())], ids=["sgd", "adam"])
def session(client: TrainingClient, spec: pb.SessionSpec, request: pytest.FixtureRequest) -> Session:
    spec.optimiser.CopyFrom(request.param)
    spec.optimiser.learning_rate = 0.1
    return client.create(spec)


def catch_up(watch: Watch, session: Session) -> bool:
    """Iterates up to the session's step; whether steps were missed."""
    resynced = False
    step = session.refresh().step
    for batch in watch:
        resynced = resynced or batch.resynced
        if batch.step >= step:
            break
    return resynced


@contextmanager
def training(session: Session) -> Iterator[None]:
    """Trains a moment after the context was entered, which ends when that is done."""
    trainer = threading.Timer(0.1, session.train, (X, Y))
    trainer.start()
    yield
    trainer.join()


def follow_training(watch: Watch, session: Session) -> DeltaBatch:
    """Trains, and iterates up to the session's step; the first batch of that."""
    with training(session):
        first = next(watch)
    if first.step < session.refresh().step:
        catch_up(watch, session)
    return first


def test_replicas_follow_from_their_step(session: Session, servicer: FakeServicer) -> None:
    replica = session.replica()
    session.train(X, Y)
    other = session.replica()
    other.reset(session.weights(with_state=True))
    with session.watch(replica) as watch:
        batch = next(watch)
        assert (batch.base_step, batch.step, len(batch.errors)) == (0, 8, 8)
        session.train(X, Y)
        catch_up(watch, session)
    assert replica.verify(session.weights(with_state=True)) is None
    assert servicer.watch_requests[0].after_step == 0


@pytest.mark.parametrize("end", ["break", "goodbye", "resync"])
def test_a_watch_that_ends_is_begun_again_where_it_was_or_at_an_anchor(
    session: Session, servicer: FakeServicer, clock: FakeClock, end: str
) -> None:
    replica, missed = session.replica(), end == "resync"
    anchors = servicer.anchors
    with session.watch(replica) as watch:
        session.train(X, Y)
        catch_up(watch, session)
        servicer.watch_end.append(end)
        while servicer.watch_end:
            threading.Event().wait(0.001)
        session.train(X, Y)
        assert catch_up(watch, session) == missed
    assert [request.after_step for request in servicer.watch_requests] == [0, 0 if missed else 8]
    assert [request.HasField("after_step") for request in servicer.watch_requests] == [True, not missed]
    assert servicer.watch_requests[1].epoch == session.info.epoch == 3
    assert clock.waits == pytest.approx([] if missed else [0.1])
    assert servicer.anchors == anchors + missed
    assert replica.verify(session.weights(with_state=True)) is None


def test_a_watcher_that_falls_behind_goes_on_from_an_anchor_in_the_same_call(
    session: Session, servicer: FakeServicer
) -> None:
    replica = session.replica()
    with session.watch(replica) as watch:
        session.train(X, Y)
        catch_up(watch, session)
        with servicer.lock:
            fake = servicer.sessions[session.session_id]
            for row in X:
                fake.make_step(row.tobytes(), row[None])
            fake.forgotten = 16
        with training(session):
            batch = next(watch)
        assert batch.resynced
        assert batch.base_step == 16
        if batch.step < 24:
            assert not catch_up(watch, session)
    assert len(servicer.watch_requests) == 1
    assert replica.verify(session.weights(with_state=True)) is None


def test_a_watch_without_replicas_asks_for_no_anchor(session: Session, servicer: FakeServicer) -> None:
    with session.watch() as watch:
        follow_training(watch, session)
        servicer.watch_end.append("resync")
        while servicer.watch_end:
            threading.Event().wait(0.001)
        with training(session):
            assert next(watch).resynced
    assert servicer.anchors == 0
    assert not any(request.with_anchor or request.with_state for request in servicer.watch_requests)


def test_an_anchor_that_breaks_off_is_begun_anew(session: Session) -> None:
    replica = session.replica()
    watch = WatchState(session.spec, session.layout, [replica], None)
    weights = session.weights(with_state=True)
    numbers = np.concatenate([weights.weights, weights.state.reshape(-1)])
    cut = rpc.WatchDeltasResponse(base_step=9, step=9)
    cut.anchor.step, cut.anchor.digest, cut.anchor.weight_count = 9, weights.digest, len(weights.weights)
    cut.anchor.weights = numbers[:5].tobytes()
    assert watch.take(cut) is None
    assert replica.step == 0
    with pytest.raises(ReplicaGapError):
        watch.take(rpc.WatchDeltasResponse(base_step=9, step=10))
    request = watch.request("s")
    assert (request.with_anchor, request.with_state, request.after_step) == (True, True, 0)
    cut.anchor_done = True
    cut.anchor.weights = numbers.tobytes()
    whole = watch.take(cut)
    assert whole is not None
    assert (whole.base_step, whole.step, whole.anchored, whole.resynced) == (9, 9, True, True)
    assert (len(whole.rows), len(whole.errors)) == (0, 0)
    assert replica.step == 9
    assert watch.take(rpc.WatchDeltasResponse(base_step=9, step=9)) is None


def test_steps_that_are_not_held_are_replaced_by_an_anchor(session: Session, servicer: FakeServicer) -> None:
    replica = session.replica()
    session.train(X, Y)
    servicer.sessions[session.session_id].forgotten = 4
    with session.watch(replica) as watch:
        assert follow_training(watch, session).resynced
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
def test_a_watch_that_only_ever_gets_the_same_anchor_is_given_up(
    session: Session, servicer: FakeServicer, clock: FakeClock
) -> None:
    replica = session.replica()
    session.train(X, Y)
    servicer.sessions[session.session_id].forgotten = 4
    servicer.watch_end.extend(["break", "resync"] * 20)
    with session.watch(replica) as watch, pytest.raises(ServerUnavailableError):
        list(itertools.islice(watch, 15))
    assert replica.step == 8
    assert len(clock.waits) == 11
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.usefixtures("in_time")
def test_an_anchor_is_given_out_though_no_step_follows_it(session: Session, servicer: FakeServicer) -> None:
    old, behind = session.replica(), session.replica()
    session.train(X, Y)
    servicer.sessions[session.session_id].forgotten = 4
    # Two at different steps begin at an anchor, for which nothing needs to be missed.
    for replicas, resynced in (([behind], True), ([old, behind], False)):
        step = session.refresh().step
        with session.watch(*replicas) as watch:
            batch = next(watch)
            assert (batch.base_step, batch.step, batch.next_offset) == (step, step, step)
            assert (batch.anchored, batch.resynced, len(batch.errors)) == (True, resynced, 0)
            for replica in replicas:
                replica.apply(batch)  # it is of no steps, and can be applied
                assert replica.verify(session.weights(with_state=True)) is None
            session.train(X, Y)
            after = next(watch)
            assert (after.base_step, after.anchored, after.resynced) == (step, False, False)


@pytest.mark.usefixtures("in_time")
def test_a_watch_without_replicas_tells_where_it_goes_on(session: Session, servicer: FakeServicer) -> None:
    session.train(X, Y)
    servicer.sessions[session.session_id].forgotten = 4
    with session.watch(after_step=0) as watch:
        batch = next(watch)
        assert (batch.base_step, batch.step, batch.resynced, batch.anchored) == (8, 8, True, False)
        session.train(X, Y)
        assert not next(watch).resynced
    assert servicer.anchors == 0


def test_replicas_at_different_steps_begin_at_one_anchor(session: Session) -> None:
    old = session.replica()
    session.train(X, Y)
    new = session.replica()
    with session.watch(old, new) as watch:
        follow_training(watch, session)
    assert (old.step, old.digest()) == (new.step, new.digest())


def test_a_deleted_session_ends_the_iteration(session: Session) -> None:
    session.train(X, Y)
    with session.watch(after_step=0) as watch:
        assert next(watch).step == 8
        session.delete()
        assert list(watch) == []
    with pytest.raises(SessionNotFoundError):
        next(session.watch())


@pytest.mark.parametrize("kind", ["plain"])
def test_a_watch_that_was_interrupted_goes_on(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    replica = session.replica()
    with session.watch(replica) as watch:
        session.train(X, Y)
        for where in ("backpropd.sync.call.take", "backpropd.replica.weight_mover.WeightMover.advance"):
            with monkeypatch.context() as patch:
                patch.setattr(where, interrupt)
                with pytest.raises(KeyboardInterrupt):
                    next(watch)
        assert replica.interrupted  # within a step, the second time
        done = threading.Event()

        def train_on() -> None:
            while not done.wait(0.05):
                session.train(X, Y)

        trainer = threading.Thread(target=train_on)
        trainer.start()
        assert next(watch).resynced
        done.set()
        trainer.join()
        if replica.step < session.refresh().step:
            catch_up(watch, session)
    assert replica.verify(session.weights(with_state=True)) is None


def test_closing_ends_the_iteration_from_another_thread(session: Session) -> None:
    watch = session.watch()
    closer = threading.Timer(0.1, watch.close)
    closer.start()
    assert list(watch) == []
    closer.join()


def test_what_a_learnt_standardisation_is_the_first_response_tells(
    client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec
) -> None:
    spec.input.standardisation.learn_samples = 2
    session = client.create(spec)
    replica = session.replica()
    known = servicer.sessions[session.session_id].info.spec.input.standardisation
    known.mean.extend([0.5, 0.25, 0])
    known.factor.extend([2, 1, 3])
    session.train(X, Y)
    anchors = servicer.anchors
    with session.watch(replica) as watch:
        catch_up(watch, session)
    assert servicer.anchors == anchors
    assert replica.verify(session.weights()) is None


def test_a_standardisation_learnt_meanwhile_comes_with_its_response(
    client: TrainingClient, spec: pb.SessionSpec
) -> None:
    spec.input.standardisation.learn_samples = 2
    session = client.create(spec)
    replica = session.replica()
    watch = WatchState(session.spec, session.layout, [replica], None)
    learnt = pb.Standardisation(mean=[0.5, 0.25, 0], factor=[2, 1, 3])
    assert watch.take(rpc.WatchDeltasResponse()) is None
    assert not replica.knows_inputs
    assert watch.take(rpc.WatchDeltasResponse(next_offset=2, standardisation=learnt)) is None
    assert replica.knows_inputs


def test_a_step_that_the_session_has_not_reached_is_replaced_by_an_anchor(
    session: Session, servicer: FakeServicer
) -> None:
    session.train(X, Y)
    ahead = session.replica()
    fake = servicer.sessions[session.session_id]
    fake.info.step, fake.info.next_offset, fake.journal = 4, 4, fake.journal[:4]
    with session.watch(ahead) as watch:
        assert follow_training(watch, session).resynced
    assert ahead.verify(session.weights(with_state=True)) is None


@pytest.fixture
def state(session: Session) -> Callable[[int | None], WatchState]:
    return lambda after: WatchState(session.spec, session.layout, [], after)


def test_steps_that_do_not_follow_are_refused(state: Callable[[int | None], WatchState]) -> None:
    watch = state(3)
    with pytest.raises(ReplicaGapError):
        watch.take(rpc.WatchDeltasResponse(base_step=4, step=4))
    assert state(None).take(rpc.WatchDeltasResponse(base_step=4, step=4)) is None
