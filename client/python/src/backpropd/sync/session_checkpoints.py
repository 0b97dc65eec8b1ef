# SPDX-License-Identifier: Apache-2.0
# Generated from aio/session_checkpoints.py by generate_sync.py: change that.
"""A session's checkpoints: the session as it was at one moment, kept under a name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from backpropd.calls.checkpoints import Unchanged, create_request, made_since, update_request
from backpropd.errors import CheckpointExistsError, CheckpointNotFoundError
from backpropd.spans import Span
from backpropd.sync.session_calls import SessionCalls
from backpropd.v1 import training_service_pb2 as rpc

_Self = TypeVar("_Self", bound="SessionCheckpoints")


class SessionCheckpoints(SessionCalls):
    """What a session can do with its checkpoints, which the server's store keeps.

    A session in memory only has none (NoStoreError). backpropd.v1's Checkpoint
    says what is known of one: name, step, next_offset, digest, create_time,
    expire_time and so on.
    """

    def create_checkpoint(self, name: str, *, expire_after: Span | None = None, pinned: bool = False) -> rpc.Checkpoint:
        """Keeps the session as it is now; returns when that is durable.

        Args:
            name: 1 to 128 letters, digits, `.`, `_` and `-`. One of that name
                and at this step is answered as it is.
            expire_after: a timedelta, or seconds, from when on the server may
                delete it; None: never. The newest is kept beyond that.
            pinned: not deleted before it is unpinned, whatever expires.

        Raises:
            CheckpointExistsError: there is one of that name at another step.

        """
        request = create_request(self.session_id, name, expire_after, pinned=pinned)
        stub = self.client.stub
        asked = rpc.GetSessionRequest(session_id=self.session_id)
        before = (self.client.call(stub.GetSession, asked)).session
        attempts = 0

        def attempt() -> rpc.Checkpoint:
            nonlocal attempts
            attempts += 1
            try:
                return (self.client.call(stub.CreateCheckpoint, request, repeat=False)).checkpoint
            except CheckpointExistsError:
                if attempts > 1:  # an attempt whose answer was lost may have made it, and the session has gone on
                    for checkpoint in self.checkpoints():
                        if checkpoint.name == name and made_since(before, checkpoint):
                            return checkpoint
                raise

        return self.client.repeat(attempt)

    def checkpoints(self, *, page_size: int = 0) -> Iterator[rpc.Checkpoint]:
        """All checkpoints, in the order of their names; asks for page after page."""
        token = ""
        while True:
            request = rpc.ListCheckpointsRequest(session_id=self.session_id, page_size=page_size, page_token=token)
            page = self.client.call(self.client.stub.ListCheckpoints, request)
            yield from page.checkpoints
            token = page.next_page_token
            if not token:
                return

    def update_checkpoint(
        self, name: str, *, expire_after: Span | Unchanged | None = "unchanged", pinned: bool | None = None
    ) -> rpc.Checkpoint:
        """Changes how long a checkpoint is kept.

        Args:
            name: the checkpoint's.
            expire_after: a timedelta, or seconds, from now on; None: for good.
            pinned: whether it is; None: as it is now.

        """
        request = update_request(self.session_id, name, expire_after, pinned)
        return (self.client.call(self.client.stub.UpdateCheckpoint, request)).checkpoint

    def delete_checkpoint(self, name: str) -> None:
        """Forgets a checkpoint."""
        request = rpc.DeleteCheckpointRequest(session_id=self.session_id, name=name)
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            try:
                self.client.call(self.client.stub.DeleteCheckpoint, request, repeat=False)
            except CheckpointNotFoundError:
                if attempts == 1:
                    raise  # else an attempt whose answer was lost has deleted it

        self.client.repeat(attempt)

    def rewind(self: _Self, checkpoint: str = "", *, step: int | None = None) -> _Self:
        """Takes the session back to one of its checkpoints, or to a step; returns when that is durable.

        step: one that its history has (`history` of network(), from
        `info.history_first_step` on), as it was when that had just been done.

        What was trained since is gone, a new epoch begins, and replicas that got
        further take an anchor where they follow next. No stream may be open.
        Not repeated if the server can't be reached: others may have trained
        meanwhile.
        """
        request = rpc.RewindSessionRequest(session_id=self.session_id, checkpoint=checkpoint, step=step)
        stub = self.client.stub
        answer = self.client.call(stub.RewindSession, request, repeat=False, trains=self.session_id)
        self._info = answer.session
        return self
