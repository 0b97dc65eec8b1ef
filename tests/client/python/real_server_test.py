# SPDX-License-Identifier: Apache-2.0
"""The client against the real server, whose program BACKPROPD names."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import backpropd
import grpc
import numpy as np
import pytest
from as_plain import client_of
from backpropd import (
    Anchor,
    BackpropdError,
    InvalidRequestError,
    NonFiniteOutputError,
    NotReadyError,
    Session,
    SessionBusyError,
    SessionHasWriterError,
    SessionNotFoundError,
    TrainingClient,
    adagrad,
    adam,
    layer,
    lion,
    network,
    rms_prop,
    sgd,
)
from backpropd.v1 import network_pb2 as pb
from breaking_proxy import BreakingProxy

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "client/python/examples"
RNG = np.random.default_rng(5)
X = RNG.standard_normal((240, 30)).astype("f4")
CLASSES = np.argmax(X[:, :5], axis=1)
TARGETS = np.tanh(X[:, :5])


@pytest.fixture
def kind() -> str:
    return "plain"


@pytest.fixture
def client(kind: str, target: str) -> Iterator[TrainingClient]:
    with client_of(kind, target) as made:
        yield made


both_kinds = pytest.mark.parametrize("kind", ["plain", "asyncio"])
"""Of tests that go through all that the two kinds of client do by their own means."""


def spec_of(optimiser: pb.Optimiser, *, batch_size: int = 1, **more: Any) -> pb.SessionSpec:
    """A net of 30-24-5 on bytes or numbers, with a digest every 16 steps."""
    layers = more.pop("layers", [(24, "tanh"), (5, "softmax")])
    more.setdefault("loss", "cross_entropy")
    more.setdefault("further", {})["digest_every"] = 16
    return network(30, layers, optimiser, batch_size=batch_size, seed=3, **more)


def assert_replica_holds(session: Session, y: Any = CLASSES, x: Any = X) -> None:
    """Trains with a replica, and compares bits and outputs."""
    replica = session.replica()
    result = session.train(x, y, epochs=2, replicas=[replica])
    assert len(result.errors) == result.step == 2 * len(x) // session.batch_size
    assert len(result.digests) >= result.step // 16
    assert replica.verify(session.weights(with_state=True)) is None
    assert replica.predict(x) == pytest.approx(session.predict(x), abs=1e-5)


OPTIMISERS = {
    "sgd": sgd(0.1),
    "sgd with all": sgd(0.1, l2=1e-3, l1=1e-4, decoupled_decay=1e-3, clipping=pb.GradientClipping(max_value=0.5)),
    "clipped by norm": sgd(0.1, clipping=pb.GradientClipping(max_norm=0.1)),
    "momentum": sgd(0.05, momentum=0.9, l2=1e-3),
    "nesterov": sgd(0.05, momentum=0.9, nesterov=True),
    "adagrad": adagrad(0.05),
    "rmsprop": rms_prop(0.01),
    "adam": adam(0.01),
    "adamw": adam(0.01, decoupled_decay=0.01),
    "lion": lion(0.001, decoupled_decay=0.1),
    "falling rate": adam(0.01, schedule=pb.Schedule(exponential=pb.ExponentialDecay(factor=0.99))),
}


@pytest.mark.parametrize("batch_size", [1, 4, 40])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_replica_is_bit_identical(client: TrainingClient, name: str, batch_size: int) -> None:
    assert_replica_holds(client.create(spec_of(OPTIMISERS[name], batch_size=batch_size)))


@pytest.mark.parametrize("name", ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "softplus"])
def test_every_activation_infers_alike(client: TrainingClient, name: str) -> None:
    layers = [(24, name), (5, "identity")]
    assert_replica_holds(client.create(spec_of(sgd(0.01), layers=layers, loss="half_squared_error")), TARGETS)


@pytest.mark.parametrize("forms", [(a, b) for a in (1, 2) for b in (1, 2)])
@pytest.mark.parametrize("optimiser", [sgd(0.1), adam(0.01)], ids=["sgd", "adam"])
def test_every_delta_form_is_followed(client: TrainingClient, optimiser: pb.Optimiser, forms: tuple[int, int]) -> None:
    layers = [
        layer(24, "tanh", delta_form=forms[0]),
        layer(5, "softmax", delta_form=forms[1]),
    ]
    session = client.create(spec_of(optimiser, layers=layers))
    assert [place.delta_form for place in session.layout.layers] == list(forms)
    assert_replica_holds(session)


@both_kinds
def test_the_server_tells_what_it_is(client: TrainingClient) -> None:
    info = client.server_info()
    assert info.version.count(".") == 2
    assert info.compute.blas.startswith("OpenBLAS")
    assert info.limits.max_message_bytes == 16 << 20
    assert 0 <= time.time() - info.start_time.seconds < 3600


def test_dropout_and_sample_weights(client: TrainingClient) -> None:
    layers = [layer(24, "relu", dropout=0.5), layer(5, "softmax")]
    session = client.create(spec_of(adam(0.01), layers=layers))
    replica = session.replica()
    session.train(X, CLASSES, sample_weights=np.linspace(0, 2, len(X)), replicas=[replica])
    assert replica.verify(session.weights(with_state=True)) is None


@pytest.mark.parametrize("optimiser", [sgd(0.1), adam(0.01)], ids=["sgd", "adam"])
def test_bytes_with_learnt_standardisation(client: TrainingClient, optimiser: pb.Optimiser) -> None:
    pixels = RNG.integers(0, 256, (240, 30)).astype("u1")
    session = client.create(spec_of(optimiser, inputs="uint8", scale=1 / 255, learn_standardisation=40))
    with pytest.raises(NotReadyError):
        session.predict(pixels)
    replica, watcher = session.replica(), session.replica()
    with session.watch(watcher) as watch:
        result = session.train(pixels, CLASSES, replicas=[replica])
        assert result.step == 200
        while watcher.step < 200:
            next(watch)
    anchor = session.weights(with_state=True)
    assert replica.verify(anchor) is None
    assert watcher.verify(anchor) is None
    assert replica.predict(pixels) == pytest.approx(session.predict(pixels), abs=1e-5)


def test_dense_deltas_are_what_was_added(client: TrainingClient) -> None:
    session = client.create(spec_of(adam(0.01)))
    weights = session.weights().weights
    with session.stream(deltas="dense", keep_deltas=True, want_outputs=True) as stream:
        stream.send(X[:8], CLASSES[:8])
        answer = stream.receive()
    for delta in answer.deltas:
        weights += delta
    assert np.array_equal(weights, session.weights().weights)
    assert answer.outputs.shape == (8, 5)


def test_broken_connections_lose_and_repeat_nothing(target: str) -> None:
    proxy = BreakingProxy(target)
    with TrainingClient(proxy.address) as broken, TrainingClient(target) as whole:
        session = broken.create(spec_of(sgd(0.01, momentum=0.5)))
        twin = whole.create(spec_of(sgd(0.01, momentum=0.5)))
        replica, watcher = session.replica(), whole.get(session.session_id).replica()
        done = threading.Event()

        def cut_often() -> None:
            while not done.wait(0.15):
                proxy.cut()

        cutter = threading.Thread(target=cut_often)
        cutter.start()
        with whole.get(session.session_id).watch(watcher) as watch:
            with session.stream(replica, window=3) as stream:
                for _ in range(30):
                    for begin in range(0, 240, 24):
                        stream.send(X[begin : begin + 24], CLASSES[begin : begin + 24])
                        list(stream.ready())
                        done.wait(0.005)
                list(stream.flush())
            done.set()
            cutter.join()
            while watcher.step < 7200:
                next(watch)
        for _ in range(30):
            with twin.stream(window=1) as plain:
                for begin in range(0, 240, 24):
                    plain.send(X[begin : begin + 24], CLASSES[begin : begin + 24])
        anchor = whole.get(session.session_id).weights(with_state=True)
        assert anchor.step == 7200
        assert replica.verify(anchor) is None
        assert watcher.verify(anchor) is None
        # Resent messages are cut into other blocks: the same steps, not the same rounding.
        assert anchor.weights == pytest.approx(twin.weights().weights, abs=1e-3)
    proxy.close()


@both_kinds
def test_a_watcher_in_another_client_follows_all_kinds_of_steps(kind: str, target: str, client: TrainingClient) -> None:
    session = client.create(spec_of(sgd(0.1, momentum=0.5)))
    trained = session.replica()
    with client_of(kind, target) as other:
        followed = other.get(session.session_id)
        replica = followed.replica()
        with followed.watch(replica) as watch:
            session.train(X, CLASSES, replicas=[trained])
            assert trained.verify(session.weights(with_state=True)) is None
            session.train_step(X[0], int(CLASSES[0]))
            session.train(X, CLASSES)
            for batch in watch:
                if batch.step == 481:
                    break
            assert replica.verify(session.weights(with_state=True)) is None
            session.delete()
            assert list(watch) == []


def test_updates_hold_from_the_next_step_on(client: TrainingClient) -> None:
    schedule = pb.Schedule(exponential=pb.ExponentialDecay(factor=0.5))
    session = client.create(spec_of(sgd(0.1, momentum=0.5, schedule=schedule)))
    replica = session.replica()
    session.train(X, CLASSES, replicas=[replica])
    assert session.update(schedule=None, learning_rate=0.01, momentum=0.25, digest_every=8, display_name="mice") == 241
    optimiser = session.refresh().spec.optimiser
    assert (optimiser.learning_rate, optimiser.sgd.momentum) == pytest.approx((0.01, 0.25))
    assert not optimiser.HasField("schedule")
    assert session.info.learning_rate == pytest.approx(0.01)
    result = session.train(X, CLASSES, replicas=[replica])
    assert list(result.digests) == list(range(248, 481, 8))
    assert replica.verify(session.weights(with_state=True)) is None
    with pytest.raises(InvalidRequestError):
        session.update(momentum=0)


def test_a_fork_with_state_goes_on_as_its_origin(client: TrainingClient) -> None:
    session = client.create(spec_of(adam(0.01)))
    session.train(X, CLASSES)
    fork = session.fork(with_state=True)
    replica = fork.replica()
    assert replica.step == 0
    for each in (session, fork):
        each.train(X, CLASSES)
    replica.reset(fork.weights(with_state=True))
    fork.train(X, CLASSES, replicas=[replica])
    assert replica.verify(fork.weights(with_state=True)) is None
    assert fork.info.forked_from == session.session_id


@both_kinds
@pytest.mark.parametrize("name", ["sgd", "momentum", "rms_prop", "adam"])
def test_a_kept_session_is_put_back_exactly(client: TrainingClient, name: str) -> None:
    optimiser = {
        "sgd": sgd(0.1),
        "momentum": sgd(0.01, momentum=0.9),
        "rms_prop": rms_prop(0.001),
        "adam": adam(0.01),
    }[name]
    optimiser.schedule.plateau.window_steps = 7
    optimiser.schedule.plateau.patience = 1
    session = client.create(spec_of(optimiser, layers=[layer(24, "tanh", dropout=0.25), (5, "softmax")]))
    session.train(X, CLASSES, epochs=4)
    kept = session.weights(with_state=True).to_bytes()
    went_on = session.train(X, CLASSES)
    end = session.weights(with_state=True)
    session.delete()

    anchor = Anchor.from_bytes(kept)
    back = client.create(anchor.spec, initial=anchor)
    assert (back.step, back.info.next_offset) == (960, 960)
    replica = back.replica()
    result = back.train(X, CLASSES, replicas=[replica])
    assert np.array_equal(result.errors, went_on.errors)
    assert result.digests == went_on.digests
    assert replica.verify(end) is None
    assert back.weights(with_state=True).message() == end.message()


def test_an_anchor_beyond_the_servers_messages_names_its_flag(client: TrainingClient) -> None:
    session = client.create(network(1000, [1500], adam(0.01)))
    anchor = session.weights(with_state=True)
    session.delete()
    with pytest.raises(BackpropdError, match=r"the request has 180\d+ bytes.*--max-message-bytes") as raised:
        client.create(anchor.spec, initial=anchor)
    assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_errors_have_their_types(client: TrainingClient) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        client.create(network(0, [5], sgd(0.1)))
    assert "spec.input_size" in [fault.field for fault in raised.value.field_violations]
    with pytest.raises(SessionNotFoundError):
        client.get("nothing")
    session = client.create(spec_of(sgd(0.1)))
    with session.stream() as stream:
        with pytest.raises(SessionHasWriterError):
            session.stream().open()
        with pytest.raises(SessionBusyError):
            session.delete()
        stream.send(np.full((1, 30), np.nan), [0])
        with pytest.raises(InvalidRequestError) as raised:
            stream.receive()
        assert raised.value.field_violations
        stream.send(X[:1], CLASSES[:1])
        assert stream.receive().step == 1


def test_training_lowers_the_error(client: TrainingClient) -> None:
    session = client.create(spec_of(adam(0.01)))
    before = session.evaluate(X, CLASSES)
    session.train(X, CLASSES, epochs=10, shuffle_seed=1)
    after = session.evaluate(X, CLASSES)
    assert after.error < 0.5 * before.error
    assert after.accuracy > 0.9
    assert (after.samples, after.first_step, after.last_step) == (240, 2400, 2400)


def test_evaluation_tells_the_sessions_error_and_the_plain_one(client: TrainingClient) -> None:
    spec = spec_of(sgd(0.1))
    spec.label_smoothing = 0.2
    spec.class_weights.extend([0.5, 2, 1, 1, 3])
    session = client.create(spec)
    evaluated = session.evaluate(X[:1], CLASSES[:1])
    assert session.train_step(X[:1], CLASSES[:1]).error == pytest.approx(evaluated.error, rel=1e-5)
    assert evaluated.plain_error != pytest.approx(evaluated.error, rel=1e-3)


def test_outputs_that_are_not_finite_raise(client: TrainingClient) -> None:
    spec = spec_of(sgd(0.1), layers=[(5, "softmax")])
    spec.initialiser.kind, spec.initialiser.value = pb.INITIALISER_KIND_CONSTANT, 1
    session = client.create(spec)
    rows = np.array([X[0], np.full_like(X[0], 3.4e38)])
    with pytest.raises(NonFiniteOutputError) as predicted:
        session.predict(rows)
    assert predicted.value.field_violations[0].field == "inputs"
    assert "row 1" in str(predicted.value)
    with pytest.raises(NonFiniteOutputError, match="sample 1 of the call"):
        session.evaluate(rows, CLASSES[:2])


@pytest.mark.parametrize("example", ["train_and_infer.py", "follow.py"])
def test_the_examples_explain_themselves(example: str) -> None:
    command = [sys.executable, str(EXAMPLES / example), "--help"]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(backpropd.__file__).parents[1])}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"usage: {example} ")


def test_the_examples_run(target: str) -> None:
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
        "env": {**os.environ, "PYTHONPATH": str(pathlib.Path(backpropd.__file__).parents[1])},
    }
    with subprocess.Popen([sys.executable, EXAMPLES / "train_and_infer.py", "--wait", target], **options) as trainer:
        assert trainer.stdout is not None
        name, session_id = trainer.stdout.readline().split() or ["nothing", ""]
        assert name == "session"
        with subprocess.Popen([sys.executable, EXAMPLES / "follow.py", target, session_id], **options) as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "begins at step 0\n"
            trained, _ = trainer.communicate("\n", timeout=120)
            followed, _ = follower.communicate(timeout=120)
    assert (trainer.returncode, follower.returncode) == (0, 0)
    assert float(trained.splitlines()[-2].split()[-1].removesuffix("%")) > 95
    digest = trained.split()[-1]
    assert f"replica and server: identical, digest {digest}" in trained
    assert f"deleted after step 5000: identical to the end, digest {digest}" in followed
