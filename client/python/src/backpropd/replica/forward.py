# SPDX-License-Identifier: Apache-2.0
"""Inference on one's own copy of the weights. Outside the delta contract: it need not match bit for bit."""

from __future__ import annotations

import math

import numpy as np

from backpropd.replica.arrays import AnyArray, Float32
from backpropd.replica.layout import LayerPlace
from backpropd.v1 import network_pb2 as pb

_TINY = np.float32(2.0**-60)
_erf = np.frompyfunc(math.erf, 1, 1)


def network_inputs(rows: AnyArray, input_format: pb.InputFormat, standardisation: pb.Standardisation | None) -> Float32:
    """X as the network sees it (InputFormat): (n, input_size) of elements → (n, input_size)."""
    scale = np.float32(input_format.scale or 1)
    x = np.multiply(rows, scale, dtype=np.float32)
    if standardisation is not None and len(standardisation.mean):
        x -= np.array(standardisation.mean, dtype=np.float32)
        x *= np.array(standardisation.factor, dtype=np.float32)
    return without_tiny(x)


def without_tiny(x: Float32) -> Float32:
    """`x` with entries below 2^−60 in magnitude set to zero, in place."""
    x[np.abs(x) < _TINY] = 0
    return x


def activate(z: Float32, layer: pb.Layer) -> Float32:
    """f(z), z of shape (n, outputs)."""
    kind = layer.activation
    result: AnyArray
    if kind == pb.ACTIVATION_SIGMOID:
        result = 0.5 * (1 + np.tanh(0.5 * z))
    elif kind == pb.ACTIVATION_TANH:
        result = np.tanh(z)
    elif kind == pb.ACTIVATION_RELU:
        result = np.maximum(z, 0)
    elif kind == pb.ACTIVATION_SOFTMAX:
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        result = powers / powers.sum(axis=1, keepdims=True)
    elif kind == pb.ACTIVATION_LEAKY_RELU:
        result = np.where(z > 0, z, (layer.negative_scale if layer.HasField("negative_scale") else 0.01) * z)
    elif kind == pb.ACTIVATION_ELU:
        constant = layer.negative_scale if layer.HasField("negative_scale") else 1.0
        result = np.where(z > 0, z, constant * np.expm1(np.minimum(z, 0)))
    elif kind == pb.ACTIVATION_GELU:
        result = z * 0.5 * (1 + _erf(z / np.sqrt(2.0)).astype(np.float64))
    elif kind == pb.ACTIVATION_SOFTPLUS:
        result = np.logaddexp(z, np.float32(0))
    else:
        result = z
    return np.asarray(result, dtype=np.float32)


def outputs_of(x: Float32, weights: Float32, places: list[LayerPlace], spec: pb.SessionSpec) -> Float32:
    """The network's outputs: x (n, input_size), weights (weight_count,) → (n, outputs)."""
    for place, layer in zip(places, spec.layers, strict=True):
        x = activate(x @ place.matrix(weights).T + place.bias(weights), layer)
    return x
