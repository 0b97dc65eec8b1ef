# SPDX-License-Identifier: Apache-2.0
"""Calls that are no streams: what is asked, what comes back, when it is asked again."""

from __future__ import annotations

import datetime

import grpc
import numpy as np
import pytest
from backpropd import (
    Anchor,
    DigestMismatchError,
    InvalidRequestError,
    Session,
    SessionBusyError,
    SessionNotFoundError,
    TrainingClient,
    adam,
    network,
    sgd,
)
from backpropd.spans import Span
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_clock import FakeClock
from fake_server import FakeServicer
from google.protobuf.duration_pb2 import Duration

X = np.zeros((6, 3), dtype="f4")


def test_sessions_are_made_found_listed_and_deleted(client: TrainingClient, spec: pb.SessionSpec) -> None:
    made = [client.create(spec) for _ in range(3)]
    assert client.get(made[1].session_id).spec == made[1].spec
    assert [session.session_id for session in client.list(page_size=2)] == ["s0", "s1", "s2"]
    made[1].delete()
    assert [session.session_id for session in client.list()] == ["s0", "s2"]


def test_the_server_tells_what_it_is(client: TrainingClient, servicer: FakeServicer, clock: FakeClock) -> None:
    servicer.faults.fail_unary = 1
    info = client.server_info()
    assert clock.waits == pytest.approx([0.1])
    assert (info.version, info.compute.threads, info.limits.max_message_bytes) == ("0.0.1", 2, 4_000_000)


def test_creating_is_safe_to_repeat(
    client: TrainingClient, servicer: FakeServicer, clock: FakeClock, spec: pb.SessionSpec
) -> None:
    servicer.faults.fail_unary = 2
    client.create(spec)
    assert len(servicer.sessions) == 1
    assert clock.waits == pytest.approx([0.1, 0.2])
    assert client.create(spec, request_id="one").session_id == client.create(spec, request_id="one").session_id


def test_deleting_is_safe_to_repeat(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.fail_unary = 1  # it is deleted, and the answer is lost
    session.delete()
    with pytest.raises(SessionNotFoundError):
        session.delete()


def test_errors_carry_reason_code_and_violations(client: TrainingClient) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        client.create(pb.SessionSpec(layers=[pb.Layer(size=1)], optimiser=sgd(1)))
    error = raised.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_REQUEST"
    assert [(fault.field, fault.description) for fault in error.field_violations] == [
        ("spec.input_size", "must be at least 1")
    ]
    assert str(error) == "INVALID_REQUEST: bad spec; spec.input_size: must be at least 1"


def test_a_session_that_is_trained_is_not_deleted(session: Session) -> None:
    with session.stream(), pytest.raises(SessionBusyError):
        session.delete()


def test_a_step_by_hand(session: Session) -> None:
    before = session.weights()
    result = session.train_step(X[0], 1)
    after = session.weights()
    assert (result.step, result.outputs.shape, result.digest) == (1, (1, 2), after.digest)
    assert not result.already_applied
    for (old, old_bias), (new, new_bias), (delta, delta_bias) in zip(
        before.layers(session.layout), after.layers(session.layout), result.deltas, strict=True
    ):
        assert np.array_equal(new - old, delta)
        assert np.array_equal(new_bias - old_bias, delta_bias)


def test_a_step_by_hand_whose_answer_is_lost_is_made_once(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.fail_unary = 2
    result = session.train_step(X[0], [0.0, 1.0])
    assert session.refresh().step == 1
    assert (result.step, result.already_applied, result.digest) == (1, True, 0)
    assert (np.isnan(result.error), result.outputs.shape, result.deltas) == (True, (0, 2), [])
    assert session.train_step(X[0], [0.0, 1.0]).step == 2  # another call is another step
    for _ in range(2):
        assert session.train_step(X[0], [0.0, 1.0], request_id="mine").step == 3


def test_an_update_whose_answer_is_lost_is_made_once(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.fail_unary = 2
    assert session.update(learning_rate=0.25) == 1
    session.update(learning_rate=0.125)
    session.update(learning_rate=0.0625, request_id="mine")
    ids = [update.request_id for update in servicer.updates]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids[4] == "mine"
    assert all(len(identity) == 36 for identity in ids[:4])


def test_a_fork_begins_with_the_origins_weights(client: TrainingClient, spec: pb.SessionSpec) -> None:
    session = client.create(spec, initial=np.arange(26))
    fork = session.fork(with_state=True)
    assert fork.info.forked_from == session.session_id
    assert np.array_equal(fork.weights().weights, np.arange(26))


def test_an_anchor_puts_a_session_back(client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    spec.optimiser.CopyFrom(adam(0.1))
    session = client.create(spec)
    session.train_step(X[0], 1)
    kept = session.weights(with_state=True)
    assert kept.spec == session.spec
    assert kept.continuation.state_age == 1
    for anchor in (kept, Anchor.from_bytes(kept.to_bytes())):
        back = client.create(anchor.spec, initial=anchor)
        assert (back.step, back.info.next_offset) == (1, 1)
        assert back.weights(with_state=True).to_bytes() == kept.to_bytes()
        sent = servicer.creations[-1]
        assert sent.initial == kept.message()
        assert sent.initial.digest == kept.digest
        assert sent.spec == session.spec


def test_what_is_no_kept_session_is_refused(client: TrainingClient, spec: pb.SessionSpec) -> None:
    kept = client.create(spec).weights(with_state=True).to_bytes()
    request = rpc.CreateSessionRequest.FromString(kept)
    request.initial.weights = request.initial.weights[:-1] + b"?"
    damaged = request.SerializeToString()
    request.initial.state = b"1234"
    for data, why in (
        (b"", "weights are missing"),
        (kept[:-1], "No kept session"),
        (damaged, "digest"),
        (request.SerializeToString(), "the state does not fit"),
    ):
        with pytest.raises(ValueError, match=why):
            Anchor.from_bytes(data)


def test_updates_name_their_fields(client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    spec.optimiser.CopyFrom(adam(0.1))
    session = client.create(spec)
    schedule = pb.Schedule(exponential=pb.ExponentialDecay(factor=0.5))
    assert session.update(learning_rate=0.25, beta1=0.5, dropout=[0.5, 0], class_weights=[1, 2], schedule=schedule) == 1
    assert session.spec.optimiser.learning_rate == 0.25
    sent = servicer.updates[-1]
    assert list(sent.update_mask.paths) == [
        "optimiser.learning_rate",
        "optimiser.adam.beta1",
        "layers.dropout",
        "class_weights",
        "optimiser.schedule",
    ]
    assert [layer.dropout for layer in sent.spec.layers] == [0.5, 0]
    assert sent.spec.optimiser.schedule == schedule
    for wrong in ({}, {"momentum": 0.5}, {"colour": 1}, {"dropout": [1]}):
        with pytest.raises(ValueError):  # noqa: PT011  each has its own words
            session.update(**wrong)


def test_none_clears_a_field(client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec) -> None:
    session = client.create(spec)
    session.update(schedule=None, clipping=None, momentum=None, class_weights=None)
    sent = servicer.updates[-1]
    assert list(sent.update_mask.paths) == [
        "optimiser.schedule",
        "optimiser.clipping",
        "optimiser.sgd.momentum",
        "class_weights",
    ]
    assert not sent.spec.optimiser.HasField("schedule")
    assert not sent.spec.optimiser.HasField("clipping")
    with pytest.raises(ValueError, match="has no beta1"):
        session.update(beta1=None)


@pytest.mark.parametrize("span", [datetime.timedelta(minutes=1.5), 90, Duration(seconds=90)])
def test_an_update_says_how_long_an_idle_session_is_kept(
    client: TrainingClient, servicer: FakeServicer, spec: pb.SessionSpec, span: Span | Duration
) -> None:
    session = client.create(spec)
    session.update(expire_after=span)
    sent = servicer.updates[-1]
    assert (list(sent.update_mask.paths), sent.spec.expire_after) == (["expire_after"], Duration(seconds=90))
    session.update(expire_after=None)
    sent = servicer.updates[-1]
    assert (list(sent.update_mask.paths), sent.spec.HasField("expire_after")) == (["expire_after"], False)
    with pytest.raises(ValueError, match="nan is no time span"):
        session.update(expire_after=float("nan"))


def test_predict_and_evaluate(session: Session) -> None:
    assert session.predict(X).shape == (6, 2)
    assert session.predict(X[0]).shape == (1, 2)
    result = session.evaluate(X, [0, 1, 0, 1, 0, 1])
    assert (result.samples, result.error, result.plain_error, result.accuracy) == (6, 0.25, 0.125, 0.75)


def test_anchors_are_checked(session: Session, servicer: FakeServicer) -> None:
    servicer.faults.lose_digest = True
    with pytest.raises(DigestMismatchError):
        session.weights()


def test_a_spec_in_a_few_words() -> None:
    spec = network(
        784,
        [(128, "relu"), pb.Layer(size=20), 10],
        sgd(0.1, momentum=0.9, l2=1e-4),
        loss="cross_entropy",
        inputs="uint8",
        scale=1 / 255,
        initialiser="he_uniform",
        seed=5,
        learn_standardisation=100,
        min_deviation=0.25,
        further={"label_smoothing": 0.5},
    )
    assert [(layer.size, layer.activation) for layer in spec.layers] == [
        (128, pb.ACTIVATION_RELU),
        (20, pb.ACTIVATION_UNSPECIFIED),
        (10, pb.ACTIVATION_IDENTITY),
    ]
    assert (spec.loss, spec.input.element_type) == (pb.LOSS_CROSS_ENTROPY, pb.ELEMENT_TYPE_UINT8)
    assert spec.input.standardisation.learn_samples == 100
    assert spec.input.standardisation.min_deviation == 0.25
    assert spec.label_smoothing == 0.5
    assert spec.optimiser.l2 == pytest.approx(1e-4)
    with pytest.raises(ValueError, match="'relux' is none of elu"):
        network(1, [(1, "relux")], sgd(1))


def test_a_spec_says_how_the_session_is_kept(client: TrainingClient) -> None:
    plain = network(1, [1], sgd(1))
    assert not plain.HasField("durability")
    assert not plain.HasField("expire_after")
    assert network(1, [1], sgd(1), durability="memory").durability == pb.Durability(mode=pb.DURABILITY_MODE_MEMORY)
    made = client.create(network(1, [1], sgd(1), durability="durable", expire_after=datetime.timedelta(days=7))).spec
    assert made.durability == pb.Durability(mode=pb.DURABILITY_MODE_DURABLE)
    assert made.expire_after == Duration(seconds=7 * 24 * 60 * 60)
    # Only a durable session has a lag.
    for lag in (0.05, datetime.timedelta(milliseconds=50)):
        lagging = pb.Durability(mode=pb.DURABILITY_MODE_DURABLE, max_lag=Duration(nanos=50_000_000))
        assert network(1, [1], sgd(1), max_lag=lag).durability == lagging
    with pytest.raises(ValueError, match="max_lag is for durable sessions"):
        network(1, [1], sgd(1), durability="memory", max_lag=1)
    with pytest.raises(ValueError, match="inf is no time span"):
        network(1, [1], sgd(1), expire_after=float("inf"))
