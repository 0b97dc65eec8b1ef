# SPDX-License-Identifier: Apache-2.0
"""A client of one server, for asyncio."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
import numpy.typing as npt

from backpropd.aio.session import AsyncSession
from backpropd.backoff import AsyncClock, Backoff, RetryPolicy, SystemAsyncClock, is_passing
from backpropd.call_errors import error_from_call
from backpropd.connection import Tls, channel_options, checked_metadata, credentials_of
from backpropd.errors import BackpropdError, SessionNotFoundError
from backpropd.left_calls import LeftCalls
from backpropd.replica import Anchor
from backpropd.requests import create_request, creation_error
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs

_T = TypeVar("_T")


class AsyncTrainingClient:
    """A connection to a backpropd server; see backpropd.TrainingClient, whose arguments it takes.

    An async context manager. Of one event loop: made and used within it.
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
        # One generated class serves both kinds of channel; only its types differ.
        self.stub = cast("stubs.TrainingServiceAsyncStub", stubs.TrainingServiceStub(cast("grpc.Channel", channel)))
        self._timeout = timeout
        self._retry = retry
        self._clock: AsyncClock = clock or SystemAsyncClock()
        self._jitter = jitter or random.Random()
        self.left_calls = LeftCalls()

    async def create(
        self,
        spec: pb.SessionSpec,
        *,
        initial: Anchor | npt.ArrayLike | None = None,
        request_id: str | None = None,
    ) -> AsyncSession:
        """Makes a session; see TrainingClient.create()."""
        request = create_request(spec, initial, request_id)
        try:
            return AsyncSession(self, (await self.call(self.stub.CreateSession, request)).session)
        except BackpropdError as error:
            raise creation_error(error, request) from None

    async def fork(
        self,
        session_id: str,
        *,
        with_state: bool = False,
        spec: pb.SessionSpec | None = None,
        request_id: str | None = None,
    ) -> AsyncSession:
        """Makes a session from another's present weights."""
        fork = rpc.Fork(session_id=session_id, with_state=with_state)
        request = create_request(spec, None, request_id, fork)
        return AsyncSession(self, (await self.call(self.stub.CreateSession, request)).session)

    async def get(self, session_id: str) -> AsyncSession:
        """The session with this id."""
        answer = await self.call(self.stub.GetSession, rpc.GetSessionRequest(session_id=session_id))
        return AsyncSession(self, answer.session)

    async def list(self, *, page_size: int = 0) -> AsyncIterator[AsyncSession]:
        """All sessions, in the order of their ids; asks for page after page."""
        token = ""
        while True:
            request = rpc.ListSessionsRequest(page_size=page_size, page_token=token)
            page = await self.call(self.stub.ListSessions, request)
            for session in page.sessions:
                yield AsyncSession(self, session)
            token = page.next_page_token
            if not token:
                return

    async def delete(self, session_id: str) -> None:
        """Forgets a session."""
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            try:
                request = rpc.DeleteSessionRequest(session_id=session_id)
                await self.call(self.stub.DeleteSession, request, repeat=False, trains=session_id)
            except SessionNotFoundError:
                if attempts == 1:
                    raise  # else an attempt whose answer was lost has deleted it

        await self.repeat(attempt)

    async def close(self) -> None:
        """Closes the connection; streams end."""
        if self._owned is not None:
            await self._owned.close(None)

    async def __aenter__(self) -> AsyncTrainingClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # What follows serves AsyncSession and the streams.

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
            try:
                return await method(request, metadata=self._metadata, timeout=self._timeout)
            except grpc.RpcError as error:
                raise error_from_call(error) from None

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
        """Waits before the next attempt, or raises `error` when enough was tried; `explained`: see Peer."""
        await self._clock.sleep((backoff.next_look if explained else backoff.next_wait)(self._clock.now(), error))

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Sent with every call."""
        return self._metadata
