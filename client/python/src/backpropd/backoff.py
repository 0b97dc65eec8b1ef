# SPDX-License-Identifier: Apache-2.0
"""How long to wait before trying again, and when to give up; time is injected."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Protocol

import grpc

from backpropd.errors import BackpropdError, QueueLimitError, ServerUnavailableError, UnreachableError

_LONGEST_LOOK = 1.0
"""Seconds; the longest wait for what passes by itself."""
_LAST_DOUBLING = 64
"""Waits have reached their bound long before; a power much further would be too large a number."""


class Clock(Protocol):
    """What the clients know of time."""

    def now(self) -> float:
        """Seconds since some moment; never falls."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class AsyncClock(Protocol):
    """What the asyncio clients know of time."""

    def now(self) -> float:
        """Seconds since some moment; never falls."""

    async def sleep(self, seconds: float) -> None:
        """Waits, and lets others run."""


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


class SystemAsyncClock:
    """The machine's monotonic clock, waiting as asyncio does."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits, and lets others run."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class RetryPolicy:
    """When a call that failed is made again: exponential backoff with full jitter.

    Before attempt n = 2, 3, … the client waits a random time between 0 and
    min(longest, first · factor^(n − 2)) seconds. Progress, such as an answer on
    a stream, begins the count anew.

    While the server may take a stream that this client has left for the
    session's writer, a minute at most, it asks again about each second, and
    these attempts are not counted. `within` holds for them, and where there is
    no second attempt there are none of these.
    """

    first: float = 0.1
    """Seconds; the longest wait before the second attempt."""
    factor: float = 2.0
    """How each wait's bound grows."""
    longest: float = 10.0
    """Seconds; no bound is above this."""
    attempts: int = 12
    """So many in all, then the last error is raised. 1: no second attempt."""
    within: float = 120.0
    """Seconds; no attempt begins later than this after the first failure."""


NO_RETRY = RetryPolicy(attempts=1)
"""Each error is raised at once."""


class Backoff:
    """Counts the attempts at one thing.

    Args:
        policy: when to try again.
        jitter: gives numbers in [0, 1).

    """

    def __init__(self, policy: RetryPolicy, jitter: random.Random) -> None:
        self._policy = policy
        self._jitter = jitter
        self.succeeded()

    def succeeded(self) -> None:
        """Begins the count anew."""
        self._failures = 0
        self._looks = 0
        self._began: float | None = None

    def next_wait(self, now: float, error: BackpropdError) -> float:
        """Seconds to wait before the next attempt, after `error` at the time `now`.

        Raises:
            BackpropdError: `error`, when enough was tried.

        """
        if self._began is None:
            self._began = now
        self._failures += 1
        wait = self._random_wait(self._failures, self._policy.longest)
        if self._failures >= self._policy.attempts or now + wait - self._began > self._policy.within:
            raise error
        return wait

    def next_look(self, now: float, error: BackpropdError) -> float:
        """As next_wait(), after a refusal that passes by itself at a time that the caller knows: not counted.

        Raises:
            BackpropdError: `error`, when nothing is tried twice, or for too long.

        """
        if self._began is None:
            self._began = now
        self._looks += 1
        wait = self._random_wait(self._looks, min(self._policy.longest, _LONGEST_LOOK))
        if self._policy.attempts <= 1 or now + wait - self._began > self._policy.within:
            raise error
        return wait

    def _random_wait(self, count: int, longest: float) -> float:
        """Seconds, after so many failures or looks."""
        bound = min(longest, self._policy.first * self._policy.factor ** min(count - 1, _LAST_DOUBLING))
        return bound * self._jitter.random()


def is_passing(error: BackpropdError) -> bool:
    """Whether the same call may succeed soon, and is safe to make again."""
    if isinstance(error, (ServerUnavailableError, QueueLimitError)):
        return True
    if isinstance(error, UnreachableError):
        return False
    # A broken connection, as gRPC sometimes words it; the server gives reasons.
    return not error.reason and error.code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
