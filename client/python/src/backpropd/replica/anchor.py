# SPDX-License-Identifier: Apache-2.0
"""An anchor: all weights of a session at one step, and with state all that the session is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xxhash
from google.protobuf.message import DecodeError

from backpropd.errors import BackpropdError, DigestMismatchError
from backpropd.replica.arrays import Float32, floats_from, floats_to
from backpropd.replica.layout import places_of
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


def digest_of(weights: Float32) -> int:
    """XXH3-64 of the bytes, little-endian float32, of a flat vector: (weight_count,)."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(weights, dtype="<f4").data)


@dataclass(frozen=True)
class Anchor:
    """The weights as they were after one step, the optimiser's state included if it was asked for.

    With state it puts a session back: client.create(anchor.spec, initial=anchor).
    """

    step: int
    """The step after which the weights were these."""
    next_offset: int
    """Offset of the next sample at that step."""
    digest: int
    """The server's digest of the weights; it was compared with theirs."""
    weights: Float32
    """(weight_count,), in layout order."""
    state: Float32
    """(state_count, weight_count); (0, weight_count) if it was not asked for."""
    standardisation: pb.Standardisation | None = field(default=None, compare=False)
    """The session's, once it is known."""
    spec: pb.SessionSpec = field(default_factory=pb.SessionSpec, compare=False)
    """The session's effective spec at that step."""
    continuation: rpc.Continuation = field(default_factory=rpc.Continuation, compare=False)
    """What the session's next steps depend on besides; to be given back, not to be understood."""
    epoch: int = field(default=0, compare=False)
    """The session's epoch, in which the weights were these; 0: not known. A session
    that is put back begins in epoch 1, so it is not kept in to_bytes()."""

    def layers(self, layout: pb.Layout) -> list[tuple[Float32, Float32]]:
        """(weights (outputs, inputs), bias (outputs,)) of each layer; views."""
        return [(place.matrix(self.weights), place.bias(self.weights)) for place in places_of(layout)]

    def message(self) -> rpc.Anchor:
        """What CreateSession takes as `initial`."""
        return rpc.Anchor(
            step=self.step,
            next_offset=self.next_offset,
            digest=self.digest,
            weights=floats_to(self.weights),
            state=floats_to(self.state),
            standardisation=self.standardisation,
            continuation=self.continuation,
        )

    def to_bytes(self) -> bytes:
        """Spec and anchor for a file: a CreateSessionRequest, as protobuf writes it."""
        return rpc.CreateSessionRequest(spec=self.spec, initial=self.message()).SerializeToString()

    @classmethod
    def from_bytes(cls, data: bytes) -> Anchor:
        """What to_bytes() wrote.

        Raises:
            ValueError: `data` is nothing of the kind, or its weights are not those that were kept.

        """
        request = rpc.CreateSessionRequest()
        try:
            request.ParseFromString(data)
        except DecodeError as error:
            raise ValueError(f"No kept session: {error}") from None
        kept = request.initial
        if not kept.weights or len(kept.weights) % 4 or len(kept.state) % len(kept.weights):
            raise ValueError("No kept session: weights are missing, or the state does not fit them.")
        weights = floats_from(kept.weights)
        if (digest := digest_of(weights)) != kept.digest:
            raise ValueError(f"A damaged session: the weights' digest is {digest:016x}, not {kept.digest:016x}.")
        return cls(
            step=kept.step,
            next_offset=kept.next_offset,
            digest=digest,
            weights=weights,
            state=floats_from(kept.state).reshape(-1, len(weights)),
            standardisation=kept.standardisation if kept.HasField("standardisation") else None,
            spec=request.spec,
            continuation=kept.continuation,
        )


class AnchorReader:
    """Puts the chunks of GetWeights together.

    Args:
        with_state: whether the state was asked for.
        state_count: number of the optimiser's state vectors, as Layout says.

    """

    def __init__(self, *, with_state: bool, state_count: int) -> None:
        self._vectors = 1 + (state_count if with_state else 0)
        self._numbers: Float32 | None = None
        self._filled = 0
        self._head = rpc.GetWeightsResponse()

    def add(self, chunk: rpc.GetWeightsResponse) -> None:
        """Takes the next chunk."""
        if self._numbers is None:
            self._numbers = np.empty(self._vectors * chunk.weight_count, dtype=np.float32)
            self._head = chunk
        numbers = floats_from(chunk.weights)
        end = self._filled + len(numbers)
        if chunk.first_weight != self._filled or end > len(self._numbers):
            raise BackpropdError(f"A chunk of weights begins at {chunk.first_weight} where {self._filled} was due.")
        self._numbers[self._filled : end] = numbers
        self._filled = end

    def finish(self) -> Anchor:
        """The anchor, after the last chunk.

        Raises:
            DigestMismatchError: the weights are not those that the server had.

        """
        chunk = self._head
        if self._numbers is None or self._filled != len(self._numbers):
            raise BackpropdError(f"The weights ended after {self._filled} numbers.")
        vectors = self._numbers.reshape(self._vectors, chunk.weight_count)
        if (digest := digest_of(vectors[0])) != chunk.digest:
            raise DigestMismatchError(
                f"The anchor of step {chunk.step} has digest {digest:016x}, not {chunk.digest:016x}."
            )
        return Anchor(
            step=chunk.step,
            next_offset=chunk.next_offset,
            digest=digest,
            weights=vectors[0],
            state=vectors[1:],
            standardisation=chunk.standardisation if chunk.HasField("standardisation") else None,
            spec=chunk.spec,
            continuation=chunk.continuation,
            epoch=chunk.epoch,
        )
