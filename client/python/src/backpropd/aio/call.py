# SPDX-License-Identifier: Apache-2.0
"""gRPC's streaming calls as the asyncio client uses them; the counterpart of backpropd.sync.call."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from backpropd.call_errors import error_from_call
from backpropd.errors import BackpropdError

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_T = TypeVar("_T")

_LONGEST_END = 5.0
"""Seconds; ending a call that was hung up takes microseconds, if nothing is wrong."""


def _times_cancelled() -> int:
    """How often somebody has cancelled the present task. Python 3.10 does not tell: 0."""
    task = asyncio.current_task()
    if task is None or sys.version_info < (3, 11):
        return 0
    return task.cancelling()


def _at_once(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        given: _T = done.value
        return given
    coroutine.close()
    raise AssertionError("It waits.")


class _Requests(Generic[_Request]):
    """What gRPC iterates over. No generator, which the loop would have to close when its call was cancelled."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[_Request | None] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[_Request]:
        return self

    async def __anext__(self) -> _Request:
        request = await self.queue.get()
        if request is None:
            raise StopAsyncIteration
        return request


class AsyncCall(Generic[_Request, _Response]):
    """One call whose responses stream: requests go through a queue, so that sending never waits for receiving.

    Who leaves it before its end hangs it up: as a context manager it does so by
    itself when an exception leaves the context.

    Made and used within one event loop.

    Args:
        make: makes grpc's call object from the requests.

    """

    def __init__(self, make: Callable[[AsyncIterator[_Request]], Any]) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._requests: _Requests[_Request] = _Requests()
        self._grpc_call: Any = None
        self._reading: asyncio.Future[Any] | None = None  # what a receive() that timed out has begun
        self._hung_up = False
        self._end: grpc.RpcError | None = None  # as the call's status came, if it has

    def __enter__(self) -> AsyncCall[_Request, _Response]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.hang_up()

    def begin(self) -> None:
        """Makes the call."""
        self._grpc_call = self._make(self._requests)
        self._grpc_call.add_done_callback(self._note_end)

    def _note_end(self, grpc_call: Any) -> None:  # noqa: ANN401  grpc's, of any kind
        """Keeps the status that came: where a write fails after it, grpcio puts an INTERNAL of its own in its place."""
        self._end = grpc.aio.AioRpcError(
            _at_once(grpc_call.code()),
            grpc.aio.Metadata(),
            _at_once(grpc_call.trailing_metadata()),
            details=_at_once(grpc_call.details()),
            debug_error_string=None,
        )

    def send(self, request: _Request) -> None:
        """Sends a request, without waiting."""
        self._requests.queue.put_nowait(request)

    def half_close(self) -> None:
        """Says that no request follows."""
        self._requests.queue.put_nowait(None)

    async def receive(self, timeout: float | None = None) -> _Response | None:
        """The next response; None at the end of a call that went well.

        Raises:
            BackpropdError: how the call ended.
            TimeoutError: none came in so many seconds; the call goes on.

        """
        cancelled_before = _times_cancelled()
        try:
            response = await self._read(timeout)
        except asyncio.CancelledError:
            if not self._hung_up or _times_cancelled() > cancelled_before:
                raise  # it is the task that was cancelled, be it that the call was hung up too
            raise BackpropdError("The call was cancelled.", code=grpc.StatusCode.CANCELLED) from None
        except grpc.RpcError as error:
            end: Any = self._end or error
            if end.code() is grpc.StatusCode.OK:
                return None
            raise error_from_call(end) from None
        if response is grpc.aio.EOF:  # type: ignore[attr-defined]  # its types lack it
            return None
        taken: _Response = response
        return taken

    async def _read(self, timeout: float | None) -> Any:  # noqa: ANN401  a response, or grpc's EOF
        """What the call's read() gives; cancelling that would cancel the call, so one that takes too long goes on."""
        if timeout is None and self._reading is None:
            return await self._grpc_call.read()
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._grpc_call.read())
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to nobody else
        await asyncio.wait({self._reading}, timeout=timeout)
        if not self._reading.done():
            raise TimeoutError(f"Nothing came in {timeout} s.")
        reading, self._reading = self._reading, None
        return reading.result()

    def hang_up(self) -> None:
        """Cancels the call; does not wait."""
        self._hung_up = True
        self.half_close()
        if self._grpc_call is not None:
            self._grpc_call.cancel()

    def drop(self) -> None:
        """As hang_up(); for a destructor, which may run on any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its calls with it
            self._loop.call_soon_threadsafe(self.hang_up)

    async def over(self) -> None:
        """Waits until gRPC has taken note that the call was hung up."""
        if self._grpc_call is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._grpc_call.code()), _LONGEST_END)
