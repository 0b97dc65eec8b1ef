# SPDX-License-Identifier: Apache-2.0
"""Time that passes when somebody waits, and only then."""

from __future__ import annotations

import asyncio
import random


class FakeClock:
    """For the plain clients."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        """Seconds."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Passes at once."""
        self.waits.append(seconds)
        self.time += seconds


class FakeAsyncClock(FakeClock):
    """For the asyncio clients."""

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]
        """Passes at once."""
        super().sleep(seconds)
        await asyncio.sleep(0)


class FullJitter(random.Random):
    """Always waits as long as the bound allows, nearly."""

    def random(self) -> float:
        """The largest number that it gives."""
        return 1.0
