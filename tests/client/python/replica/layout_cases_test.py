# SPDX-License-Identifier: Apache-2.0
"""The cases of proto/testdata/layouts.txt, which every client's replica takes and refuses alike."""

from __future__ import annotations

import re
from typing import Any

import pytest
from backpropd import Replica
from recorded_stream import FOLDER, SUFFIX, RecordedStream

LINES = [line for line in (FOLDER / "layouts.txt").read_text().splitlines() if not line.startswith("#")]
CASES = [tuple(line.split(" | ")) for line in LINES]


def change(session: Any, path: str, numbers: str) -> None:
    """Sets a field, such as layout.layers[1].inputs, to a number, to several, or to none."""
    *way, last = path.split(".")
    message = session
    for step in way:
        name, _, index = step.rstrip("]").partition("[")
        message = getattr(message, name)[int(index)] if index else getattr(message, name)
    field = message.DESCRIPTOR.fields_by_name[last]
    message.ClearField(last)
    if numbers == "none":
        return
    real = field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE)
    values = [float(number) if real else int(number) for number in numbers.split()]
    target = getattr(message, last)
    if hasattr(target, "extend"):
        target.extend(values)
    else:
        (value,) = values
        setattr(message, last, value)


def test_there_are_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize(("stream", "changes", "expected"), CASES)
def test_a_session_is_taken_or_refused_as_written(stream: str, changes: str, expected: str) -> None:
    recorded = RecordedStream.read(FOLDER / f"{stream}{SUFFIX}")
    anchor, session = recorded.anchor_of(recorded.anchor), recorded.session
    for each in changes.split(", "):
        change(session, *each.split(" = "))
    if expected == "taken":
        Replica(session.spec, session.layout, anchor)
    else:
        with pytest.raises(ValueError, match=re.escape(expected)):
            Replica(session.spec, session.layout, anchor)
