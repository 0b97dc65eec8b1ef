# SPDX-License-Identifier: Apache-2.0
"""What train() is given, chunk after chunk, where an iterable may be asyncio's; else as backpropd.feed."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any

import numpy.typing as npt

from backpropd import feed
from backpropd.samples import Samples
from backpropd.v1 import network_pb2 as pb


def chunks_of(
    x: npt.ArrayLike | Iterable[Any] | AsyncIterable[Any],
    y: npt.ArrayLike | None,
    spec: pb.SessionSpec,
    *,
    epochs: int = 1,
    shuffle_seed: int | None = None,
    sample_weights: npt.ArrayLike | None = None,
) -> AsyncIterator[Samples]:
    """As feed.chunks_of; x may be an async iterable of chunks too."""
    if not isinstance(x, AsyncIterable):
        return _each(
            feed.chunks_of(x, y, spec, epochs=epochs, shuffle_seed=shuffle_seed, sample_weights=sample_weights)
        )
    if y is not None or epochs != 1 or shuffle_seed is not None or sample_weights is not None:
        raise ValueError("An iterable of chunks is gone through once, in its order: give its weights within it.")
    return _samples_of_each(x, spec)


async def _each(chunks: Iterable[Samples]) -> AsyncIterator[Samples]:
    for chunk in chunks:
        yield chunk


async def _samples_of_each(chunks: AsyncIterable[Any], spec: pb.SessionSpec) -> AsyncIterator[Samples]:
    async for chunk in chunks:
        yield feed.chunk_samples(chunk, spec)
