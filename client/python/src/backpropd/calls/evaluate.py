# SPDX-License-Identifier: Apache-2.0
"""Evaluate: samples in messages, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backpropd.samples import Samples
from backpropd.v1 import training_service_pb2 as rpc


@dataclass(frozen=True)
class Evaluation:
    """Error and accuracy over some samples."""

    samples: int
    """How many."""
    error: float
    """The session's loss, label smoothing and class weights included; mean over them."""
    plain_error: float
    """The same without label smoothing and class weights: comparable between sessions that differ in these."""
    accuracy: float
    """Share answered rightly, 0 to 1."""
    first_step: int
    """The session's step at the first message ..."""
    last_step: int
    """... and at the last: equal when nobody trained meanwhile."""


def evaluate_requests(session_id: str, samples: Samples, rows: int) -> Iterator[rpc.EvaluateRequest]:
    """The messages of an Evaluate, `rows` samples each."""
    for begin in range(0, max(len(samples), 1), rows):
        part = samples.part(begin, begin + rows)
        yield rpc.EvaluateRequest(
            session_id=session_id if begin == 0 else "",
            inputs=part.inputs.tobytes(),
            targets=b"" if part.targets is None else part.targets.tobytes(),
            classes=() if part.classes is None else part.classes.tolist(),
        )


def evaluation_of(answer: rpc.EvaluateResponse) -> Evaluation:
    """The answer of an Evaluate."""
    return Evaluation(
        samples=answer.samples,
        error=answer.error,
        plain_error=answer.plain_error,
        accuracy=answer.accuracy,
        first_step=answer.first_step,
        last_step=answer.last_step,
    )
