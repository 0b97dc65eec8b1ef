# SPDX-License-Identifier: Apache-2.0
"""Whoever waits for a call hears of its end, and a call that nobody waits for ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn
from unittest.mock import Mock

import grpc
import numpy as np
import pytest
from backpropd import BackpropdError, Session, SessionNotFoundError
from backpropd.call_errors import error_from_status
from backpropd.sync.call import Call
from backpropd.sync.channel import answer_to_stream
from backpropd.sync.threads import aside
from fake_server import FakeServicer
from fake_session import status_of
from google.rpc import status_pb2

LONG = 10
"""Seconds; a thread ends within milliseconds."""
X = np.zeros((6, 3), dtype="f4")
Y = np.zeros(6, dtype=int)
BROKEN = grpc.RpcError("It says neither code nor details.")


@pytest.fixture
def kind() -> str:
    return "plain"  # the asyncio client has no threads


def frames(frame: FrameType | None) -> Iterator[FrameType]:
    """A thread's, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def threads_of_calls() -> int:
    """Threads on which a Call runs; threading.enumerate() does not know them."""
    run = Call._run.__code__
    return sum(any(frame.f_code is run for frame in frames(top)) for top in sys._current_frames().values())


def wait_for_no_call() -> None:
    """Fails if a call's thread stays."""
    end = time.monotonic() + LONG
    while threads_of_calls():
        assert time.monotonic() < end, f"{threads_of_calls()} threads wait for ever"
        threading.Event().wait(0.001)


def calls_of(session: Session) -> dict[str, Callable[[], Any]]:
    """One of each kind."""
    return {
        "refresh": session.refresh,
        "weights": session.weights,
        "evaluate": lambda: session.evaluate(X, Y),
    }


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """What raises it whatever it is given."""

    def wrong(*_: object, **__: object) -> NoReturn:
        raise error

    return wrong


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), BackpropdError("A chunk is missing.")])
def test_weights_that_are_left_in_the_middle_leave_no_thread(
    session: Session, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    wait_for_no_call()
    with monkeypatch.context() as patch:
        patch.setattr("backpropd.replica.anchor.AnchorReader.add", raising(error))
        for _ in range(3):
            with pytest.raises(type(error)):
                session.weights()
    wait_for_no_call()
    assert len(session.weights().weights) == 26


@pytest.mark.parametrize("what", ["weights", "evaluate"])
def test_an_interrupt_before_the_answer_is_waited_for_leaves_no_thread(
    session: Session, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    call = calls_of(session)[what]
    wait_for_no_call()
    with monkeypatch.context() as patch:
        patch.setattr(Call, "receive", raising(KeyboardInterrupt()))
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                call()
    wait_for_no_call()
    call()


def test_a_stream_and_a_watch_that_nobody_holds_end(session: Session) -> None:
    wait_for_no_call()
    session.stream().open()
    wait_for_no_call()
    session.train(X, Y)
    assert next(session.watch(after_step=0)).step == 6
    wait_for_no_call()


def damaged(which: str) -> status_pb2.Status:
    """A status with a detail that can't be parsed."""
    status = status_of(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", "no session", ("session_id", "is unknown"))
    for detail in status.details:
        if detail.type_url.endswith(which):
            detail.value = b"\xff" + detail.value
    return status


def test_details_that_are_damaged_are_left_out() -> None:
    no_reason = error_from_status(damaged("ErrorInfo"))
    assert (type(no_reason), no_reason.reason, no_reason.code) == (BackpropdError, "", grpc.StatusCode.NOT_FOUND)
    assert [fault.field for fault in no_reason.field_violations] == ["session_id"]
    no_faults = error_from_status(damaged("BadRequest"))
    assert (type(no_faults), no_faults.field_violations) == (SessionNotFoundError, ())
    # It breaks after a part that can be read: half a detail is none.
    half = status_of(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", "no session")
    half.details[0].value += b"\xff"
    assert error_from_status(half).reason == ""


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("which", ["ErrorInfo", "BadRequest"])
@pytest.mark.parametrize("what", ["refresh", "weights", "evaluate"])
def test_a_call_whose_error_is_damaged_raises_what_can_be_read(
    session: Session, servicer: FakeServicer, monkeypatch: pytest.MonkeyPatch, which: str, what: str
) -> None:
    def refuse(_: str, context: grpc.ServicerContext) -> NoReturn:
        details = damaged(which).SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no session")
        raise AssertionError

    monkeypatch.setattr(servicer, "session", refuse)
    with pytest.raises(BackpropdError, match="no session") as raised:
        calls_of(session)[what]()
    assert raised.value.code is grpc.StatusCode.NOT_FOUND
    wait_for_no_call()


@pytest.mark.usefixtures("in_time")
def test_an_error_that_can_not_be_read_is_raised_all_the_same() -> None:
    with pytest.raises(BackpropdError, match="neither code nor details"):
        aside(raising(BROKEN))
    with pytest.raises(BackpropdError, match="neither code nor details"):
        answer_to_stream(Mock(future=raising(BROKEN)), [], ())
    wait_for_no_call()


@pytest.mark.usefixtures("in_time")
def test_who_waits_hears_of_the_end_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backpropd.sync.threads.error_from_call", raising(SystemExit("not even an Exception")))
    with pytest.raises(grpc.RpcError):
        aside(raising(BROKEN))
    call: Call[None, None] = Call(raising(BROKEN))
    call.begin()
    with pytest.raises(grpc.RpcError):
        call.receive()
    wait_for_no_call()
