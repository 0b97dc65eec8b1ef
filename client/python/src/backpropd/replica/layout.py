# SPDX-License-Identifier: Apache-2.0
"""Where each weight lies: the protocol's Layout, as slices."""

from __future__ import annotations

from dataclasses import dataclass

from backpropd.replica.arrays import Float32
from backpropd.v1 import network_pb2 as pb


@dataclass(frozen=True)
class LayerPlace:
    """Where one layer lies. All positions count float32 numbers."""

    inputs: int
    """Columns of the weight matrix."""
    outputs: int
    """Rows of the weight matrix, and length of the bias."""
    begin: int
    """The weight matrix, row-major (outputs, inputs), begins here in the flat vector."""
    bias_begin: int
    """The bias, (outputs,), begins here: right after the matrix."""
    dense: bool
    """Whether the layer's delta travels in full, not as factors."""
    delta_begin: int
    """The layer's part of a step's delta row begins here."""
    delta_length: int
    """... and is this long."""

    @property
    def end(self) -> int:
        """The position after the layer's bias in the flat vector."""
        return self.bias_begin + self.outputs

    def matrix(self, flat: Float32) -> Float32:
        """The layer's weights (outputs, inputs) in a flat vector; a view."""
        return flat[self.begin : self.bias_begin].reshape(self.outputs, self.inputs)

    def bias(self, flat: Float32) -> Float32:
        """The layer's bias (outputs,) in a flat vector; a view."""
        return flat[self.bias_begin : self.end]


def places_of(layout: pb.Layout) -> list[LayerPlace]:
    """The layers of a layout, first layer first.

    Raises:
        ValueError: the layers do not follow each other without gaps.

    """
    places = [
        LayerPlace(
            inputs=layer.inputs,
            outputs=layer.outputs,
            begin=layer.weights_begin,
            bias_begin=layer.bias_begin,
            dense=layer.delta_form == pb.DELTA_FORM_DENSE,
            delta_begin=layer.delta_begin,
            delta_length=layer.delta_length,
        )
        for layer in layout.layers
    ]
    weight, delta = 0, 0
    for place in places:
        if place.begin != weight or place.bias_begin != weight + place.inputs * place.outputs:
            raise ValueError(f"A layer's weights begin at {place.begin} where {weight} was expected.")
        if place.delta_begin != delta:
            raise ValueError(f"A layer's delta begins at {place.delta_begin} where {delta} was expected.")
        weight, delta = place.end, delta + place.delta_length
    if weight != layout.weight_count or delta != layout.delta_row_length:
        raise ValueError("The layers don't fill the layout.")
    return places
