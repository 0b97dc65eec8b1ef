# SPDX-License-Identifier: Apache-2.0
"""Arrays become input rows, or it is said why not."""

from __future__ import annotations

import numpy as np
import pytest
from backpropd.replica.input_rows import input_rows
from backpropd.v1 import network_pb2 as pb


def spec_of(element: pb.ElementType = pb.ELEMENT_TYPE_FLOAT32) -> pb.SessionSpec:
    spec = pb.SessionSpec(input_size=4, layers=[pb.Layer(size=1)])
    spec.input.element_type = element
    return spec


def test_images_are_rows() -> None:
    assert input_rows(np.zeros((5, 2, 2)), spec_of()).shape == (5, 4)
    assert input_rows([1, 2, 3, 4], spec_of()).shape == (1, 4)
    for shape in ((5, 3), (4, 1), (5,), ()):
        with pytest.raises(ValueError, match="shape"):
            input_rows(np.zeros(shape), spec_of())


def test_bytes_must_be_whole_and_in_range() -> None:
    spec = spec_of(pb.ELEMENT_TYPE_UINT8)
    assert input_rows([[0, 1, 2, 255]], spec).dtype == np.uint8
    with pytest.raises(TypeError):
        input_rows(np.zeros((1, 4)), spec)
    with pytest.raises(ValueError, match="255"):
        input_rows([[0, 1, 2, 256]], spec)
