# SPDX-License-Identifier: Apache-2.0
"""Samples as NumPy gives them, brought into the form that messages have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backpropd.replica.arrays import AnyArray
from backpropd.replica.input_rows import input_rows
from backpropd.v1 import network_pb2 as pb

MESSAGE_BYTES = 256 * 1024
"""Samples travel in messages of about this size: large enough for matrix speed, small
enough that answers come soon, and far below gRPC's limit of 4 MiB."""


@dataclass(frozen=True)
class Samples:
    """Some samples; n of them. Exactly one of targets and classes is set."""

    inputs: AnyArray
    """(n, input_size), in the session's element type."""
    targets: AnyArray | None
    """(n, outputs), little-endian float32."""
    classes: AnyArray | None
    """(n,), uint32."""
    weights: AnyArray | None = None
    """(n,), float32: sample weights; None: all 1."""

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, begin: int, end: int) -> Samples:
        """Samples begin … end − 1; views."""
        return self.take(slice(begin, end))

    def take(self, which: slice | AnyArray) -> Samples:
        """The samples that a slice or an array of indices names."""
        return Samples(*(None if part is None else part[which] for part in self._parts()))  # type: ignore[arg-type]

    def copy(self) -> Samples:
        """These samples, whatever happens to the arrays that they came from."""
        return Samples(*(None if part is None else part.copy() for part in self._parts()))  # type: ignore[arg-type]

    def then(self, other: Samples) -> Samples:
        """These samples and then the others; both of the same kind."""
        joined = []
        for mine, theirs in zip(self._parts(), other._parts(), strict=True):
            if (mine is None) != (theirs is None):
                raise ValueError("Targets and classes, or samples with and without weights, can't be mixed.")
            joined.append(None if mine is None or theirs is None else np.concatenate([mine, theirs]))
        return Samples(*joined)  # type: ignore[arg-type]

    def _parts(self) -> tuple[AnyArray | None, ...]:
        return self.inputs, self.targets, self.classes, self.weights


def samples_of(
    x: npt.ArrayLike, y: npt.ArrayLike, spec: pb.SessionSpec, sample_weights: npt.ArrayLike | None = None
) -> Samples:
    """Samples from arrays.

    Args:
        x: as input_rows takes it.
        y: integers (n,) are classes, if the network has several outputs;
            anything else is targets, (n, outputs), or (n,) for one output.
        spec: the session's.
        sample_weights: (n,).

    Raises:
        ValueError, TypeError: shapes or numbers don't fit.

    """
    inputs = input_rows(x, spec)
    outputs = spec.layers[-1].size
    given = np.asarray(y)
    if given.ndim == 0 or (given.ndim == 1 and len(inputs) == 1 and given.size == outputs > 1):
        given = given.reshape(1, -1) if given.ndim else given.reshape(1)
    targets, classes = None, None
    if given.ndim == 1 and given.dtype.kind in "iub" and outputs > 1:
        if given.size and (given.min() < 0 or given.max() >= outputs):
            raise ValueError(f"Classes must be within 0 … {outputs - 1}.")
        classes = np.ascontiguousarray(given, dtype=np.uint32)
    else:
        if given.size != len(inputs) * outputs:
            raise ValueError(f"Targets of shape {given.shape} where ({len(inputs)}, {outputs}) is needed.")
        targets = np.ascontiguousarray(given, dtype="<f4").reshape(-1, outputs)
    weights = None if sample_weights is None else np.ascontiguousarray(sample_weights, dtype=np.float32)
    for name, part in (("targets", given), ("sample_weights", weights)):
        if part is not None and len(part) != len(inputs):
            raise ValueError(f"{len(part)} {name} for {len(inputs)} inputs.")
    return Samples(inputs, targets, classes, weights)


def rows_per_message(spec: pb.SessionSpec, layout: pb.Layout) -> int:
    """So many samples make a message: a multiple of batch_size, at least that."""
    batch = spec.batch_size or 1
    element = 1 if spec.input.element_type == pb.ELEMENT_TYPE_UINT8 else 4
    up = spec.input_size * element + 4 * spec.layers[-1].size
    down = 4 * layout.delta_row_length // batch
    return max(1, MESSAGE_BYTES // max(up, down, 1) // batch) * batch
