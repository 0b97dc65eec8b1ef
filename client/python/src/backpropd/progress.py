# SPDX-License-Identifier: Apache-2.0
"""A progress bar, if tqdm is installed."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from backpropd.trained import Trained


class Progress:
    """Shows samples, speed and error while a session trains; shows nothing if not wanted or without tqdm.

    Args:
        wanted: whether to show it.
        total: so many samples are to come; None: not known.

    """

    def __init__(self, *, wanted: bool, total: int | None) -> None:
        self._bar: Any = None
        self._smooth: float | None = None
        if wanted:
            try:
                from tqdm.auto import tqdm  # noqa: PLC0415  optional
            except ImportError:
                return
            self._bar = tqdm(total=total, unit="sample", unit_scale=True)

    def show(self, trained: Trained) -> None:
        """Moves on by one answer."""
        if self._bar is None:
            return
        if len(trained.errors):
            mean = float(trained.errors.mean())
            self._smooth = mean if self._smooth is None else 0.9 * self._smooth + 0.1 * mean
            self._bar.set_postfix_str(f"error {self._smooth:.4g}", refresh=False)
        self._bar.update(trained.samples)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
