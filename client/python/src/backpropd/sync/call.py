# SPDX-License-Identifier: Apache-2.0
"""gRPC calls that an interrupt can't harm: see threads."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from backpropd.sync.threads import start_thread, take, told_error

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")

_LONGEST_END = 5.0
"""Seconds; ending a call that was hung up takes microseconds, if nothing is wrong."""


class Call(Generic[_Request, _Response]):
    """One call of any kind: what it sends goes through a queue, what it receives through another.

    Responses are read one ahead, so a server that sends fast is held up by
    gRPC's flow control, as if the user read from the call.

    Who leaves it before its end hangs it up: as a context manager it does so by
    itself when an exception leaves the context.

    Threads: one at a time; any may hang_up().

    Args:
        make: makes grpc's call object from the requests; runs on the call's thread.
        read: gives the responses from grpc's call object; iter() for those that stream.

    """

    def __init__(
        self,
        make: Callable[[Iterator[_Request]], Any],
        read: Callable[[Any], Iterable[_Response]] = iter,
    ) -> None:
        self._make = make
        self._read = read
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[tuple[_Response | None, BaseException | None]] = queue.SimpleQueue()
        self._taken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Each is set by one thread and then looked at by another, before which it looks at the other's.
        self._grpc_call: Any = None
        self._hung_up = False

    def __enter__(self) -> Call[_Request, _Response]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whatever left the context: nobody takes further responses, for which the call's thread would wait for ever.
        if kind is not None:
            self.hang_up()

    def begin(self) -> None:
        """Makes the call. Apart from the constructor, so that who is interrupted here knows what to hang up."""
        start_thread(self._run)

    def send(self, request: _Request) -> None:
        """Sends a request, without waiting."""
        self._requests.put(request)

    def half_close(self) -> None:
        """Says that no request follows."""
        self._requests.put(None)

    def receive(self, timeout: float | None = None) -> _Response | None:
        """The next response; None at the end of a call that went well.

        Raises:
            BackpropdError: how the call ended.
            TimeoutError: none came in so many seconds; the call goes on.

        """
        try:
            response, error = take(self._news, timeout)
            if response is None:
                self._news.put((response, error))  # the end stays the end
        except TimeoutError:
            raise
        except BaseException:
            self.hang_up()
            raise
        if error is not None:
            raise error
        self._taken.put(None)
        return response

    def hang_up(self) -> None:
        """Cancels the call; does not wait."""
        if self._ended.empty():
            with contextlib.suppress(RuntimeError):  # Python is ending, and its threads with it
                start_thread(self._cancel)

    def drop(self) -> None:
        """As hang_up(); for a destructor, since the call's thread holds this object."""
        self.hang_up()

    def over(self) -> None:
        """Waits until gRPC has taken note that the call was hung up."""
        with contextlib.suppress(queue.Empty):
            self._ended.put(self._ended.get(timeout=_LONGEST_END))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._grpc_call = self._make(iter(self._requests.get, None))
            if self._hung_up:
                self._grpc_call.cancel()
            for response in self._read(self._grpc_call):
                self._news.put((response, None))
                self._taken.get()
        except BaseException as wrong:
            error = wrong  # should telling it fail
            error = told_error(wrong)
        finally:  # whatever happened: somebody waits for it
            # Not left to the user's thread: its destructor locks too.
            self._grpc_call = None
            self._requests.put(None)  # else the thread that sends them waits on
            self._news.put((None, error))
            self._ended.put(None)

    def _cancel(self) -> None:
        self._hung_up = True
        grpc_call = self._grpc_call
        if grpc_call is not None:
            grpc_call.cancel()
        self._taken.put(None)
