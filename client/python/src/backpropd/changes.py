# SPDX-License-Identifier: Apache-2.0
"""Changes of a stream's state that an interrupt must not leave half done unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backpropd.errors import BackpropdError


class Changes:
    """Knows whether each change of a state was made whole, or undone by the error that it raised.

    KeyboardInterrupt comes between any two bytecodes, and no state of several
    parts can be changed in one. So a change is marked, and after one that was
    torn the state is used no more.
    """

    def __init__(self) -> None:
        self._torn = False

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Around a change that is done whole or raises an Exception: what else leaves it tears it."""
        self._torn = True
        try:
            yield
        except Exception:
            self._torn = False
            raise
        self._torn = False

    def check(self) -> None:
        """Raises BackpropdError after a change that was torn."""
        if self._torn:
            raise BackpropdError("The stream was interrupted while it took an answer: open another one.")
