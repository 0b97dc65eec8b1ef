# SPDX-License-Identifier: Apache-2.0
"""What a Train stream's answers say: of a whole message, and of each response."""

from __future__ import annotations

from dataclasses import dataclass

from backpropd.errors import BackpropdError
from backpropd.replica import DeltaBatch
from backpropd.replica.arrays import Float32
from backpropd.v1 import network_pb2 as pb


@dataclass(frozen=True)
class Trained:
    """The answer to one message of samples, its parts put together."""

    offset: int
    """Offset of the message's first sample."""
    samples: int
    """How many it held."""
    base_step: int
    """The session's step before the first step answered."""
    step: int
    """... and after the last."""
    errors: Float32
    """The error of each step answered, before its update. Steps whose answer
    was lost with a broken stream, and not held by the server, are not among them."""
    skipped_samples: int
    """How many samples had been applied before: by an earlier stream whose answer was lost, and not held."""
    outputs: Float32
    """The outputs before each step's update, (samples answered, outputs), if wanted; else (0, outputs)."""
    gradient_norms: Float32
    """With clipping by norm: the norm of each step's gradient before."""
    deltas: Float32
    """Delta rows, or with DENSE detail rows of weight_count, if they are kept; else (0, …)."""
    digests: dict[int, int]
    """Digests of the weights after some steps."""


@dataclass(frozen=True)
class Answer:
    """What one response says."""

    batch: DeltaBatch | None
    """Its steps, for a replica; None where deltas come otherwise than as factors."""
    trained: Trained | None
    """The whole answer, if this was its last part."""
    refusal: BackpropdError | None
    """Set when the message was refused, wholly or from a step on."""
    standardisation: pb.Standardisation | None = None
    """Set in the response in which the input standardisation was learnt."""
