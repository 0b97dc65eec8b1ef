# SPDX-License-Identifier: Apache-2.0
"""A server that says nothing of what is durable: for how long that is nothing unusual, and what is told then."""

from __future__ import annotations

import logging

from backpropd.v1 import network_pb2 as pb

_LOG = logging.getLogger("backpropd")

ALLOWANCE = 10.0
"""Seconds beyond max_lag; a disk that takes longer is worth a word."""


def longest_silence(spec: pb.SessionSpec) -> float:
    """Seconds within which a server that tells what is durable, and can store it, has told it."""
    return spec.durability.max_lag.ToTimedelta().total_seconds() + ALLOWANCE


def log_silence(session_id: str, seconds: float, *, durable: int, sent: int) -> None:
    """Says that a stream waits, and for what."""
    _LOG.warning(
        "session %s: nothing more became durable in %g s, up to offset %d of %d only, and is waited for: "
        "does the server's disk take it?",
        session_id,
        seconds,
        durable,
        sent,
    )
