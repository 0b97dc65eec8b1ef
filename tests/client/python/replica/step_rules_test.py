# SPDX-License-Identifier: Apache-2.0
"""The optimisers' formulas, on numbers of every size that the contract treats apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backpropd.replica.step_rules import RULES, flush, move
from backpropd.v1 import network_pb2 as pb
from naive_contract import move_weight, rule_of, scalars_of

COUNT = 600
RNG = np.random.default_rng(11)
KINDS = {
    "sgd": pb.Optimiser(sgd=pb.Sgd()),
    "momentum": pb.Optimiser(sgd=pb.Sgd(momentum=0.5)),
    "nesterov": pb.Optimiser(sgd=pb.Sgd(momentum=0.5, nesterov=True)),
    "adagrad": pb.Optimiser(adagrad=pb.Adagrad()),
    "rmsprop": pb.Optimiser(rms_prop=pb.RmsProp(decay=0.5)),
    "adam": pb.Optimiser(adam=pb.Adam(beta1=0.5, beta2=0.5)),
    "lion": pb.Optimiser(lion=pb.Lion(beta1=0.5, beta2=0.5)),
}


def sized(low: float, high: float, *, signed: bool = True) -> Any:
    """Numbers of magnitude 2^low … 2^high, (COUNT,), with zeros of both signs among them."""
    numbers = 2.0 ** RNG.uniform(low, high, COUNT)
    if signed:
        numbers *= RNG.choice([-1, 1], COUNT)
    numbers[::50] = 0
    numbers[1::50] = -0.0 if signed else 0
    return numbers.astype("f4")


@pytest.mark.parametrize("step", [63, 64])
@pytest.mark.parametrize("decay", [0, 1])
@pytest.mark.parametrize("l2", [0, 1])
@pytest.mark.parametrize("l1", [0, 2.0**-60])
@pytest.mark.parametrize("clip", [0, 2.0**-59])
@pytest.mark.parametrize(
    ("g_size", "w_size"), [((-63, -58), (-63, -58)), ((-63, -58), (-103, -97)), ((-4, 3), (-4, 3))]
)
@pytest.mark.parametrize("kind", KINDS)
def test_each_number_has_the_contracts_bits(
    kind: str,
    g_size: tuple[float, float],
    w_size: tuple[float, float],
    clip: float,
    l1: float,
    l2: float,
    decay: float,
    step: int,
) -> None:
    optimiser = pb.Optimiser()
    optimiser.CopyFrom(KINDS[kind])
    # A rate near 2^−40 brings D = −rate·p near 2^−100 where p is near 2^−60.
    optimiser.learning_rate = 1.1 * 2.0**-40
    optimiser.l1, optimiser.l2, optimiser.clipping.max_value = l1, l2, clip
    rule = RULES[rule_of(optimiser)]
    scalars = np.array(scalars_of(optimiser, 3), dtype="f4")
    scalars[3] = decay * 0.9
    w, g = sized(*w_size), sized(*g_size)
    state = np.stack([sized(-63, -58), sized(-123, -117, signed=False)])
    if kind in ("adagrad", "rmsprop"):
        state = state[1:]
    state = np.ascontiguousarray(state[: rule.state_count])
    due = [move_weight(optimiser, step, w[at], g[at], list(state[:, at]), list(scalars)) for at in range(COUNT)]
    scratch = np.empty(COUNT, dtype="f4")
    move(rule.direction, w, g, state, scalars, scratch)
    flush(rule, state, step, scratch)
    assert np.array_equal(w.view("u4"), np.array([moved for moved, _ in due], dtype="f4").view("u4"))
    for number, vector in enumerate(state):
        moved = np.array([new[number] for _, new in due], dtype="f4")
        assert np.array_equal(vector.view("u4"), moved.view("u4"))
