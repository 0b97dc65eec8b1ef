# SPDX-License-Identifier: Apache-2.0
"""How a gradient becomes a weight delta: delta.proto (7), elementwise in float32.

Each rule works in place on equally long float32 vectors, (n,): g, the gradient,
which it uses up; w, the weights before the step, which it moves; the state; and
one vector of scratch space. NumPy's ufuncs round each operation to float32 and
never contract two of them, which is all that the contract asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from backpropd.replica.arrays import Float32
from backpropd.v1 import network_pb2 as pb

Direction: TypeAlias = Callable[[Float32, Float32, Float32, Float32], Float32]
"""(g (n,), state (state_count, n), scalars (scalar_count,), scratch (n,)) → p (n,), g or scratch."""

# The bits of the largest number that is dropped, as an integer.
_TINY_GRADIENT = np.int32(np.float32(2.0**-60).view(np.int32) - 1)
_TINY_SQUARE = np.int32(np.float32(2.0**-120).view(np.int32) - 1)
_TINY_DELTA = np.int32(np.float32(2.0**-100).view(np.int32) - 1)
_MAGNITUDE = np.int32(0x7FFFFFFF)
_SIGN_SHIFT = np.int32(31)


def _drop_tiny(x: Float32, limit: np.int32, scratch: Float32) -> None:
    """X ← +0 where |x| is at most the number whose bits are `limit`.

    Magnitudes are ordered as their bits are. `limit` − bits is negative for
    what is kept; its sign, spread over the word, is the mask. Four times as
    fast as NumPy's masked assignment, which goes number by number.
    """
    bits, mask = x.view(np.int32), scratch.view(np.int32)
    np.bitwise_and(bits, _MAGNITUDE, out=mask)
    np.subtract(limit, mask, out=mask)
    np.right_shift(mask, _SIGN_SHIFT, out=mask)
    np.bitwise_and(bits, mask, out=bits)


def _fade(mean: Float32, keep: np.float32, news: Float32) -> None:
    """Mean ← fl(fl(keep·mean) + news)."""
    np.multiply(mean, keep, out=mean)
    np.add(mean, news, out=mean)


def _plain(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    return g


def _momentum(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    _fade(state[0], scalars[5], g)
    np.copyto(scratch, state[0])
    return scratch


def _nesterov(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    _fade(state[0], scalars[5], g)
    np.multiply(state[0], scalars[5], out=scratch)
    return np.add(g, scratch, out=g)


def _over_root(numerator: Float32, v: Float32, epsilon: np.float32, scratch: Float32) -> Float32:
    """fl(numerator / fl(fl(√v) + ε)), in `scratch`."""
    np.sqrt(v, out=scratch)
    np.add(scratch, epsilon, out=scratch)
    return np.divide(numerator, scratch, out=scratch)


def _adagrad(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    np.multiply(g, g, out=scratch)
    np.add(state[0], scratch, out=state[0])
    return _over_root(g, state[0], scalars[5], scratch)


def _fade_square(v: Float32, g: Float32, keep: np.float32, take: np.float32, scratch: Float32) -> None:
    """V ← fl(fl(keep·v) + fl(take·fl(g·g)))."""
    np.multiply(g, g, out=scratch)
    np.multiply(scratch, take, out=scratch)
    _fade(v, keep, scratch)


def _rms_prop(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    _fade_square(state[0], g, scalars[5], scalars[6], scratch)
    return _over_root(g, state[0], scalars[7], scratch)


def _adam(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    _fade_square(state[1], g, scalars[7], scalars[8], scratch)
    np.multiply(g, scalars[6], out=g)
    _fade(state[0], scalars[5], g)
    return _over_root(state[0], state[1], scalars[9], scratch)


def _lion(g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> Float32:
    c = scratch
    np.multiply(state[0], scalars[5], out=c)
    np.add(c, g * scalars[6], out=c)
    np.multiply(g, scalars[8], out=g)
    _fade(state[0], scalars[7], g)
    np.sign(c, out=c)
    return c


class Rule(NamedTuple):
    """How gradients become weight deltas."""

    direction: Direction
    scalar_count: int
    state_limits: tuple[np.int32 | None, ...]
    """Of each state vector: the bits of the largest number that is dropped; None: it does not fade."""

    @property
    def state_count(self) -> int:
        """The number of state vectors."""
        return len(self.state_limits)


RULES = {
    pb.RULE_SGD: Rule(_plain, 6, ()),
    pb.RULE_MOMENTUM: Rule(_momentum, 6, (_TINY_GRADIENT,)),
    pb.RULE_NESTEROV: Rule(_nesterov, 6, (_TINY_GRADIENT,)),
    pb.RULE_ADAGRAD: Rule(_adagrad, 6, (None,)),
    pb.RULE_RMS_PROP: Rule(_rms_prop, 8, (_TINY_SQUARE,)),
    pb.RULE_ADAM: Rule(_adam, 10, (_TINY_GRADIENT, _TINY_SQUARE)),
    pb.RULE_LION: Rule(_lion, 9, (_TINY_GRADIENT,)),
}
"""All but RULE_NONE, with which the factors make the delta itself."""


def rule_of(layout: pb.Layout) -> Rule | None:
    """The layout's rule; None for RULE_NONE.

    Raises:
        ValueError: this client does not know it, or the layout's factor kind
            or counts are not the rule's.

    """
    if layout.rule == pb.RULE_UNSPECIFIED:
        raise ValueError("layout.rule is not set: the server is older than this client.")
    rule = RULES.get(layout.rule)
    if rule is None and layout.rule != pb.RULE_NONE:
        raise ValueError(f"layout.rule is {layout.rule}, which this client does not know: a newer client is needed.")
    scalars, states = (0, 0) if rule is None else (rule.scalar_count, rule.state_count)
    for field, got, want in (
        ("factor_kind", layout.factor_kind, pb.FACTOR_KIND_DELTA if rule is None else pb.FACTOR_KIND_GRADIENT),
        ("scalar_count", layout.scalar_count, scalars),
        ("state_count", layout.state_count, states),
    ):
        if got != want:
            raise ValueError(f"layout.{field} is {got} where {want} follows from layout.rule.")
    return rule


def flush(rule: Rule, state: Float32, step: int, scratch: Float32) -> None:
    """What ends step number `step`: where it is a multiple of 64, tiny state is dropped.

    Args:
        rule: the session's.
        state: the optimiser's, (state_count, n); changed.
        step: the step's number.
        scratch: room for n numbers.

    """
    if step % 64 != 0:
        return
    for vector, limit in zip(state, rule.state_limits, strict=True):
        if limit is not None:
            _drop_tiny(vector, limit, scratch)


def move(direction: Direction, w: Float32, g: Float32, state: Float32, scalars: Float32, scratch: Float32) -> None:
    """One step of `w`, whose gradient is `g`: w ← fl(w + D). flush() ends the step.

    Args:
        direction: the rule's.
        w: the weights, (n,); moved.
        g: their gradient, (n,); used up.
        state: the optimiser's, (state_count, n); moved.
        scalars: the step's scalar row, (scalar_count,).
        scratch: room for n numbers.

    """
    rate, l2, l1, decay, clip = scalars[:5]
    if clip != 0:
        np.maximum(g, -clip, out=g)
        np.minimum(g, clip, out=g)
    if l2 != 0:
        np.multiply(w, l2, out=scratch)
        np.add(g, scratch, out=g)
        _drop_tiny(g, _TINY_GRADIENT, scratch)
    if l1 != 0:
        np.add(g, l1, out=g, where=w > 0)
        np.subtract(g, l1, out=g, where=w < 0)
    p = direction(g, state, scalars, scratch)
    delta = np.multiply(p, -rate, out=p)  # −fl(rate·p), rounding being symmetric
    if decay != 0:
        decayed = scratch if p is g else g
        np.multiply(w, decay, out=decayed)
        np.subtract(delta, decayed, out=delta)
        _drop_tiny(delta, _TINY_DELTA, decayed)
    np.add(w, delta, out=w)
