# SPDX-License-Identifier: Apache-2.0
"""Arrays become samples, or it is said why not."""

from __future__ import annotations

import numpy as np
import pytest
from backpropd.samples import samples_of
from backpropd.v1 import network_pb2 as pb


def spec_of(outputs: int) -> pb.SessionSpec:
    return pb.SessionSpec(input_size=4, layers=[pb.Layer(size=outputs)])


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
