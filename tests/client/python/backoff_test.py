# SPDX-License-Identifier: Apache-2.0
"""When to try again."""

from __future__ import annotations

import random

import grpc
import pytest
from backpropd import (
    BackpropdError,
    InvalidRequestError,
    QueueLimitError,
    RetryPolicy,
    ServerUnavailableError,
    SessionHasWriterError,
    ShuttingDownError,
)
from backpropd.backoff import Backoff, is_passing
from fake_clock import FullJitter

ERROR = ServerUnavailableError("gone")


def test_waits_are_random_below_a_growing_bound() -> None:
    policy = RetryPolicy(first=1, factor=3, longest=5, attempts=100, within=1e9)
    waits = [[Backoff(policy, random.Random(seed)).next_wait(0, ERROR)] for seed in range(50)]
    assert all(0 <= wait[0] < 1 for wait in waits)
    assert max(waits)[0] > 0.9
    backoff = Backoff(policy, FullJitter())
    assert [backoff.next_wait(0, ERROR) for _ in range(4)] == [1, 3, 5, 5]


def test_attempts_are_counted() -> None:
    backoff = Backoff(RetryPolicy(attempts=2), FullJitter())
    backoff.next_wait(0, ERROR)
    with pytest.raises(ServerUnavailableError):
        backoff.next_wait(0, ERROR)
    backoff.succeeded()
    backoff.next_wait(0, ERROR)


def test_time_is_bounded() -> None:
    backoff = Backoff(RetryPolicy(within=10, attempts=100), FullJitter())
    backoff.next_wait(5, ERROR)
    backoff.next_wait(14, ERROR)
    with pytest.raises(ServerUnavailableError):
        backoff.next_wait(15, ERROR)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (ServerUnavailableError("x"), True),
        (ShuttingDownError("x"), True),
        (QueueLimitError("x"), True),
        (SessionHasWriterError("x"), False),
        (InvalidRequestError("x", code=grpc.StatusCode.INVALID_ARGUMENT), False),
        (BackpropdError("Stream removed", code=grpc.StatusCode.UNKNOWN), True),
        (BackpropdError("RST_STREAM", code=grpc.StatusCode.INTERNAL), True),
        (BackpropdError("too large", code=grpc.StatusCode.RESOURCE_EXHAUSTED), False),
        (BackpropdError("who?", code=grpc.StatusCode.UNAUTHENTICATED), False),
    ],
)
def test_some_errors_pass(error: BackpropdError, passing: bool) -> None:
    assert is_passing(error) is passing
