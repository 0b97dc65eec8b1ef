# SPDX-License-Identifier: Apache-2.0
"""The delta contract's arithmetic on a whole network: delta rows in, moved weights out."""

from __future__ import annotations

import numpy as np

from backpropd.replica.arrays import Float32
from backpropd.replica.layout import LayerPlace, check_layout, places_of
from backpropd.replica.step_rules import Rule, flush, move, rule_of
from backpropd.v1 import network_pb2 as pb

_BLOCK = 16384
"""So many weights are moved at a time, in order that an optimiser's vectors stay in the cache."""


class WeightMover:
    """Moves weights, and the optimiser's state, by delta rows.

    Args:
        spec: the session's.
        layout: the session's.

    Raises:
        ValueError: the layout is not what the spec makes, or has a delta form or
            a rule that this client does not know.

    """

    def __init__(self, spec: pb.SessionSpec, layout: pb.Layout) -> None:
        check_layout(spec, layout)
        self.places = places_of(layout)
        self.batch_size = spec.batch_size or 1
        factored = [place for place in self.places if not place.dense]
        self.needs_inputs = not self.places[0].dense
        """Whether the first layer's deltas are made from the samples' inputs."""
        rule = rule_of(layout)
        self._rule = rule if factored else None
        self.needs_scalars = self._rule is not None
        """Whether a rule's formulas, and so its scalars, make the deltas."""
        largest = max((place.end - place.begin for place in factored), default=0)
        self._g = np.empty(largest, dtype=np.float32)
        self._product = np.empty(largest, dtype=np.float32)
        self._scratch = np.empty(_BLOCK, dtype=np.float32)

    def advance(
        self, first: int, weights: Float32, state: Float32, rows: Float32, x: Float32 | None, scalars: Float32
    ) -> None:
        """Makes n steps, layer after layer: layers don't see each other.

        Args:
            first: the number of the first step.
            weights: (weight_count,); moved.
            state: (state_count, weight_count); moved.
            rows: (n, delta_row_length).
            x: the network's inputs, (n, batch_size, input_size), if needs_inputs.
            scalars: (n, scalar_count), if needs_scalars.

        """
        steps = len(rows)
        if steps == 0:
            return
        for number, place in enumerate(self.places):
            part = rows[:, place.delta_begin : place.delta_begin + place.delta_length]
            layer = weights[place.begin : place.end]
            if place.dense:
                for row in part:
                    np.add(layer, row, out=layer)
                continue
            factors = part.reshape(steps, self.batch_size, -1)
            u = factors[:, :, : place.outputs]
            a = x if number == 0 and x is not None else factors[:, :, place.outputs :]
            if self._rule is not None:
                self._descend(self._rule, first, place, layer, state[:, place.begin : place.end], u, a, scalars)
            elif self.batch_size == 1:
                self._add_products(place, layer, u[:, 0], a[:, 0])
            else:
                self._add_sums(place, layer, u, a)

    def _add_products(self, place: LayerPlace, layer: Float32, u: Float32, a: Float32) -> None:
        """W ← fl(w + fl(u_i·a_j)) step by step: u (steps, outputs), a (steps, inputs)."""
        size = place.outputs * place.inputs
        matrix, bias = layer[:size].reshape(place.outputs, place.inputs), layer[size:]
        product = self._product[:size].reshape(matrix.shape)
        multiply, add = np.multiply, np.add
        for column, row in zip(u[:, :, None], a, strict=True):
            multiply(column, row, product)
            add(matrix, product, matrix)
        for change in u:
            add(bias, change, bias)

    def _sum_products(self, place: LayerPlace, u: Float32, a: Float32) -> Float32:
        """G of one step, laid out as the layer's weights and bias: u (batch, outputs), a (batch, inputs)."""
        size = place.outputs * place.inputs
        g = self._g[: size + place.outputs]
        matrix, bias = g[:size].reshape(place.outputs, place.inputs), g[size:]
        product = self._product[:size].reshape(matrix.shape)
        np.multiply(u[0][:, None], a[0], out=matrix)
        bias[:] = u[0]
        for sample in range(1, len(u)):
            np.multiply(u[sample][:, None], a[sample], out=product)
            np.add(matrix, product, out=matrix)
            np.add(bias, u[sample], out=bias)
        return g

    def _add_sums(self, place: LayerPlace, layer: Float32, u: Float32, a: Float32) -> None:
        """W ← fl(w + g) step by step: u (steps, batch, outputs), a (steps, batch, inputs)."""
        for step_u, step_a in zip(u, a, strict=True):
            np.add(layer, self._sum_products(place, step_u, step_a), out=layer)

    def _descend(
        self,
        rule: Rule,
        first: int,
        place: LayerPlace,
        layer: Float32,
        state: Float32,
        u: Float32,
        a: Float32,
        scalars: Float32,
    ) -> None:
        """As _add_sums, by way of the rule: state (state_count, layer's size), scalars (steps, scalar_count)."""
        for step, (step_u, step_a, row) in enumerate(zip(u, a, scalars, strict=True), first):
            g = self._sum_products(place, step_u, step_a)
            for begin in range(0, len(g), _BLOCK):
                block = slice(begin, min(begin + _BLOCK, len(g)))
                scratch = self._scratch[: block.stop - begin]
                move(rule.direction, layer[block], g[block], state[:, block], row, scratch)
                flush(rule, state[:, block], step, scratch)
