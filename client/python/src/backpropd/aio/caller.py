# SPDX-License-Identifier: Apache-2.0
"""How a client makes its calls: with its metadata and timeout, and again where that is safe."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio

from backpropd.aio.call import AsyncCall
from backpropd.aio.channel import answer_of, close_channel, stub_of
from backpropd.backoff import AsyncClock, Backoff, RetryPolicy, SystemAsyncClock, is_passing
from backpropd.connection import Metadata, Tls, channel_options, checked_metadata, credentials_of
from backpropd.errors import BackpropdError
from backpropd.left_calls import LeftCalls

_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="AsyncCaller")


class AsyncCaller:
    """A channel, and how calls are made on it; what clients, sessions and streams share.

    An async context manager. Its arguments are described with AsyncTrainingClient.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        tls: Tls | bool = False,
        authority: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str | bytes]] = (),
        timeout: float = 60.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  frozen
        clock: AsyncClock | None = None,
        jitter: random.Random | None = None,
        channel: grpc.aio.Channel | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._metadata = checked_metadata(metadata)
        self._owned: grpc.aio.Channel | None = None
        if channel is None:
            merged = channel_options(authority, options)
            secure = credentials_of(tls, credentials)
            if secure is None:
                channel = grpc.aio.insecure_channel(target, options=merged)
            else:
                channel = grpc.aio.secure_channel(target, secure, options=merged)
            self._owned = channel
        self.stub = stub_of(channel)
        self._timeout = timeout
        self._retry = retry
        self._clock: AsyncClock = clock or SystemAsyncClock()
        self._jitter = jitter or random.Random()
        self.left_calls: LeftCalls[AsyncCall[Any, Any]] = LeftCalls()

    async def close(self) -> None:
        """Closes the connection; streams end."""
        if self._owned is not None:
            await close_channel(self._owned)

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def call(
        self, method: Callable[..., Awaitable[_T]], request: object, *, repeat: bool = True, trains: str = ""
    ) -> _T:
        """Makes a unary call.

        Args:
            method: the stub's.
            request: its request.
            repeat: whether it is safe to make it again if the server can't be reached.
            trains: the session, if the call is refused while a stream trains it:
                made again if that may be a stream which this client has left.

        """

        async def attempt() -> _T:
            return await answer_of(method, request, self._metadata, self._timeout)

        return await self.repeat(attempt, is_passing if repeat else lambda _: False, trains)

    async def repeat(
        self,
        attempt: Callable[[], Awaitable[_T]],
        passes: Callable[[BackpropdError], bool] = is_passing,
        trains: str = "",
    ) -> _T:
        """Attempts until it succeeds, fails with what does not pass, or the policy gives up; `trains`: see call()."""
        backoff = self.new_backoff()
        while True:
            try:
                return await attempt()
            except BackpropdError as error:
                explained = self.left_calls.explain(error, trains, self.now())
                if not explained and not passes(error):
                    raise
                await self.wait(backoff, error, explained=explained)

    def now(self) -> float:
        """Seconds, of this client's clock."""
        return self._clock.now()

    def new_backoff(self) -> Backoff:
        """A count of attempts by this client's policy."""
        return Backoff(self._retry, self._jitter)

    async def wait(self, backoff: Backoff, error: BackpropdError, *, explained: bool = False) -> None:
        """Waits before the next attempt, or raises `error` when enough was tried.

        `explained`: LeftCalls explain the error, which passes and is no failed attempt.
        """
        await self._clock.sleep((backoff.next_look if explained else backoff.next_wait)(self._clock.now(), error))

    @property
    def timeout(self) -> float:
        """Seconds within which a call must be answered, and a Train stream's opening."""
        return self._timeout

    @property
    def metadata(self) -> Metadata:
        """Sent with every call."""
        return self._metadata
