# SPDX-License-Identifier: Apache-2.0
"""Spans of time, from Python's words to the protocol's."""

from __future__ import annotations

import datetime
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

Span: TypeAlias = "datetime.timedelta | float"
"""A time span; a number is seconds."""


def duration_of(span: Span) -> Duration:
    """The protocol's word for it.

    Raises:
        ValueError: it is no finite number, or longer than a timedelta may be.

    """
    duration = Duration()
    try:
        duration.FromTimedelta(span if isinstance(span, datetime.timedelta) else datetime.timedelta(seconds=span))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{span} is no time span: {error}") from None
    return duration
