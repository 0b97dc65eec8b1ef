# SPDX-License-Identifier: Apache-2.0
"""The streams of proto/testdata, recorded from a server, are replayed bit for bit; a wrong bit is noticed."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backpropd import DigestMismatchError
from backpropd.replica import forward, step_rules, weight_mover
from backpropd.replica.deltas import batch_from_watch
from backpropd.v1 import network_pb2 as pb
from naive_contract import apply_step, seen_inputs
from recorded_stream import FOLDER, SUFFIX, RecordedStream

PATHS = sorted(FOLDER.glob(f"*{SUFFIX}"))
NAMES = [path.stem for path in PATHS]


def test_every_optimiser_and_form_is_there() -> None:
    found = set()
    for path in PATHS:
        session = RecordedStream.read(path).session
        kind = session.spec.optimiser.WhichOneof("kind")
        forms = [layer.delta_form for layer in session.layout.layers]
        form = "factored" if set(forms) == {1} else "dense" if set(forms) == {2} else "mixed"
        found.add((kind, form, session.spec.batch_size))
    kinds = ("sgd", "adagrad", "rms_prop", "adam", "lion")
    assert found == {(kind, form, b) for kind in kinds for form in ("factored", "dense", "mixed") for b in (1, 3)}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 450_000


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_the_replica_has_the_servers_bits_after_every_step(path: pathlib.Path) -> None:
    stream = RecordedStream.read(path)
    digests = [item.step for response in stream.responses for item in response.digests]
    assert digests == list(range(stream.anchor.step + 1, stream.end.step + 1))
    replica = stream.replay()
    assert replica.verify(stream.anchor_of(stream.end)) is None
    assert replica.next_offset == stream.end.next_offset


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_so_has_the_contract_number_by_number(path: pathlib.Path) -> None:
    stream = RecordedStream.read(path)
    spec, layout = pb.SessionSpec(), stream.session.layout
    spec.CopyFrom(stream.session.spec)
    anchor, end = stream.anchor_of(stream.anchor), stream.anchor_of(stream.end)
    weights, state = anchor.weights.copy(), anchor.state.copy()
    for response in stream.responses:
        if response.HasField("standardisation"):
            spec.input.standardisation.CopyFrom(response.standardisation)
        batch = batch_from_watch(response, spec, layout)
        count = batch.step - batch.base_step
        x: Any = [None] * count
        if batch.inputs is not None:
            plain = pb.SessionSpec() if batch.inputs_are_values else spec
            x = seen_inputs(batch.inputs, plain).reshape(count, spec.batch_size, -1)
        scalars: Any = batch.scalars if len(batch.scalars) == count else [*batch.scalars, None][:1] * count
        for step, (row, its_scalars, its_x) in enumerate(zip(batch.rows, scalars, x, strict=True), batch.base_step + 1):
            apply_step(spec, layout, step, weights, state, row, its_scalars, its_x)
    assert np.array_equal(weights.view("u4"), end.weights.view("u4"))
    for layer in layout.layers:
        if layer.delta_form == pb.DELTA_FORM_FACTORED:
            its = slice(layer.weights_begin, layer.bias_begin + layer.outputs)
            assert np.array_equal(state[:, its].view("u4"), end.state[:, its].view("u4"))


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_flipped_bit_is_noticed(path: pathlib.Path) -> None:
    stream = RecordedStream.read(path)
    response = next(each for each in stream.responses if each.deltas)
    numbers = np.frombuffer(response.deltas, dtype="<f4").copy()
    # Of the first layer's first u, or D: none that is small, or dropped, or clipped whatever it is.
    at = np.argmax(np.abs(numbers[: stream.session.layout.layers[0].outputs]))
    # Of a gradient all that moves Lion's weights is the sign.
    numbers.view("u4")[at] ^= 1 << (31 if stream.session.layout.rule == pb.RULE_LION else 20)
    response.deltas = numbers.tobytes()
    with pytest.raises(DigestMismatchError, match=f"After step {stream.anchor.step + 1} "):
        stream.replay()


def fused_products(mover: Any, place: Any, layer: Any, u: Any, a: Any) -> None:
    """As WeightMover._add_products with one rounding for product and sum: float64 holds both exactly enough."""
    size = place.outputs * place.inputs
    matrix, bias = layer[:size].reshape(place.outputs, place.inputs), layer[size:]
    for column, row in zip(u, a, strict=True):
        matrix[:] = matrix.astype("f8") + np.outer(column.astype("f8"), row.astype("f8"))
        bias += column


def fused_fade(mean: Any, keep: Any, news: Any) -> None:
    """As step_rules._fade with one rounding for product and sum."""
    mean[:] = np.float64(keep) * mean.astype("f8") + news


def backward_sums(mover: Any, place: Any, u: Any, a: Any) -> Any:
    """As WeightMover._sum_products with the samples in another order."""
    return SUM_PRODUCTS(mover, place, u[::-1], a[::-1])


def fused_root(numerator: Any, v: Any, epsilon: Any, scratch: Any) -> Any:
    """As step_rules._over_root by way of the reciprocal."""
    return np.multiply(numerator, np.float32(1) / (np.sqrt(v) + epsilon), out=scratch)


def keep_above(limit: Any) -> Callable[[Any, Any, Any], None]:
    """As step_rules._drop_tiny, without the rule whose limit this is."""

    def drop(x: Any, its_limit: Any, scratch: Any) -> None:
        if its_limit != limit:
            DROP_TINY(x, its_limit, scratch)

    return drop


def drop_tiny_but_zero(x: Any) -> Any:
    """As forward.without_tiny, of numbers that are not zero already."""
    x[(np.abs(x) < 2.0**-60) & (x != 0)] = 0
    return x


DROP_TINY = step_rules._drop_tiny
FLUSH = step_rules.flush
SUM_PRODUCTS = weight_mover.WeightMover._sum_products
FAULTS = {
    "fused multiply-add": (weight_mover.WeightMover, "_add_products", fused_products),
    "fused multiply-add in means": (step_rules, "_fade", fused_fade),
    "samples in another order": (weight_mover.WeightMover, "_sum_products", backward_sums),
    "a reciprocal for a division": (step_rules, "_over_root", fused_root),
    "tiny gradients and means kept": (
        step_rules,
        "_drop_tiny",
        keep_above(step_rules._TINY_GRADIENT),
    ),
    "tiny state dropped by every step": (
        weight_mover,
        "flush",
        lambda rule, state, step, scratch: FLUSH(rule, state, 64, scratch),
    ),
    "tiny squares kept": (step_rules, "_drop_tiny", keep_above(step_rules._TINY_SQUARE)),
    "tiny deltas kept": (step_rules, "_drop_tiny", keep_above(step_rules._TINY_DELTA)),
    "tiny inputs kept": (forward, "without_tiny", lambda x: x),
    "inputs of −0.0 kept": (forward, "without_tiny", drop_tiny_but_zero),
    "tiny inputs keep their sign": (forward, "without_tiny", lambda x: x * (np.abs(x) >= 2.0**-60)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_other_arithmetic_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    assert [path.stem for path in PATHS if disagrees(RecordedStream.read(path))] != []


def disagrees(stream: RecordedStream) -> bool:
    """Whether the replay does not come to the server's weights and state."""
    try:
        return stream.replay().verify(stream.anchor_of(stream.end)) is not None
    except DigestMismatchError:
        return True
