# SPDX-License-Identifier: Apache-2.0
"""Where a watch is, and what each response means for it; without any networking."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace

from backpropd.errors import EpochOverError, ReplicaGapError, StepNotHeldError, StepNotReachedError
from backpropd.replica import Replica
from backpropd.replica.anchor import AnchorReader
from backpropd.replica.deltas import DeltaBatch, batch_at_anchor, batch_from_watch
from backpropd.replica.feeding import feed_replica
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

STEPS_MISSED = (EpochOverError, StepNotHeldError, StepNotReachedError)
"""Errors after which a watch has to begin anew: its step is too old, or one that the session went back behind."""


class Event(enum.Enum):
    """What a response is."""

    STEPS = enum.auto()
    """Some steps, or the first response; more will come."""
    RESYNC = enum.auto()
    """The last: steps were missed, watch from the present one."""
    DELETED = enum.auto()
    """The last: there is no session any more."""
    GOODBYE = enum.auto()
    """The last: the server shuts down."""


class WatchState:
    """What the plain and the asyncio watch share.

    Args:
        spec: the session's.
        layout: the session's.
        replicas: to be fed.
        after_step: without replicas: where to begin; None: at the present step.
        epoch: that after_step is of.

    """

    def __init__(
        self,
        spec: pb.SessionSpec,
        layout: pb.Layout,
        replicas: Sequence[Replica],
        after_step: int | None,
        epoch: int = 0,
    ) -> None:
        self._spec = spec
        self._layout = layout
        self._replicas = replicas
        places = {(replica.epoch, replica.step) for replica in replicas}
        self._step = after_step
        self._epoch = epoch
        if len(places) == 1:
            self._epoch, self._step = places.pop()
        self._resynced = False
        self._coming: AnchorReader | None = None

    def request(self, session_id: str) -> rpc.WatchDeltasRequest:
        """What opens a call from where the watch is; an anchor comes where that is not held, or nowhere yet."""
        self._coming = None
        anchored = bool(self._replicas)
        return rpc.WatchDeltasRequest(
            session_id=session_id,
            after_step=self._step,
            epoch=self._epoch,
            with_anchor=anchored,
            with_state=anchored,
        )

    def missed(self) -> None:
        """Steps after the watch's are not held, or its step is ahead of the session's."""
        self._resynced = True
        self._step = None

    def classify(self, response: rpc.WatchDeltasResponse) -> Event:
        """What the response is; it changes the state if steps were missed."""
        if response.session_deleted:
            return Event.DELETED
        if response.resync:
            self.missed()
            return Event.RESYNC
        if response.goodbye:
            return Event.GOODBYE
        return Event.STEPS

    def take(self, response: rpc.WatchDeltasResponse) -> DeltaBatch | None:
        """Feeds the replicas; the steps to give out, or None if there is nothing to tell.

        A batch without steps is given out once an anchor is whole, and where a
        watch without replicas stands after steps that it has missed: the
        session may never make another step, and who waits for one that it has
        passed would wait for ever.

        Raises:
            ReplicaGapError: the server sent steps that don't follow the last ones.
            DigestMismatchError: as Replica.apply, or an anchor is not what the server had.

        """
        if response.HasField("anchor"):
            return self._take_chunk(response)
        if response.resync:
            return None
        if self._coming is not None and response.step > response.base_step:
            raise ReplicaGapError(f"Steps from {response.base_step} came before the anchor was whole.")
        if self._step is None:
            self._step = response.base_step
        if response.base_step != self._step:
            raise ReplicaGapError(f"Steps from {response.base_step} where the watch is at step {self._step}.")
        self._epoch = response.epoch or self._epoch
        if response.HasField("standardisation"):
            for replica in self._replicas:
                replica.standardise(response.standardisation)
        if response.step <= response.base_step and not self._resynced:
            return None
        batch = batch_from_watch(response, self._spec, self._layout)
        for replica in self._replicas:
            feed_replica(replica, batch)
        self._step = batch.step
        return replace(batch, resynced=self._told_resynced())

    def _told_resynced(self) -> bool:
        """Whether steps were missed and nobody was told yet."""
        resynced, self._resynced = self._resynced, False
        return resynced

    def _take_chunk(self, response: rpc.WatchDeltasResponse) -> DeltaBatch | None:
        """Adds a chunk; once the anchor is whole, resets the replicas and says so."""
        if self._coming is None:
            self._coming = AnchorReader(with_state=True, state_count=self._layout.state_count)
        self._coming.add(response.anchor)
        if not response.anchor_done:
            return None
        anchor = self._coming.finish()
        self._coming = None
        for replica in self._replicas:
            replica.reset(anchor)
        self._resynced = self._resynced or self._step is not None
        self._step = anchor.step
        self._epoch = anchor.epoch
        return batch_at_anchor(anchor, self._layout, resynced=self._told_resynced())
