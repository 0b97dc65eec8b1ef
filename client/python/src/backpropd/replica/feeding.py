# SPDX-License-Identifier: Apache-2.0
"""How replicas meet deltas that may overlap with an anchor, or lie beyond it."""

from __future__ import annotations

from backpropd.replica.deltas import DeltaBatch
from backpropd.replica.replica import Replica


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
