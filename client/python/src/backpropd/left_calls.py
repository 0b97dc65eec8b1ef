# SPDX-License-Identifier: Apache-2.0
"""The Train calls that a client has left, while the server may still take them for their sessions' writers."""

from __future__ import annotations

from typing import Generic, TypeVar

from backpropd.errors import BackpropdError, SessionBusyError, SessionHasWriterError

LINGER = 60.0
"""Seconds; the server drops the writer of a connection that vanished without a word after 40 s."""


_Call = TypeVar("_Call")


class LeftCalls(Generic[_Call]):
    """Remembers of each session the last call that was cancelled or broke.

    A call that this side has left is still the session's writer until the
    server has seen it go: a moment later, or if the connection broke in silence
    up to LINGER. For so long a refusal because of a writer passes.

    Belongs to a client: whoever is given a session by get() again goes on where
    the same program left it. Threads: any.
    """

    def __init__(self) -> None:
        self._calls: dict[str, tuple[_Call, float]] = {}

    def add(self, session_id: str, call: _Call, now: float) -> None:
        """The call was hung up at the time `now`, in seconds."""
        self._calls[session_id] = (call, now)
        for other, (_, since) in list(self._calls.items()):
            if now - since > LINGER:
                self._calls.pop(other, None)

    def explain(self, error: BackpropdError, session_id: str, now: float) -> bool:
        """Whether such a call may be what the server refused a call of this session for."""
        _, since = self._calls.get(session_id, (None, float("-inf")))
        return isinstance(error, (SessionHasWriterError, SessionBusyError)) and now - since <= LINGER

    def last(self, session_id: str) -> _Call | None:
        """The session's last such call: it may not have ended even on this side."""
        call, _ = self._calls.get(session_id, (None, 0.0))
        return call

    def replaced(self, session_id: str) -> None:
        """A new call is the session's writer, so the old ones are gone."""
        self._calls.pop(session_id, None)
