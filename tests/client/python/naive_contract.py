# SPDX-License-Identifier: Apache-2.0
"""The delta contract as its text has it: one number at a time, in float32 scalars.

The obvious twin that the replica is compared with. Slow; for nets of a few
dozen weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from backpropd.v1 import network_pb2 as pb

F = np.float32


def layout_of(spec: pb.SessionSpec) -> pb.Layout:
    """The layout that a server makes of a spec whose layers name their delta forms, or leave them to it."""
    batch = spec.batch_size or 1
    layout = pb.Layout()
    inputs, delta = spec.input_size, 0
    for number, layer in enumerate(spec.layers):
        outputs = layer.size
        cheaper_dense = batch * (outputs + inputs) >= outputs * inputs
        form = layer.delta_form or (pb.DELTA_FORM_DENSE if cheaper_dense else pb.DELTA_FORM_FACTORED)
        if form == pb.DELTA_FORM_DENSE:
            length = outputs * inputs + outputs
        else:
            length = batch * (outputs + (inputs if number else 0))
        begin = layout.weight_count
        layout.layers.add(
            inputs=inputs,
            outputs=outputs,
            weights_begin=begin,
            bias_begin=begin + inputs * outputs,
            delta_form=form,
            delta_begin=delta,
            delta_length=length,
        )
        layout.weight_count = begin + inputs * outputs + outputs
        delta += length
        inputs = outputs
    layout.delta_row_length = delta
    kind = spec.optimiser.WhichOneof("kind")
    optimiser = spec.optimiser
    plain = kind == "sgd" and not optimiser.sgd.momentum
    extras = optimiser.l2 or optimiser.l1 or optimiser.decoupled_decay or optimiser.clipping.max_value
    layout.factor_kind = pb.FACTOR_KIND_DELTA if plain and not extras else pb.FACTOR_KIND_GRADIENT
    layout.rule = pb.RULE_NONE if plain and not extras else rule_of(optimiser)
    if layout.factor_kind == pb.FACTOR_KIND_GRADIENT:
        layout.scalar_count = {"sgd": 6, "adagrad": 6, "rms_prop": 8, "adam": 10, "lion": 9}[str(kind)]
    layout.state_count = 0 if plain else 2 if kind == "adam" else 1
    return layout


def rule_of(optimiser: pb.Optimiser) -> Any:
    """The rule of an optimiser with something beside plain descent."""
    kind = str(optimiser.WhichOneof("kind"))
    if kind == "sgd" and optimiser.sgd.nesterov:
        return pb.RULE_NESTEROV
    if kind == "sgd" and optimiser.sgd.momentum:
        return pb.RULE_MOMENTUM
    return pb.Rule.Value(f"RULE_{kind.upper()}")


def scalars_of(optimiser: pb.Optimiser, age: int) -> list[float]:
    """The scalar row of the step whose age since the state was zero is `age`: 1, 2, 3 and so on."""
    rate = float(optimiser.learning_rate)
    kind = optimiser.WhichOneof("kind")
    row = [rate, optimiser.l2, optimiser.l1, rate * optimiser.decoupled_decay, optimiser.clipping.max_value]
    if kind == "sgd":
        row += [optimiser.sgd.momentum]
    elif kind == "adagrad":
        row += [optimiser.adagrad.epsilon or 1e-10]
    elif kind == "rms_prop":
        rho = optimiser.rms_prop.decay if optimiser.rms_prop.HasField("decay") else 0.99
        row += [rho, 1 - rho, optimiser.rms_prop.epsilon or 1e-8]
    elif kind == "lion":
        beta1 = optimiser.lion.beta1 if optimiser.lion.HasField("beta1") else 0.9
        beta2 = optimiser.lion.beta2 if optimiser.lion.HasField("beta2") else 0.99
        row += [beta1, 1 - beta1, beta2, 1 - beta2]
    elif kind == "adam":
        beta1 = optimiser.adam.beta1 if optimiser.adam.HasField("beta1") else 0.9
        beta2 = optimiser.adam.beta2 if optimiser.adam.HasField("beta2") else 0.999
        root = (1 - beta2**age) ** 0.5
        row[0] = rate * root / (1 - beta1**age)
        row += [beta1, 1 - beta1, beta2, 1 - beta2, (optimiser.adam.epsilon or 1e-8) * root]
    return row


def zero_below(power: int, x: F) -> F:
    """`x`, or +0 where |x| < 2^−power."""
    return x if abs(x) >= 2.0**-power else F(0)


def move_weight(optimiser: pb.Optimiser, step: int, w: F, g: F, state: list[F], s: list[F]) -> tuple[F, list[F]]:
    """(w, state) after step number `step`, whose gradient is g and whose scalar row is s."""
    rate, l2, l1, decay, clip = s[:5]
    if clip != 0:
        g = min(max(g, -clip), clip)
    if l2 != 0:
        g = zero_below(60, F(g + F(l2 * w)))
    if l1 != 0 and w != 0:
        g = F(g + l1) if w > 0 else F(g - l1)
    kind = optimiser.WhichOneof("kind")
    if kind == "sgd" and optimiser.sgd.momentum == 0:
        p = g
    elif kind == "sgd":
        m = F(F(s[5] * state[0]) + g)
        p = F(g + F(s[5] * m)) if optimiser.sgd.nesterov else m
        state = [m]
    elif kind == "adagrad":
        v = F(state[0] + F(g * g))
        p = F(g / F(F(np.sqrt(v)) + s[5]))
        state = [v]
    elif kind == "rms_prop":
        v = F(F(s[5] * state[0]) + F(s[6] * F(g * g)))
        p = F(g / F(F(np.sqrt(v)) + s[7]))
        state = [v]
    elif kind == "lion":
        c = F(F(s[5] * state[0]) + F(s[6] * g))
        p = F(1 if c > 0 else -1 if c < 0 else 0)
        state = [F(F(s[7] * state[0]) + F(s[8] * g))]
    else:
        m = F(F(s[5] * state[0]) + F(s[6] * g))
        v = F(F(s[7] * state[1]) + F(s[8] * F(g * g)))
        p = F(m / F(F(np.sqrt(v)) + s[9]))
        state = [m, v]
    delta = F(-F(rate * p))
    if decay != 0:
        delta = zero_below(100, F(delta - F(decay * w)))
    if step % 64 == 0:
        powers = {"sgd": [60], "adagrad": [], "rms_prop": [120], "adam": [60, 120], "lion": [60]}[str(kind)]
        state = [zero_below(power, number) for power, number in zip(powers, state, strict=False)] or state
    return F(w + delta), state


def seen_inputs(rows: Any, spec: pb.SessionSpec) -> Any:
    """X as InputFormat defines it, number by number: (n, input_size)."""
    scale = F(spec.input.scale or 1)
    x = np.zeros(np.shape(rows), dtype=F)
    for at in np.ndindex(*x.shape):
        value = F(scale * F(rows[at]))
        if spec.input.HasField("standardisation"):
            mean, factor = spec.input.standardisation.mean[at[1]], spec.input.standardisation.factor[at[1]]
            value = F(F(value - F(mean)) * F(factor))
        x[at] = value if abs(value) >= 2.0**-60 else 0
    return x


def apply_step(
    spec: pb.SessionSpec,
    layout: pb.Layout,
    step: int,
    weights: Any,
    state: Any,
    row: Any,
    scalars: Any,
    x: Any,
) -> None:
    """Moves `weights` (weight_count,) and `state` (state_count, weight_count) by step number `step`.

    `row` is the delta row, `x` (batch_size, input_size) what the network saw.
    """
    batch = spec.batch_size or 1
    for number, layer in enumerate(layout.layers):
        part = row[layer.delta_begin : layer.delta_begin + layer.delta_length]
        size = layer.inputs * layer.outputs
        if layer.delta_form == pb.DELTA_FORM_DENSE:
            for at in range(size + layer.outputs):
                weights[layer.weights_begin + at] = F(weights[layer.weights_begin + at] + part[at])
            continue
        width = layer.outputs + (layer.inputs if number else 0)
        us = [part[s * width : s * width + layer.outputs] for s in range(batch)]
        inputs = [part[s * width + layer.outputs : (s + 1) * width] if number else x[s] for s in range(batch)]
        for i in range(layer.outputs):
            for j in range(layer.inputs + 1):
                at = layer.weights_begin + (i * layer.inputs + j if j < layer.inputs else size + i)
                terms = [F(u[i] * a[j]) if j < layer.inputs else u[i] for u, a in zip(us, inputs, strict=True)]
                g = terms[0]
                for term in terms[1:]:
                    g = F(g + term)
                if layout.factor_kind == pb.FACTOR_KIND_DELTA:
                    weights[at] = F(weights[at] + g)
                else:
                    old = [vector[at] for vector in state]
                    weights[at], new = move_weight(spec.optimiser, step, weights[at], g, old, [F(v) for v in scalars])
                    for vector, value in zip(state, new, strict=True):
                        vector[at] = value
