# SPDX-License-Identifier: Apache-2.0
"""Arrays become samples, or it is said why not."""

from __future__ import annotations

import numpy as np
import pytest
from backpropd.rows import input_rows, samples_of
from backpropd.v1 import network_pb2 as pb


def spec_of(outputs: int, element: pb.ElementType = pb.ELEMENT_TYPE_FLOAT32) -> pb.SessionSpec:
    spec = pb.SessionSpec(input_size=4, layers=[pb.Layer(size=outputs)])
    spec.input.element_type = element
    return spec


def test_images_are_rows() -> None:
    assert input_rows(np.zeros((5, 2, 2)), spec_of(1)).shape == (5, 4)
    assert input_rows([1, 2, 3, 4], spec_of(1)).shape == (1, 4)
    for shape in ((5, 3), (4, 1), (5,), ()):
        with pytest.raises(ValueError, match="shape"):
            input_rows(np.zeros(shape), spec_of(1))


def test_bytes_must_be_whole_and_in_range() -> None:
    spec = spec_of(1, pb.ELEMENT_TYPE_UINT8)
    assert input_rows([[0, 1, 2, 255]], spec).dtype == np.uint8
    with pytest.raises(TypeError):
        input_rows(np.zeros((1, 4)), spec)
    with pytest.raises(ValueError, match="255"):
        input_rows([[0, 1, 2, 256]], spec)


def test_whole_numbers_are_classes_and_others_targets() -> None:
    x = np.zeros((3, 4))
    classes = samples_of(x, [0, 1, 2], spec_of(3))
    assert classes.targets is None
    assert classes.classes is not None
    targets = samples_of(x, np.zeros((3, 3)), spec_of(3))
    assert targets.classes is None
    assert targets.targets is not None
    assert targets.targets.shape == (3, 3)
    one = samples_of(x, [0, 1, 1], spec_of(1))
    assert one.targets is not None
    assert one.targets.shape == (3, 1)
    row = samples_of(x[0], [0.0, 1.0, 0.0], spec_of(3))
    assert row.targets is not None
    assert row.targets.shape == (1, 3)


def test_what_does_not_fit_is_refused() -> None:
    x = np.zeros((3, 4))
    for y in ([0, 1], [0, 1, 3], [-1, 0, 0], np.zeros((3, 2)), [0.5, 0.5, 0.5]):
        with pytest.raises(ValueError):  # noqa: PT011  each has its own words
            samples_of(x, y, spec_of(3))
    with pytest.raises(ValueError, match="sample_weights"):
        samples_of(x, [0, 1, 2], spec_of(3), [1.0])


def test_samples_join_only_with_their_like() -> None:
    x = np.zeros((3, 4))
    classes, targets = samples_of(x, [0, 1, 2], spec_of(3)), samples_of(x, np.zeros((3, 3)), spec_of(3))
    assert len(classes.then(classes)) == 6
    with pytest.raises(ValueError, match="mixed"):
        classes.then(targets)
