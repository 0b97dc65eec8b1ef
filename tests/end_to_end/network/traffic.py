# SPDX-License-Identifier: Apache-2.0
"""Samples that every client of the test makes alike from a seed and an offset, be it in C++ (network_client.cc)."""

from __future__ import annotations

import numpy as np
from backpropd.replica.arrays import Float32

INPUTS = 12
OUTPUTS = 4
_COLUMNS = INPUTS + OUTPUTS


def samples(seed: int, offset: int, count: int) -> tuple[Float32, Float32]:
    """Inputs (count, INPUTS) and targets (count, OUTPUTS), numbers in [-0.5, 0.5): splitmix64 of where they stand."""
    places = np.arange(offset * _COLUMNS, (offset + count) * _COLUMNS, dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = (places + np.uint64(seed << 32) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    numbers = ((mixed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24) - np.float32(0.5)).reshape(-1, _COLUMNS)
    return numbers[:, :INPUTS], numbers[:, INPUTS:]
