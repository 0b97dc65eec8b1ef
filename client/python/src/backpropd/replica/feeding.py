# SPDX-License-Identifier: Apache-2.0
"""How replicas meet deltas that may overlap with an anchor, or lie beyond it."""

from __future__ import annotations

from collections.abc import Sequence

from backpropd.replica.deltas import DeltaBatch
from backpropd.replica.replica import Replica
from backpropd.v1 import training_service_pb2 as rpc


def position_of(replicas: Sequence[Replica]) -> rpc.ReplicaPosition | None:
    """What a stream's opening asks for: the place of the first replica that holds some step's weights."""
    for replica in replicas:
        if not replica.interrupted:
            return rpc.ReplicaPosition(epoch=replica.epoch, step=replica.step)
    return None


def can_go_on(
    replica: Replica, opening: rpc.TrainResponse, asked: rpc.ReplicaPosition | None, resumed_at: int | None = None
) -> bool:
    """Whether the deltas of a stream with this opening can be applied.

    `asked`: the place for which the opening says it. A replica elsewhere needs
    an anchor, though it be at the same step: it may be of another epoch.
    `resumed_at`: the step from which on deltas of this epoch are asked for
    again, if they are.
    """
    if replica.interrupted or asked is None or opening.resync:
        return False
    if resumed_at is not None and replica.epoch == opening.epoch:
        return resumed_at <= replica.step <= opening.step
    return replica.step == opening.step and (replica.epoch, replica.step) == (asked.epoch, asked.step)


def needs_anchor(replica: Replica, batch: DeltaBatch) -> bool:
    """Whether the replica can't take the batch: steps before it are missing, or what its inputs mean."""
    if replica.interrupted:
        return True
    if batch.step <= replica.step:
        return False
    return replica.step < batch.base_step or (batch.inputs is not None and not replica.knows_inputs)


def feed_replica(replica: Replica, batch: DeltaBatch) -> None:
    """Applies what the replica does not have yet: an anchor may be newer than deltas still on their way.

    Raises:
        ReplicaGapError: steps are missing before the batch.
        DigestMismatchError: as Replica.apply.

    """
    if batch.base_step < replica.step <= batch.step:
        batch = batch.after(replica.step)
    if batch.step >= replica.step:
        replica.apply(batch)
