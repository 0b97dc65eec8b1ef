# SPDX-License-Identifier: Apache-2.0
"""Some steps of a session as they travel: delta rows, with what a replica needs beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from backpropd.replica.anchor import Anchor
from backpropd.replica.arrays import AnyArray, Float32, floats_from
from backpropd.replica.input_rows import element_dtype
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

_NO_FLOATS: Float32 = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class DeltaBatch:
    """The steps base_step + 1 … step of a session; n of them, which may be 0.

    A watch gives out one of 0 where it stands anew: `anchored` or `resynced` say why.
    """

    base_step: int
    """The step that the weights must be at before."""
    step: int
    """The step that they are at afterwards."""
    next_offset: int
    """Offset of the first sample not applied after these steps."""
    rows: Float32
    """Delta rows, (n, delta_row_length); no rows, (0, …), where they were not sent."""
    errors: Float32 = field(default_factory=lambda: _NO_FLOATS)
    """The error of each step, before its update: (n,)."""
    scalars: Float32 = field(default_factory=lambda: _NO_FLOATS.reshape(0, 0))
    """Scalar rows, (n, scalar_count), or (1, scalar_count) that holds for all of them."""
    inputs: AnyArray | None = None
    """The samples' input rows, (n·batch_size, input_size), in the session's element type;
    None where the first layer is DENSE."""
    inputs_are_values: bool = False
    """Whether `inputs` are what the network saw, InputFormat not to be applied."""
    digests: dict[int, int] = field(default_factory=dict)
    """Digests of the weights after some of the steps."""
    resynced: bool = False
    """From a watch: steps before these were missed, and an anchor taken in their place if there are replicas."""
    anchored: bool = False
    """From a watch: no steps, but the replicas were reset from an anchor of `step`."""
    epoch: int = 0
    """The session's epoch; 0: not known."""

    def after(self, step: int) -> DeltaBatch:
        """The part of this batch that follows `step`; base_step ≤ step ≤ self.step."""
        cut = step - self.base_step
        count = self.step - self.base_step
        if not 0 <= cut <= count:
            raise ValueError(f"Step {step} is not within {self.base_step} … {self.step}.")
        inputs = None if self.inputs is None or count == 0 else self.inputs[len(self.inputs) // count * cut :]
        return replace(
            self,
            base_step=step,
            rows=self.rows[cut:],
            errors=self.errors[cut:],
            scalars=self.scalars if len(self.scalars) == 1 < count else self.scalars[cut:],
            inputs=inputs,
        )


def _rows(data: bytes, length: int) -> Float32:
    return floats_from(data).reshape(-1, length) if length else _NO_FLOATS.reshape(0, 0)


def batch_from_train(response: rpc.TrainResponse, layout: pb.Layout, inputs: AnyArray | None) -> DeltaBatch:
    """What a Train response says; `inputs` are the rows of just its steps."""
    return DeltaBatch(
        base_step=response.base_step,
        step=response.step,
        next_offset=response.next_offset,
        rows=_rows(response.deltas, layout.delta_row_length),
        errors=np.array(response.errors, dtype=np.float32),
        scalars=_rows(response.scalars, layout.scalar_count),
        inputs=inputs,
        digests={item.step: item.digest for item in response.digests},
        epoch=response.epoch,
    )


def batch_at_anchor(anchor: Anchor, layout: pb.Layout, *, resynced: bool) -> DeltaBatch:
    """No steps: where a watch stands that has taken an anchor."""
    return DeltaBatch(
        base_step=anchor.step,
        step=anchor.step,
        next_offset=anchor.next_offset,
        rows=_rows(b"", layout.delta_row_length),
        scalars=_rows(b"", layout.scalar_count),
        resynced=resynced,
        anchored=True,
        epoch=anchor.epoch,
    )


def batch_from_watch(response: rpc.WatchDeltasResponse, spec: pb.SessionSpec, layout: pb.Layout) -> DeltaBatch:
    """What a WatchDeltas response says."""
    dtype = np.dtype("<f4") if response.inputs_are_values else element_dtype(spec)
    inputs = np.frombuffer(response.inputs, dtype=dtype).reshape(-1, spec.input_size) if response.inputs else None
    return DeltaBatch(
        base_step=response.base_step,
        step=response.step,
        next_offset=response.next_offset,
        rows=_rows(response.deltas, layout.delta_row_length),
        errors=np.array(response.errors, dtype=np.float32),
        scalars=_rows(response.scalars, layout.scalar_count),
        inputs=inputs,
        inputs_are_values=response.inputs_are_values,
        digests={item.step: item.digest for item in response.digests},
        epoch=response.epoch,
    )
