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


def check_layout(spec: pb.SessionSpec, layout: pb.Layout) -> None:
    """Compares each number with what follows from the spec and the layers' delta forms.

    Rule and what follows from it are step_rules.rule_of's to check.
    proto/testdata/layouts.txt has what every client refuses.

    Args:
        spec: the session's effective spec.
        layout: the session's, which is not trusted.

    Raises:
        ValueError: names the first field that disagrees.

    """
    _agree("the number of layout.layers", len(layout.layers), len(spec.layers))
    for number, (layer, asked) in enumerate(zip(layout.layers, spec.layers, strict=True)):
        _agree(f"layout.layers[{number}].outputs", layer.outputs, asked.size)
        if layer.delta_form not in (pb.DELTA_FORM_FACTORED, pb.DELTA_FORM_DENSE):
            raise ValueError(
                f"layout.layers[{number}].delta_form is {layer.delta_form}, which this client does not know: "
                "a newer client is needed."
            )
    if spec.input_size == 0 or not spec.layers:
        raise ValueError("input_size and the number of layers must be at least 1.")
    inputs, weight, delta = spec.input_size, 0, 0
    for number, layer in enumerate(layout.layers):
        if layer.outputs == 0:
            raise ValueError(f"The size of layer {number} must be at least 1.")
        size = inputs * layer.outputs
        length = size + layer.outputs
        if layer.delta_form == pb.DELTA_FORM_FACTORED:
            length = (spec.batch_size or 1) * (layer.outputs + (inputs if number else 0))
        _agree(f"layout.layers[{number}].inputs", layer.inputs, inputs)
        _agree(f"layout.layers[{number}].weights_begin", layer.weights_begin, weight)
        _agree(f"layout.layers[{number}].bias_begin", layer.bias_begin, weight + size)
        _agree(f"layout.layers[{number}].delta_begin", layer.delta_begin, delta)
        _agree(f"layout.layers[{number}].delta_length", layer.delta_length, length)
        inputs, weight, delta = layer.outputs, weight + size + layer.outputs, delta + length
    _agree("layout.weight_count", layout.weight_count, weight)
    _agree("layout.delta_row_length", layout.delta_row_length, delta)


def _agree(field: str, got: int, want: int) -> None:
    if got != want:
        raise ValueError(
            f"The server's layout is not one that this client knows: {field} is {got} "
            f"where {want} follows from the session's spec."
        )


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
