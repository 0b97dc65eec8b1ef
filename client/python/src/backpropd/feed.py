# SPDX-License-Identifier: Apache-2.0
"""Cuts what train() is given into messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from backpropd.samples import Samples, samples_of
from backpropd.v1 import network_pb2 as pb


class Rebatcher:
    """Joins chunks of any length and cuts them into messages of `rows` samples.

    Args:
        rows: samples in a message; a multiple of `batch`.
        batch: samples a step; the last message holds a multiple of it.

    """

    def __init__(self, rows: int, batch: int) -> None:
        self._rows = rows
        self._batch = batch
        self._rest: Samples | None = None

    def add(self, samples: Samples) -> Iterator[Samples]:
        """The messages that are full with these samples."""
        if self._rest is not None and len(self._rest):
            samples = self._rest.then(samples)
        full = len(samples) // self._rows * self._rows
        self._rest = samples.part(full, len(samples)).copy()
        for begin in range(0, full, self._rows):
            yield samples.part(begin, begin + self._rows)

    def finish(self) -> Iterator[Samples]:
        """The last message, if steps are left."""
        if self._rest is not None:
            full = len(self._rest) // self._batch * self._batch
            if full:
                yield self._rest.part(0, full)
            self._rest = self._rest.part(full, len(self._rest))

    @property
    def left_over(self) -> int:
        """So many samples have not been given out."""
        return 0 if self._rest is None else len(self._rest)


def chunks_of(
    x: npt.ArrayLike | Iterable[Any],
    y: npt.ArrayLike | None,
    spec: pb.SessionSpec,
    *,
    epochs: int = 1,
    shuffle_seed: int | None = None,
    sample_weights: npt.ArrayLike | None = None,
) -> Iterator[Samples]:
    """What train() was given, chunk after chunk.

    Args:
        x: with y, all inputs; without, an iterable of (x, y) or
            (x, y, sample_weights) chunks.
        y: classes or targets, see samples_of; None for an iterable.
        spec: the session's.
        epochs: how often to go through arrays.
        shuffle_seed: in an order that depends on it, another for each epoch;
            None: in order.
        sample_weights: (n,), with arrays.

    Raises:
        ValueError: an iterable is to be gone through twice, shuffled or weighed.

    """
    if epochs < 0:
        raise ValueError("epochs is negative.")
    if y is not None:
        samples = samples_of(x, y, spec, sample_weights)  # type: ignore[arg-type]
        order = None if shuffle_seed is None else np.random.default_rng(shuffle_seed)
        for _ in range(epochs):
            yield samples if order is None else samples.take(order.permutation(len(samples)))
        return
    if epochs != 1 or shuffle_seed is not None or sample_weights is not None:
        raise ValueError("An iterable of chunks is gone through once, in its order: give its weights within it.")
    for chunk in x:  # type: ignore[union-attr]
        yield chunk_samples(chunk, spec)


def chunk_samples(chunk: Any, spec: pb.SessionSpec) -> Samples:  # noqa: ANN401  what a user's iterable gives
    """One chunk of an iterable: (x, y) or (x, y, sample_weights)."""
    if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
        raise ValueError("An iterable gives chunks (x, y) or (x, y, sample_weights).")
    return samples_of(chunk[0], chunk[1], spec, *chunk[2:])
