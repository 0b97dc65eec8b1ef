# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions: the server's reasons, and the replica's refusals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from backpropd.connection_fault import REFUSED, fault_in

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_DOMAIN = "backprop.v1"


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

    REASON = "SESSION_NOT_FOUND"


class SessionHasWriterError(BackpropdError):
    """Another Train stream writes to the session."""

    REASON = "SESSION_HAS_WRITER"


class SessionBusyError(BackpropdError):
    """The session can't be deleted while a stream trains it."""

    REASON = "SESSION_BUSY"


class SessionLimitError(BackpropdError):
    """The server holds its maximum of sessions."""

    REASON = "SESSION_LIMIT"


class QueueLimitError(BackpropdError):
    """The server's queues are full; try again later."""

    REASON = "QUEUE_LIMIT"


class RequestIdReusedError(BackpropdError):
    """The request_id was used before, with another request."""

    REASON = "REQUEST_ID_REUSED"


class InvalidRequestError(BackpropdError):
    """The request is wrong; `field_violations` say where."""

    REASON = "INVALID_REQUEST"


class OffsetGapError(BackpropdError):
    """Samples are missing before those that were sent."""

    REASON = "OFFSET_GAP"


class NonFiniteStepError(BackpropdError):
    """A step was refused because its numbers are not finite; the session stands before it."""

    REASON = "NON_FINITE_STEP"


class NonFiniteOutputError(BackpropdError):
    """A row's outputs, or its error, would be NaN or infinite; `field_violations` say which row."""

    REASON = "NON_FINITE_OUTPUT"


class NotReadyError(BackpropdError):
    """The session's input standardisation is not learnt yet."""

    REASON = "NOT_READY"


class StepNotHeldError(BackpropdError):
    """The server no longer holds the deltas that follow that step; start from an anchor."""

    REASON = "STEP_NOT_HELD"


class StepNotReachedError(BackpropdError):
    """The session has not come as far as that step."""

    REASON = "STEP_NOT_REACHED"


class ShuttingDownError(ServerUnavailableError):
    """The server shuts down."""

    REASON = "SHUTTING_DOWN"


class SamplesLostError(BackpropdError):
    """The session went back behind samples that it had answered, and that are not kept here."""


class ReplicaError(BackpropdError):
    """A replica refused something; it is as it was before."""


class ReplicaGapError(ReplicaError):
    """Deltas begin at another step than the replica's; it needs an anchor."""


class ReplicaInterruptedError(ReplicaError):
    """Ctrl-C or the like came while steps were applied; the replica needs an anchor."""


class DigestMismatchError(ReplicaError):
    """After a step the weights' digest is not the server's. The replica is at that step."""


_BY_REASON: dict[str, type[BackpropdError]] = {
    kind.REASON: kind
    for kind in (
        SessionNotFoundError,
        SessionHasWriterError,
        SessionBusyError,
        SessionLimitError,
        QueueLimitError,
        RequestIdReusedError,
        InvalidRequestError,
        OffsetGapError,
        NonFiniteStepError,
        NonFiniteOutputError,
        NotReadyError,
        StepNotHeldError,
        StepNotReachedError,
        ShuttingDownError,
    )
}


_BY_CODE: dict[grpc.StatusCode, type[BackpropdError]] = {
    grpc.StatusCode.UNAVAILABLE: ServerUnavailableError,
    grpc.StatusCode.UNAUTHENTICATED: AccessDeniedError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
}


def error_from_status(status: status_pb2.Status) -> BackpropdError:
    """The exception that says what a google.rpc.Status says."""
    info, faults = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for known in (info, faults):
            if detail.Is(known.DESCRIPTOR):
                try:
                    detail.Unpack(known)
                except DecodeError:  # damaged on its way: code and message are what is left
                    known.Clear()
    reason = info.reason if info.domain == _DOMAIN else ""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    kind = _BY_REASON.get(reason, BackpropdError)
    if kind is BackpropdError:
        kind = _BY_CODE.get(code, kind)
    return kind(
        status.message,
        code=code,
        reason=reason,
        field_violations=[FieldViolation(fault.field, fault.description) for fault in faults.field_violations],
        metadata=dict(info.metadata),
    )


def error_from_call(error: grpc.RpcError) -> BackpropdError:
    """The exception that says what a broken call says; of plain and asyncio calls alike."""
    call: Any = error
    status = status_pb2.Status()
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    status.code = call.code().value[0]
    status.message = call.details() or call.code().name
    return error_from_status(status) if status.details else _error_on_the_way(call.code(), status.message)


def _error_on_the_way(code: grpc.StatusCode, details: str) -> BackpropdError:
    """The exception for a call that no backpropd answered: each of its errors has details."""
    kind = _BY_CODE.get(code, BackpropdError)
    fault = fault_in(details) or (REFUSED if kind is AccessDeniedError else None)
    if fault is None:
        return kind(details, code=code)
    text = f"{fault.meaning} ({details})"
    if fault is REFUSED:
        return AccessDeniedError(text, code=code)
    return (UnreachableError if fault.lasting else ServerUnavailableError)(text, code=code)
