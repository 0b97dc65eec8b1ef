# SPDX-License-Identifier: Apache-2.0
"""What a server has to answer to each message of a session, by the protocol's rules of offsets and by nothing else."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

REMEMBERED = 64
"""So many messages are known well enough that other samples in their place are refused."""


@dataclass(frozen=True)
class Message:
    """Samples offset … offset + count − 1, of the right kind or, `other`, of another."""

    offset: int | None
    """None: it names none."""
    count: int
    other: bool = False


@dataclass(frozen=True)
class Verdict:
    """What comes of a message."""

    reason: str
    """For which it is refused; "": it is not."""
    skipped: int
    """Samples that were applied already."""
    applied: int
    """Samples that it adds ..."""
    next_offset: int
    """... so that the session is here."""


class OffsetRules:
    """Where a session is, and what it remembers.

    Args:
        batch: samples of a step.

    """

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.next_offset = 0
        self._remembered: deque[Message] = deque(maxlen=REMEMBERED)

    @property
    def remembered(self) -> list[Message]:
        """The messages that may not come again with other samples, the oldest first."""
        return list(self._remembered)

    def take(self, message: Message) -> Verdict:
        """The message comes next."""
        reason = self._reason(message)
        skipped = applied = 0
        if not reason:
            skipped = 0 if message.offset is None else min(message.count, self.next_offset - message.offset)
            applied = message.count - skipped
            if message.offset is not None and skipped == 0:
                self._remembered.append(message)
            self.next_offset += applied
        return Verdict(reason, skipped, applied, self.next_offset)

    def _reason(self, message: Message) -> str:
        if message.count == 0 or message.count % self._batch:
            return "INVALID_REQUEST"
        if message.offset is None:
            return ""
        if message.offset > self.next_offset:
            return "OFFSET_GAP"
        if (self.next_offset - message.offset) % self._batch:
            return "INVALID_REQUEST"
        known = (each for each in self._remembered if (each.offset, each.count) == (message.offset, message.count))
        return "SAMPLES_DIFFER" if any(each.other != message.other for each in known) else ""

    def cut(self, sent: list[Message], next_offset: int) -> None:
        """The stream was cut: of these, not answered, those before some moment were taken, which led here.

        Raises:
            ValueError: no such moment.

        """
        for message in sent:
            if self.next_offset == next_offset:
                return
            before, remembered = self.next_offset, self._remembered.copy()
            verdict = self.take(message)
            if before < next_offset < verdict.next_offset and (next_offset - before) % self._batch == 0:
                self.next_offset, self._remembered = next_offset, remembered  # it was applied up to there only
                return
        if self.next_offset != next_offset:
            raise ValueError(f"At offset {next_offset}, where what was sent ends at {self.next_offset}.")
