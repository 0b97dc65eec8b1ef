# SPDX-License-Identifier: Apache-2.0
"""The replica holds the contract's bits, and refuses what it can't hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from backpropd import Anchor, DeltaBatch, DigestMismatchError, Replica, ReplicaGapError, ReplicaInterruptedError, sgd
from backpropd.replica.anchor import digest_of
from backpropd.replica.weight_mover import WeightMover
from backpropd.v1 import network_pb2 as pb
from naive_contract import apply_step, layout_of, scalars_of, seen_inputs

FACTORED, DENSE = pb.DELTA_FORM_FACTORED, pb.DELTA_FORM_DENSE
OPTIMISERS = {
    "sgd": pb.Optimiser(sgd=pb.Sgd()),
    "sgd l2": pb.Optimiser(sgd=pb.Sgd(), l2=0.01),
    "sgd l1": pb.Optimiser(sgd=pb.Sgd(), l1=0.01),
    "sgd decay": pb.Optimiser(sgd=pb.Sgd(), decoupled_decay=0.01),
    "sgd clipped": pb.Optimiser(sgd=pb.Sgd(), clipping=pb.GradientClipping(max_value=0.3)),
    "momentum": pb.Optimiser(sgd=pb.Sgd(momentum=0.9)),
    "momentum with all": pb.Optimiser(
        sgd=pb.Sgd(momentum=0.9), l2=0.01, l1=0.02, decoupled_decay=0.03, clipping=pb.GradientClipping(max_value=0.5)
    ),
    "nesterov": pb.Optimiser(sgd=pb.Sgd(momentum=0.8, nesterov=True), decoupled_decay=0.01),
    "adagrad": pb.Optimiser(adagrad=pb.Adagrad()),
    "rmsprop": pb.Optimiser(rms_prop=pb.RmsProp(), l2=0.01),
    "adam": pb.Optimiser(adam=pb.Adam()),
    "adamw": pb.Optimiser(adam=pb.Adam(beta1=0.8), decoupled_decay=0.01, l1=0.001),
}


class Twin:
    """A session's numbers, moved by the naive contract, and a replica of them."""

    def __init__(self, spec: pb.SessionSpec, seed: int = 7) -> None:
        self.spec, self.layout = spec, layout_of(spec)
        self.rng = np.random.default_rng(seed)
        count = self.layout.weight_count
        self.weights = self.rng.standard_normal(count).astype("f4")
        self.weights[::5] = 0
        self.weights[1::7] = np.float32(-0.0)
        self.state = np.zeros((self.layout.state_count, count), dtype="f4")
        self.step = 0
        self.replica = Replica(spec, self.layout, self.anchor())

    def anchor(self) -> Anchor:
        weights = self.weights.copy()
        batch = self.spec.batch_size or 1
        return Anchor(self.step, self.step * batch, digest_of(weights), weights, self.state.copy())

    def batch(self, steps: int, *, shared_scalars: bool = False, scale: float = 1) -> DeltaBatch:
        """Makes steps of this scale; the batch has a digest after the second step and the last."""
        spec, layout, begin = self.spec, self.layout, self.step
        samples = steps * (spec.batch_size or 1)
        if spec.input.element_type == pb.ELEMENT_TYPE_UINT8:
            raw: Any = self.rng.integers(0, 256, (samples, spec.input_size)).astype("u1")
        else:
            raw = self.rng.standard_normal((samples, spec.input_size)).astype("f4")
            raw[0, 0] = 1e-30
        rows = self.rng.standard_normal((steps, layout.delta_row_length)).astype("f4")
        rows[self.rng.random(rows.shape) < 0.2] = 0
        rows *= np.float32(scale)
        ages = [self.step + 1] if shared_scalars else range(self.step + 1, self.step + steps + 1)
        scalars = np.array([scalars_of(spec.optimiser, age)[: layout.scalar_count] for age in ages], dtype="f4")
        digests = {}
        for at, x in enumerate(seen_inputs(raw, spec).reshape(steps, -1, spec.input_size)):
            scalar_row = scalars[0 if shared_scalars else at]
            self.step += 1
            apply_step(spec, layout, self.step, self.weights, self.state, rows[at], scalar_row, x)
            if at in (1, steps - 1):
                digests[self.step] = digest_of(self.weights)
        next_offset = self.step * (spec.batch_size or 1)
        errors = np.zeros(steps, dtype="f4")
        return DeltaBatch(begin, self.step, next_offset, rows, errors, scalars, raw, digests=digests)


def spec_of(optimiser: pb.Optimiser, batch: int = 1, forms: tuple[int, int] = (FACTORED, FACTORED)) -> pb.SessionSpec:
    spec = pb.SessionSpec(input_size=5, batch_size=batch, optimiser=optimiser)
    spec.optimiser.learning_rate = 0.1
    spec.layers.add(size=4, activation=pb.ACTIVATION_TANH, delta_form=forms[0])
    spec.layers.add(size=3, delta_form=forms[1])
    return spec


def same_bits(mine: Any, theirs: Any) -> bool:
    return bool(np.array_equal(mine.view("u4"), theirs.view("u4")))


@pytest.mark.parametrize("shared_scalars", [False, True])
@pytest.mark.parametrize("forms", [(FACTORED, FACTORED), (DENSE, FACTORED), (FACTORED, DENSE), (DENSE, DENSE)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_weights_and_state_have_the_contracts_bits(
    name: str, batch: int, forms: tuple[int, int], shared_scalars: bool
) -> None:
    twin = Twin(spec_of(OPTIMISERS[name], batch, forms))
    for _ in range(2):
        made = twin.batch(4, shared_scalars=shared_scalars)
        twin.replica.apply(made)
        assert same_bits(twin.replica.weights, twin.weights)
        assert same_bits(twin.replica.state, twin.state)
    assert twin.replica.step == 8
    assert twin.replica.next_offset == 8 * batch
    assert twin.replica.digest() == digest_of(twin.weights)
    assert twin.replica.verify(twin.anchor()) is None


@pytest.mark.parametrize("name", OPTIMISERS)
def test_numbers_that_fade_become_zero_as_the_contract_says(name: str) -> None:
    spec = spec_of(OPTIMISERS[name])
    for field in ("l2", "l1", "decoupled_decay"):
        if getattr(spec.optimiser, field):
            setattr(spec.optimiser, field, 1e-25)
    twin = Twin(spec)
    twin.weights[::2] *= np.float32(1e-12)  # some D near 2^−100, some w that D moves
    twin.replica.reset(twin.anchor())
    for power in (0, -13, -16, -17, -18, -19, -20, -25):  # g and m around 2^−60, v around 2^−120
        twin.replica.apply(twin.batch(2, scale=10.0**power))
        assert same_bits(twin.replica.weights, twin.weights)
        assert same_bits(twin.replica.state, twin.state)


def test_an_optimisers_vectors_may_be_longer_than_a_block() -> None:
    spec = spec_of(pb.Optimiser(adam=pb.Adam()))
    spec.layers[0].size = 3500  # 3500 · 5 + 3500 numbers, more than 16384
    spec.layers[1].size = 1
    twin = Twin(spec)
    twin.replica.apply(twin.batch(2))
    assert same_bits(twin.replica.weights, twin.weights)


def test_bytes_are_scaled_and_standardised_as_the_network_sees_them() -> None:
    spec = spec_of(sgd(0.1))
    spec.input.element_type = pb.ELEMENT_TYPE_UINT8
    spec.input.scale = 1 / 255
    spec.input.standardisation.mean.extend([0.1, 0.2, 0.3, 0.4, 0.5])
    spec.input.standardisation.factor.extend([1.1, 2.2, 3.3, 0.4, 1])
    twin = Twin(spec)
    twin.replica.apply(twin.batch(5))
    assert same_bits(twin.replica.weights, twin.weights)


def test_rows_typed_by_hand_are_taken_as_they_are() -> None:
    spec = spec_of(sgd(0.1))
    twin = Twin(spec)
    batch = twin.batch(3)
    spec.input.scale = 100  # would spoil them
    replica = Replica(spec, twin.layout, Twin(spec).anchor())
    replica.apply(DeltaBatch(0, 3, 3, batch.rows, inputs=batch.inputs, inputs_are_values=True))
    assert same_bits(replica.weights, twin.weights)


def test_standardisation_must_be_known() -> None:
    spec = spec_of(sgd(0.1))
    twin = Twin(spec)
    anchor, plain = twin.anchor(), twin.batch(1)
    spec.input.standardisation.learn_samples = 10
    replica = Replica(spec, twin.layout, anchor)
    assert not replica.knows_inputs
    with pytest.raises(ValueError, match="not known"):
        replica.apply(plain)
    replica.standardise(pb.Standardisation(mean=[0] * 5, factor=[1] * 5))
    replica.apply(plain)
    assert same_bits(replica.weights, twin.weights)


@pytest.mark.parametrize(
    ("mean", "factor"),
    [
        ([0] * 5, []),
        ([], [1] * 5),
        ([0] * 6, [1] * 6),
        ([0, 0, 0, 0, np.nan], [1] * 5),
        ([0] * 5, [np.inf, 1, 1, 1, 1]),
    ],
)
def test_standardisation_that_is_not_one_is_refused_and_changes_nothing(mean: list[float], factor: list[float]) -> None:
    spec = spec_of(sgd(0.1))
    twin = Twin(spec)
    anchor, plain = twin.anchor(), twin.batch(1)
    spec.input.standardisation.learn_samples = 10
    replica = Replica(
        spec, twin.layout, replace(anchor, standardisation=pb.Standardisation(mean=[0] * 5, factor=[1] * 5))
    )
    bad = pb.Standardisation(mean=mean, factor=factor)
    with pytest.raises(ValueError, match="standardisation"):
        replica.standardise(bad)
    with pytest.raises(ValueError, match="standardisation"):
        replica.reset(replace(anchor, standardisation=bad))
    replica.apply(plain)
    assert same_bits(replica.weights, twin.weights)


def test_a_gap_is_refused_and_an_anchor_mends_it() -> None:
    twin = Twin(spec_of(OPTIMISERS["adam"]))
    twin.batch(2)
    before = twin.replica.weights
    with pytest.raises(ReplicaGapError):
        twin.replica.apply(twin.batch(2))
    assert same_bits(twin.replica.weights, before)
    twin.replica.reset(twin.anchor())
    twin.replica.apply(twin.batch(2))
    assert twin.replica.verify(twin.anchor()) is None


def test_steps_that_were_applied_are_refused_and_can_be_cut_off() -> None:
    twin = Twin(spec_of(OPTIMISERS["momentum"], batch=2))
    batch = twin.batch(5)
    assert batch.inputs is not None
    twin.replica.apply(DeltaBatch(0, 2, 4, batch.rows[:2], scalars=batch.scalars[:2], inputs=batch.inputs[:4]))
    with pytest.raises(ReplicaGapError):
        twin.replica.apply(batch)
    twin.replica.apply(batch.after(2))
    assert same_bits(twin.replica.weights, twin.weights)


def test_a_wrong_digest_is_noticed_at_its_step() -> None:
    twin = Twin(spec_of(OPTIMISERS["sgd"]))
    batch = twin.batch(4)
    batch.rows.setflags(write=True)
    batch.rows[0, 0] += 1
    with pytest.raises(DigestMismatchError, match="After step 2"):
        twin.replica.apply(batch)
    assert twin.replica.step == 2


def test_missing_rows_are_refused_before_anything_is_done() -> None:
    twin = Twin(spec_of(OPTIMISERS["adam"]))
    batch = twin.batch(2)
    before = twin.replica.weights
    assert batch.inputs is not None
    for wrong in (
        DeltaBatch(0, 2, 2, batch.rows[:1], scalars=batch.scalars, inputs=batch.inputs),
        DeltaBatch(0, 2, 2, batch.rows, inputs=batch.inputs),
        DeltaBatch(0, 2, 2, batch.rows, scalars=batch.scalars),
        DeltaBatch(0, 2, 2, batch.rows, scalars=batch.scalars, inputs=batch.inputs[:1]),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  each has its own words
            twin.replica.apply(wrong)
    assert twin.replica.step == 0
    assert same_bits(twin.replica.weights, before)


def test_verify_names_the_first_number_that_differs() -> None:
    twin = Twin(spec_of(OPTIMISERS["momentum"]))
    twin.replica.apply(twin.batch(1))
    place = twin.layout.layers[1]
    twin.weights[place.weights_begin + 4 + 2] += 1  # row 1, column 2 of (3, 4)
    twin.weights[place.bias_begin + 2] += 1
    found = twin.replica.verify(twin.anchor())
    assert found is not None
    assert (found.vector, found.layer, found.index) == (0, 1, (1, 2))
    assert found.theirs == pytest.approx(found.mine + 1)
    assert str(found).startswith("layer 1, weight [1, 2]: ")


def test_verify_tells_zeros_by_their_sign_and_looks_at_state() -> None:
    twin = Twin(spec_of(OPTIMISERS["momentum"]))
    twin.weights[0] = np.float32(-0.0)
    found = twin.replica.verify(twin.anchor())
    assert found is not None
    assert found.index == (0, 0)
    twin.weights[0] = 0
    twin.state[0, 20] = 1  # the first bias of layer 0
    found = twin.replica.verify(twin.anchor())
    assert found is not None
    assert (found.vector, found.layer, found.index) == (1, 0, (0,))


def test_verify_refuses_an_anchor_of_another_step() -> None:
    twin = Twin(spec_of(OPTIMISERS["sgd"]))
    twin.batch(1)
    with pytest.raises(ReplicaGapError):
        twin.replica.verify(twin.anchor())


def test_an_anchor_without_the_state_is_refused() -> None:
    twin = Twin(spec_of(OPTIMISERS["adam"]))
    anchor = twin.anchor()
    with pytest.raises(ValueError, match="with_state"):
        Replica(twin.spec, twin.layout, Anchor(0, 0, anchor.digest, anchor.weights, anchor.state[:0]))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (pb.ACTIVATION_IDENTITY, [-2, 0, 2]),
        (pb.ACTIVATION_SIGMOID, [0.1192029, 0.5, 0.8807971]),
        (pb.ACTIVATION_TANH, [-0.9640276, 0, 0.9640276]),
        (pb.ACTIVATION_RELU, [0, 0, 2]),
        (pb.ACTIVATION_SOFTMAX, [0.0158762, 0.1173104, 0.8668133]),
        (pb.ACTIVATION_LEAKY_RELU, [-0.02, 0, 2]),
        (pb.ACTIVATION_ELU, [-0.8646647, 0, 2]),
        (pb.ACTIVATION_GELU, [-0.0455003, 0, 1.9544997]),
        (pb.ACTIVATION_SOFTPLUS, [0.126928, 0.6931472, 2.126928]),
    ],
)
def test_the_replica_infers(activation: int, expected: list[float]) -> None:
    spec = pb.SessionSpec(input_size=1, optimiser=sgd(0.1))
    spec.layers.add(size=3, activation=activation)
    layout = layout_of(spec)
    weights = np.array([-1, 0, 1, -1, 0, 1], dtype="f4")  # z = w·x + b = −2, 0, 2 for x = 1
    replica = Replica(spec, layout, Anchor(0, 0, 0, weights, np.zeros((0, 6), dtype="f4")))
    assert replica.predict(np.ones((1, 1))) == pytest.approx(np.array([expected]), abs=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_replica_that_was_interrupted_within_a_step_says_so_until_it_is_reset(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = Twin(spec_of(OPTIMISERS[name]))
    replica, before = twin.replica, twin.anchor()
    batch = replace(twin.batch(3), digests={})
    whole = WeightMover.advance

    def advance(mover: WeightMover, first: int, weights: Any, state: Any, rows: Any, x: Any, scalars: Any) -> None:
        whole(mover, first, weights, state, rows[:1], x[:1], scalars[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WeightMover, "advance", advance)
        with pytest.raises(KeyboardInterrupt):
            replica.apply(batch)
    assert replica.interrupted
    x = np.zeros((1, 5), dtype="f4")
    calls: list[Callable[[], Any]] = [
        replica.digest,
        replica.layers,
        lambda: replica.state,
        lambda: replica.verify(before),
        lambda: replica.predict(x),
        lambda: replica.apply(batch),
    ]
    for call in calls:
        with pytest.raises(ReplicaInterruptedError, match="reset the replica"):
            call()
    replica.reset(twin.anchor())
    replica.apply(twin.batch(2))
    assert not replica.interrupted
    assert replica.verify(twin.anchor()) is None


def test_a_replica_that_missed_a_digest_was_not_interrupted() -> None:
    twin = Twin(spec_of(OPTIMISERS["sgd"]))
    batch = twin.batch(3)
    with pytest.raises(DigestMismatchError):
        twin.replica.apply(replace(batch, digests={batch.step: 1}))
    assert not twin.replica.interrupted
    assert twin.replica.verify(twin.anchor()) is None
