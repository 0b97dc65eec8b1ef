# SPDX-License-Identifier: Apache-2.0
"""What is told when a stream that broke goes on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from backpropd.errors import BackpropdError

_LOG = logging.getLogger("backpropd")


@dataclass(frozen=True)
class Resumed:
    """A Train stream broke, and goes on on another call."""

    session_id: str
    """The session's."""
    epoch_before: int
    """The session's epoch when the stream broke ..."""
    epoch: int
    """... and now. Another one: the server was started anew, say."""
    step_before: int
    """The last step that was answered before ..."""
    step: int
    """... and the step that the session goes on from."""
    resent_samples: int
    """So many samples are sent again: they are not answered, or a crash took them back."""
    replica_anchored: bool
    """Whether replicas began anew from an anchor, before anything was sent again."""

    @property
    def lost_steps(self) -> int:
        """So many steps that had been answered were taken back; their samples are trained on again."""
        return max(0, self.step_before - self.step)


def log_break(session_id: str, error: BackpropdError) -> None:
    """Says that a stream broke."""
    _LOG.info("session %s: the stream broke, and is opened again: %s", session_id, error)


def log_anchored(session_id: str, step: int) -> None:
    """Says that replicas missed steps."""
    _LOG.info("session %s: answers were lost, replicas begin anew from an anchor at step %d", session_id, step)


def log_resumed(resumed: Resumed) -> None:
    """Says that it goes on; louder, if steps were taken back."""
    _LOG.log(
        logging.WARNING if resumed.lost_steps else logging.INFO,
        "session %s goes on in epoch %d at step %d (was in epoch %d at step %d); %d samples are sent again%s",
        resumed.session_id,
        resumed.epoch,
        resumed.step,
        resumed.epoch_before,
        resumed.step_before,
        resumed.resent_samples,
        ", replicas begin anew from an anchor" if resumed.replica_anchored else "",
    )
