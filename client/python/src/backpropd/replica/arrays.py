# SPDX-License-Identifier: Apache-2.0
"""The array types that the package speaks of, and the numbers as bytes."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
"""An array of float32 in the machine's byte order."""
AnyArray: TypeAlias = npt.NDArray[Any]
"""An array of any type."""

_SWAP = sys.byteorder == "big"


def floats_from(data: bytes) -> Float32:
    """Little-endian float32 numbers, shape (n,); a view of `data`, not writable."""
    read = np.frombuffer(data, dtype="<f4")
    return read.astype(np.float32) if _SWAP else read.view(np.float32)


def floats_to(numbers: AnyArray) -> bytes:
    """`numbers` in C order as little-endian float32."""
    return np.ascontiguousarray(numbers, dtype="<f4").tobytes()
