# SPDX-License-Identifier: Apache-2.0
"""Threads that no interrupt meets.

Ctrl-C raises KeyboardInterrupt in the main thread between any two bytecodes,
also within grpcio's Python code, where it can leave a lock of the call or of the
whole channel taken for good: then every later call of that client hangs. So
grpcio's code that takes locks never runs on the main thread. It runs on threads
of its own, and whoever waits for one waits in queue.SimpleQueue, which is one
step to Python: an interrupt finds it done or not begun.
"""

from __future__ import annotations

import _thread
import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

import grpc

from backpropd.call_errors import error_from_call
from backpropd.errors import BackpropdError

_T = TypeVar("_T")

_LONGEST_NAP = 1.0
"""Seconds; on Windows a waiting thread sees an interrupt between two naps only."""


def aside(function: Callable[[], _T]) -> _T:
    """Runs it on a thread of its own, and waits; for a call with one answer, which an interrupt leaves to its end.

    (grpcio's futures could be cancelled, but need a further thread, and so four
    times as long as a plain call.)

    Raises:
        BackpropdError: as the server says.

    """
    outcome: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        answer: _T | None = None
        error: BaseException | None = None
        try:
            answer = function()
        except BaseException as wrong:
            error = wrong  # should telling it fail
            error = told_error(wrong)
        finally:  # whatever happened: somebody waits for it
            outcome.put((answer, error))

    if threading.current_thread() is threading.main_thread():
        try:
            start_thread(run)
        except RuntimeError:  # Python is ending: it starts no thread, and interrupts none
            run()
    else:
        run()  # only the main thread is interrupted
    answer, error = take(outcome)
    if error is not None:
        raise error
    return cast("_T", answer)


def told_error(wrong: BaseException) -> BaseException:
    """What users are told when grpcio's code raised `wrong`."""
    if isinstance(wrong, grpc.FutureCancelledError):
        return BackpropdError("The call was cancelled.", code=grpc.StatusCode.CANCELLED)
    if not isinstance(wrong, grpc.RpcError):
        return wrong
    try:
        return error_from_call(wrong)
    except Exception as fault:
        return BackpropdError(f"The call broke, and how can't be read ({fault!r}): {wrong!r}")


def take(source: queue.SimpleQueue[_T], timeout: float | None = None) -> _T:
    """The next item, waiting for it as long as it takes, or so many seconds; then it is a TimeoutError."""
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _LONGEST_NAP if until is None else until - time.monotonic()
        with contextlib.suppress(queue.Empty):
            return source.get(timeout=min(max(left, 0), _LONGEST_NAP))
        if left <= 0:
            raise TimeoutError(f"Nothing came in {timeout} s.")


def start_thread(run: Callable[[], None]) -> None:
    """Runs it on a new thread, in this thread's context, which tracing needs.

    By threading.Thread it would not do: its start() waits in a lock of Python's
    own, where an interrupt does the same harm as in grpcio's.
    """
    _thread.start_new_thread(contextvars.copy_context().run, (run,))
