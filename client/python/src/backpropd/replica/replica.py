# SPDX-License-Identifier: Apache-2.0
"""A replica: a copy of a session's weights kept current, bit for bit, by applying deltas."""

from __future__ import annotations

import threading

import numpy as np

from backpropd.errors import DigestMismatchError, ReplicaGapError, ReplicaInterruptedError
from backpropd.replica.anchor import Anchor, digest_of
from backpropd.replica.arrays import AnyArray, Float32
from backpropd.replica.deltas import DeltaBatch
from backpropd.replica.difference import Difference, difference_of
from backpropd.replica.forward import network_inputs, outputs_of, without_tiny
from backpropd.replica.input_rows import check_input_format, check_standardisation, input_rows, is_known
from backpropd.replica.weight_mover import WeightMover
from backpropd.v1 import network_pb2 as pb


class Replica:
    """A bit-identical copy of a session's weights, in pure NumPy.

    It applies deltas in order and refuses a gap. The arithmetic is that of the
    delta contract (delta.proto), in float32 throughout.

    Threads: one may apply while others predict or read; each call sees the
    weights between two steps. Where an interrupt (Ctrl-C) came while steps were
    applied, it stands between two: from then on every call but reset() raises
    ReplicaInterruptedError. Streams and watches that feed it reset it.

    Args:
        spec: the session's effective spec, as the server answered it.
        layout: the session's layout.
        anchor: where to begin; with state where the layout has state vectors.
        check_digests: whether to compare the digests that deltas carry.

    Raises:
        ValueError: the layout is not what the spec makes, says something that
            this client does not know, or the anchor does not fit it or lacks
            the state.

    """

    def __init__(self, spec: pb.SessionSpec, layout: pb.Layout, anchor: Anchor, *, check_digests: bool = True) -> None:
        self._spec = spec
        self._layout = layout
        self._mover = WeightMover(spec, layout)
        check_input_format(spec)
        self._check_digests = check_digests
        self._lock = threading.RLock()
        self._interrupted = False
        self.reset(anchor)

    def reset(self, anchor: Anchor) -> None:
        """Begins anew from `anchor`.

        Raises:
            ValueError: it does not fit the layout, or lacks the state, or its
                standardisation is not one of such inputs.

        """
        if anchor.weights.shape != (self._layout.weight_count,):
            raise ValueError(f"The anchor has {anchor.weights.size} weights, not {self._layout.weight_count}.")
        if len(anchor.state) != self._layout.state_count:
            raise ValueError("The anchor lacks the optimiser's state: fetch it with_state.")
        if anchor.standardisation is not None and is_known(anchor.standardisation):
            check_standardisation(anchor.standardisation, self._spec.input_size)
        with self._lock:
            self._interrupted = True
            self._weights: Float32 = anchor.weights.copy()
            self._state: Float32 = anchor.state.copy()
            self._step = anchor.step
            self._epoch = anchor.epoch
            self._next_offset = anchor.next_offset
            self._standardisation = anchor.standardisation
            if anchor.standardisation is None and self._spec.input.HasField("standardisation"):
                self._standardisation = self._spec.input.standardisation
            self._interrupted = False

    @property
    def interrupted(self) -> bool:
        """Whether it holds no step's weights, because an interrupt came while they were moved: reset() it."""
        return self._interrupted

    @property
    def step(self) -> int:
        """The step that the weights are at."""
        return self._step

    @property
    def epoch(self) -> int:
        """The session's epoch that the weights are from; 0: not known."""
        return self._epoch

    @property
    def next_offset(self) -> int:
        """Offset of the first sample not applied yet."""
        return self._next_offset

    @property
    def weights(self) -> Float32:
        """A copy of the flat weight vector, (weight_count,)."""
        with self._lock:
            self._check_whole()
            copy: Float32 = self._weights.copy()
        return copy

    @property
    def state(self) -> Float32:
        """A copy of the optimiser's state, (state_count, weight_count)."""
        with self._lock:
            self._check_whole()
            copy: Float32 = self._state.copy()
        return copy

    def layers(self) -> list[tuple[Float32, Float32]]:
        """Copies: (weights (outputs, inputs), bias (outputs,)) of each layer."""
        weights = self.weights
        return [(place.matrix(weights), place.bias(weights)) for place in self._mover.places]

    def digest(self) -> int:
        """XXH3-64 of the weights, as the server computes it."""
        with self._lock:
            self._check_whole()
            return digest_of(self._weights)

    @property
    def knows_inputs(self) -> bool:
        """Whether it can form the network's inputs: standardisation, if any, is known."""
        return not self._spec.input.HasField("standardisation") or (
            self._standardisation is not None and len(self._standardisation.mean) > 0
        )

    def standardise(self, standardisation: pb.Standardisation) -> None:
        """Takes the input standardisation that the session has learnt.

        Raises:
            ValueError: its numbers are not finite, or not one of each for every input.

        """
        check_standardisation(standardisation, self._spec.input_size)
        self._standardisation = standardisation

    def predict(self, x: AnyArray) -> Float32:
        """The network's outputs for rows x, (n, input_size), in the session's element type: (n, outputs)."""
        rows = input_rows(x, self._spec)
        with self._lock:
            self._check_whole()
            return outputs_of(self._network_inputs(rows), self._weights, self._mover.places, self._spec)

    def apply(self, batch: DeltaBatch) -> None:
        """Adds the weight deltas of some steps.

        Raises:
            ReplicaGapError: they don't begin at the replica's step. Nothing is done.
            ValueError: rows are missing. Nothing is done.
            DigestMismatchError: after a step the weights are not the server's;
                the replica is at that step.

        """
        with self._lock:
            self._check_whole()
            if batch.base_step != self._step:
                raise ReplicaGapError(f"Deltas from step {batch.base_step} for a replica at step {self._step}.")
            count = batch.step - batch.base_step
            x = self._checked_inputs(batch, count)
            scalars = batch.scalars
            if self._mover.needs_scalars and len(scalars) == 1:
                scalars = np.broadcast_to(scalars, (count, scalars.shape[1]))
            self._interrupted = True
            self._advance(batch, x, scalars)
            self._next_offset = batch.next_offset
            self._epoch = batch.epoch or self._epoch
            self._interrupted = False

    def verify(self, anchor: Anchor) -> Difference | None:
        """The first number, bit for bit, in which this replica and an anchor of the same step differ.

        The optimiser's state is compared too if the anchor holds it, but for
        DENSE layers, of which a replica keeps no state.

        Raises:
            ReplicaGapError: the anchor is of another step.

        """
        with self._lock:
            self._check_whole()
            if anchor.step != self._step:
                raise ReplicaGapError(f"An anchor of step {anchor.step} for a replica at step {self._step}.")
            vectors = [(self._weights, anchor.weights), *zip(self._state, anchor.state, strict=False)]
            return difference_of(vectors, self._mover.places)

    def _advance(self, batch: DeltaBatch, x: Float32 | None, scalars: Float32) -> None:
        """Makes the batch's steps; stops to compare where there are digests."""
        begin, count = 0, batch.step - batch.base_step
        for step in sorted({*(batch.digests if self._check_digests else ()), batch.step}):
            end = step - batch.base_step
            if 0 <= begin <= end <= count:
                some = slice(begin, end)
                inputs = None if x is None else x[some]
                self._mover.advance(self._step + 1, self._weights, self._state, batch.rows[some], inputs, scalars[some])
                self._step, begin = batch.base_step + end, end
                self._compare_digest(batch.digests)

    def _check_whole(self) -> None:
        if self._interrupted:
            raise ReplicaInterruptedError(
                f"An interrupt came while steps after {self._step} were applied: reset the replica from an anchor."
            )

    def _network_inputs(self, rows: AnyArray) -> Float32:
        return network_inputs(rows, self._spec.input, self._standardisation)

    def _checked_inputs(self, batch: DeltaBatch, count: int) -> Float32 | None:
        """The network's inputs of `count` steps' samples, (count, batch_size, input_size), having checked the rest."""
        if len(batch.rows) != count:
            raise ValueError(f"{len(batch.rows)} delta rows for {count} steps.")
        if self._mover.needs_scalars and count and len(batch.scalars) not in (1, count):
            raise ValueError(f"{len(batch.scalars)} scalar rows for {count} steps.")
        if not self._mover.needs_inputs or count == 0:
            return None
        if batch.inputs is None or batch.inputs.shape != (count * self._mover.batch_size, self._spec.input_size):
            raise ValueError("The first layer is FACTORED: the steps' input rows are needed.")
        if batch.inputs_are_values:
            x = without_tiny(np.array(batch.inputs, dtype=np.float32))
        elif self.knows_inputs:
            x = self._network_inputs(batch.inputs)
        else:
            raise ValueError("The session's input standardisation is not known here.")
        return x.reshape(count, self._mover.batch_size, -1)

    def _compare_digest(self, digests: dict[int, int]) -> None:
        due = digests.get(self._step) if self._check_digests else None
        if due is not None and (mine := digest_of(self._weights)) != due:
            self._interrupted = False
            raise DigestMismatchError(
                f"After step {self._step} the digest is {mine:016x}, not the server's {due:016x}."
            )
