# SPDX-License-Identifier: Apache-2.0
"""Input rows, as messages hold them and as NumPy gives them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from backpropd.replica.arrays import AnyArray
from backpropd.v1 import network_pb2 as pb


def element_dtype(spec: pb.SessionSpec) -> np.dtype[np.generic]:
    """How one number of an input row is written in messages."""
    return np.dtype("u1") if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else np.dtype("<f4")


def check_input_format(spec: pb.SessionSpec) -> None:
    """Refuses inputs that the network's can't be formed of.

    Raises:
        ValueError: an element type that this client does not know, a scale that
            is not finite, or standardisation as in check_standardisation, but
            for one that has still to be learnt.

    """
    known = (pb.ELEMENT_TYPE_UNSPECIFIED, pb.ELEMENT_TYPE_FLOAT32, pb.ELEMENT_TYPE_UINT8)
    if spec.input.element_type not in known:
        raise ValueError(
            f"spec.input.element_type is {spec.input.element_type}, which this client does not know: "
            "a newer client is needed."
        )
    if not math.isfinite(spec.input.scale):
        raise ValueError("spec.input.scale is not finite.")
    if is_known(spec.input.standardisation):
        check_standardisation(spec.input.standardisation, spec.input_size)


def is_known(standardisation: pb.Standardisation) -> bool:
    """Whether it has numbers, and is not one that has still to be learnt."""
    return bool(standardisation.mean or standardisation.factor)


def check_standardisation(standardisation: pb.Standardisation, input_size: int) -> None:
    """Refuses numbers that are not one of each for every input.

    Raises:
        ValueError: there are not input_size of each, or one is not finite.

    """
    mean, factor = standardisation.mean, standardisation.factor
    if len(mean) != input_size or len(factor) != input_size:
        raise ValueError(
            f"The standardisation has {len(mean)} means and {len(factor)} factors for {input_size} inputs."
        )
    if not all(map(math.isfinite, (*mean, *factor))):
        raise ValueError("A mean or factor of the standardisation is not finite.")


def input_rows(x: npt.ArrayLike, spec: pb.SessionSpec) -> AnyArray:
    """Rows in the session's element type, (n, input_size).

    Args:
        x: (n, input_size), (input_size,) for one row, or (n, …) where the
            further dimensions hold input_size numbers, as images do. A session
            of bytes takes integers within 0 … 255 only.
        spec: the session's.

    Raises:
        ValueError: the shape or a number does not fit.
        TypeError: fractions are given for bytes.

    """
    rows = np.asarray(x)
    size = spec.input_size
    if rows.ndim == 1 and rows.size == size:
        rows = rows.reshape(1, size)
    if rows.ndim < 2 or rows.size != len(rows) * size:
        raise ValueError(f"Inputs of shape {rows.shape} where (n, {size}) is needed.")
    rows = rows.reshape(len(rows), size)
    dtype = element_dtype(spec)
    if dtype == np.dtype("u1") and rows.dtype != dtype:
        if rows.dtype.kind not in "iub":
            raise TypeError(f"The session takes bytes (uint8), not {rows.dtype}.")
        if rows.size and (rows.min() < 0 or rows.max() > 255):
            raise ValueError("The session takes bytes: inputs must be within 0 … 255.")
    return np.ascontiguousarray(rows, dtype=dtype)
