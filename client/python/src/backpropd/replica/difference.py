# SPDX-License-Identifier: Apache-2.0
"""Where a replica and an anchor differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backpropd.replica.arrays import Float32
from backpropd.replica.layout import LayerPlace


@dataclass(frozen=True)
class Difference:
    """The first number in which a replica and an anchor differ."""

    vector: int
    """0: the weights; 1, 2: the optimiser's state vectors."""
    layer: int
    """The layer, from 0."""
    index: tuple[int, ...]
    """(row, column) in the layer's weight matrix, or (row,) in its bias."""
    mine: float
    """What the replica holds."""
    theirs: float
    """What the anchor holds."""

    def __str__(self) -> str:
        part = ("weight", "state 1 of weight", "state 2 of weight")[self.vector]
        part += " " if len(self.index) == 2 else " bias "
        return f"layer {self.layer}, {part}{list(self.index)}: {self.mine!r} here, {self.theirs!r} there"


def difference_of(vectors: Sequence[tuple[Float32, Float32]], places: Sequence[LayerPlace]) -> Difference | None:
    """The first number, bit for bit, in which two sessions' vectors differ.

    Args:
        vectors: (mine, theirs), each (weight_count,): the weights, then the
            optimiser's state, which is compared but for DENSE layers.
        places: the layers.

    """
    for number, (mine, theirs) in enumerate(vectors):
        for layer, place in enumerate(places):
            if number == 0 or not place.dense:
                found = _first_in_layer(mine, theirs, place)
                if found is not None:
                    return Difference(number, layer, *found)
    return None


def _first_in_layer(mine: Float32, theirs: Float32, place: LayerPlace) -> tuple[tuple[int, ...], float, float] | None:
    """(index within the layer, mine, theirs) of the layer's first number whose bits differ."""
    here, there = mine[place.begin : place.end], theirs[place.begin : place.end]
    unequal = np.flatnonzero(here.view(np.uint32) != there.view(np.uint32))
    if not len(unequal):
        return None
    at = int(unequal[0])
    size = place.inputs * place.outputs
    index = divmod(at, place.inputs) if at < size else (at - size,)
    return index, float(here[at]), float(there[at])
