# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions: the server's reasons, and the replica's refusals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    import grpc  # for a type only: a replica raises errors, and knows no calls


def _name(reason: rpc.ErrorReason) -> str:
    """What ErrorInfo says for it."""
    return rpc.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


@dataclass(frozen=True)
class FieldViolation:
    """One fault of a request."""

    field: str
    """Path of the field, e.g. spec.layers[1].size."""
    description: str
    """What is wrong and what to do."""


class BackpropdError(Exception):
    """What every error of this package is.

    Attributes:
        code: gRPC's status code; None where no server was asked.
        message: for developers, in English.
        reason: the protocol's reason, such as OFFSET_GAP; "" where there is none.
        field_violations: the request's faults, if it is to blame.
        metadata: further values of the server.
        next_offset: for a refused samples message: the offset of the first
            sample not applied. From there on a stream goes on.

    """

    REASON: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        field_violations: Iterable[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason or self.REASON
        self.field_violations = tuple(field_violations)
        self.metadata = dict(metadata or {})
        self.next_offset: int | None = None

    def __str__(self) -> str:
        head = f"{self.reason}: {self.message}" if self.reason else self.message
        faults = [f"{fault.field}: {fault.description}" for fault in self.field_violations]
        return "; ".join([head, *(fault for fault in faults if fault not in self.message)])


class ServerUnavailableError(BackpropdError):
    """No server answered, or it went away; the call may be made again."""


class UnreachableError(BackpropdError):
    """No call gets through as the client is made: a certificate, a name, a route or a size doesn't fit."""


class AccessDeniedError(BackpropdError):
    """The call was not let pass, by a proxy as a rule, for want of a token or a certificate that it knows."""


class SessionNotFoundError(BackpropdError):
    """There is no such session, or it was deleted."""

    REASON = _name(rpc.ERROR_REASON_SESSION_NOT_FOUND)


class SessionHasWriterError(BackpropdError):
    """Another Train stream writes to the session."""

    REASON = _name(rpc.ERROR_REASON_SESSION_HAS_WRITER)


class SessionBusyError(BackpropdError):
    """The session can't be deleted while a stream trains it."""

    REASON = _name(rpc.ERROR_REASON_SESSION_BUSY)


class SessionLimitError(BackpropdError):
    """The server holds its maximum of sessions."""

    REASON = _name(rpc.ERROR_REASON_SESSION_LIMIT)


class QueueLimitError(BackpropdError):
    """The server's queues are full; try again later."""

    REASON = _name(rpc.ERROR_REASON_QUEUE_LIMIT)


class RequestIdReusedError(BackpropdError):
    """The request_id was used before, with another request."""

    REASON = _name(rpc.ERROR_REASON_REQUEST_ID_REUSED)


class InvalidRequestError(BackpropdError):
    """The request is wrong; `field_violations` say where."""

    REASON = _name(rpc.ERROR_REASON_INVALID_REQUEST)


class OffsetGapError(BackpropdError):
    """Samples are missing before those that were sent."""

    REASON = _name(rpc.ERROR_REASON_OFFSET_GAP)


class NonFiniteStepError(BackpropdError):
    """A step was refused because its numbers are not finite; the session stands before it."""

    REASON = _name(rpc.ERROR_REASON_NON_FINITE_STEP)


class NonFiniteOutputError(BackpropdError):
    """A row's outputs, or its error, would be NaN or infinite; `field_violations` say which row."""

    REASON = _name(rpc.ERROR_REASON_NON_FINITE_OUTPUT)


class NotReadyError(BackpropdError):
    """The session's input standardisation is not learnt yet."""

    REASON = _name(rpc.ERROR_REASON_NOT_READY)


class StepNotHeldError(BackpropdError):
    """The server no longer holds the deltas that follow that step; start from an anchor."""

    REASON = _name(rpc.ERROR_REASON_STEP_NOT_HELD)


class StepNotKeptError(BackpropdError):
    """The session's history does not reach back to that step, or it keeps none."""

    REASON = _name(rpc.ERROR_REASON_STEP_NOT_KEPT)


class StepNotReachedError(BackpropdError):
    """The session has not come as far as that step."""

    REASON = _name(rpc.ERROR_REASON_STEP_NOT_REACHED)


class EpochOverError(BackpropdError):
    """That step was of a life of the session that a crash ended; start from an anchor."""

    REASON = _name(rpc.ERROR_REASON_EPOCH_OVER)


class NoStoreError(BackpropdError):
    """The session was to be durable, and the server keeps sessions in memory only."""

    REASON = _name(rpc.ERROR_REASON_NO_STORE)


class StoreFailedError(BackpropdError):
    """What was asked for is done, but the server's disk fails and it is not durable yet."""

    REASON = _name(rpc.ERROR_REASON_STORE_FAILED)


class CheckpointNotFoundError(BackpropdError):
    """The session has no checkpoint of that name, or it has expired."""

    REASON = _name(rpc.ERROR_REASON_CHECKPOINT_NOT_FOUND)


class CheckpointExistsError(BackpropdError):
    """The session has a checkpoint of that name, of another step."""

    REASON = _name(rpc.ERROR_REASON_CHECKPOINT_EXISTS)


class WriterReplacedError(BackpropdError):
    """Another stream took the session over."""

    REASON = _name(rpc.ERROR_REASON_WRITER_REPLACED)


class SamplesDifferError(BackpropdError):
    """Other samples than these were applied at that offset: somebody else trains the session too."""

    REASON = _name(rpc.ERROR_REASON_SAMPLES_DIFFER)


class SessionDamagedError(BackpropdError):
    """What the server's store holds of the session is damaged."""

    REASON = _name(rpc.ERROR_REASON_SESSION_DAMAGED)


class ShuttingDownError(ServerUnavailableError):
    """The server shuts down."""

    REASON = _name(rpc.ERROR_REASON_SHUTTING_DOWN)


class SamplesLostError(BackpropdError):
    """The session went back behind samples that are not kept here, or another writer has trained it in between."""


class ReplicaError(BackpropdError):
    """A replica refused something; it is as it was before."""


class ReplicaGapError(ReplicaError):
    """Deltas begin at another step than the replica's; it needs an anchor."""


class ReplicaInterruptedError(ReplicaError):
    """Ctrl-C or the like came while steps were applied; the replica needs an anchor."""


class DigestMismatchError(ReplicaError):
    """After a step the weights' digest is not the server's. The replica is at that step."""


def _kinds(kind: type[BackpropdError]) -> Iterator[type[BackpropdError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


BY_REASON: dict[str, type[BackpropdError]] = {kind.REASON: kind for kind in _kinds(BackpropdError) if kind.REASON}
"""A reason that has no class of its own is a BackpropdError's with that reason."""
