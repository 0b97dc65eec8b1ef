# SPDX-License-Identifier: Apache-2.0
"""The errors that calls end with: from gRPC's status, and what it carries, to exceptions."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from backpropd.connection_fault import REFUSED, fault_in
from backpropd.errors import (
    BY_REASON,
    AccessDeniedError,
    BackpropdError,
    FieldViolation,
    ServerUnavailableError,
    UnreachableError,
)

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_DOMAIN = "backprop.v1"

_LEFT_HERE = ("Locally cancelled by application!", "Channel closed!")
"""grpcio's details of calls that this side has ended. All other cancelled ones were by a server that shuts down."""

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
    kind = BY_REASON.get(reason, BackpropdError)
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
    if code is grpc.StatusCode.CANCELLED and details not in _LEFT_HERE:
        kind = ServerUnavailableError
    fault = fault_in(details) or (REFUSED if kind is AccessDeniedError else None)
    if fault is None:
        return kind(details, code=code)
    text = f"{fault.meaning} ({details})"
    if fault is REFUSED:
        return AccessDeniedError(text, code=code)
    return (UnreachableError if fault.lasting else ServerUnavailableError)(text, code=code)
