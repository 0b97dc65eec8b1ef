# SPDX-License-Identifier: Apache-2.0
"""What the answers of a training run come to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backpropd.progress import Progress
from backpropd.replica.arrays import Float32
from backpropd.trained import Trained


@dataclass(frozen=True)
class TrainResult:
    """What train() did."""

    step: int
    """The last step's number."""
    errors: Float32
    """The error of each step answered, in order: (steps,)."""
    samples: int
    """So many samples were trained on."""
    skipped_samples: int = 0
    """Of those, applied although their answers were lost with a broken stream."""
    repeated_samples: int = 0
    """So many samples were trained on again, because a crash of the server had taken them back."""
    left_over: int = 0
    """So many samples at the end did not fill a step and were not sent."""
    digests: dict[int, int] = field(default_factory=dict)
    """Digests of the weights after some steps."""


class TrainingTotals:
    """Adds up answers."""

    def __init__(self) -> None:
        self._errors: list[Float32] = [np.zeros(0, dtype=np.float32)]
        self._digests: dict[int, int] = {}
        self._step: int | None = None
        self._samples = 0
        self._skipped = 0

    def add(self, trained: Trained, bar: Progress) -> None:
        """Takes one answer, and shows it."""
        self._errors.append(trained.errors)
        self._digests.update(trained.digests)
        self._step = trained.step
        self._samples += trained.samples
        self._skipped += trained.skipped_samples
        bar.show(trained)

    def result(self, *, left_over: int, step: int, repeated: int) -> TrainResult:
        """All in all; `step` is the session's if nothing was answered."""
        return TrainResult(
            step=step if self._step is None else self._step,
            errors=np.concatenate(self._errors),
            samples=self._samples,
            skipped_samples=self._skipped,
            repeated_samples=repeated,
            left_over=left_over,
            digests=self._digests,
        )
