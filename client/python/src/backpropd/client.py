# SPDX-License-Identifier: Apache-2.0
"""A client of one server: makes, finds and deletes sessions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

import grpc
import numpy.typing as npt

from backpropd.backoff import Backoff, Clock, RetryPolicy, SystemClock, is_passing
from backpropd.connection import Tls, channel_options, checked_metadata, credentials_of
from backpropd.errors import BackpropdError, SessionNotFoundError
from backpropd.left_calls import LeftCalls
from backpropd.replica import Anchor
from backpropd.requests import create_request, creation_error
from backpropd.session import Session
from backpropd.threads import aside
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs

_T = TypeVar("_T")


class TrainingClient:
    """A connection to a backpropd server. A context manager.

    Calls that are safe to repeat are repeated, with backoff, when the server
    can't be reached. All errors are BackpropdError.

    Threads: any number may use one client.

    Args:
        target: host:port, or whatever name gRPC resolves.
        tls: how a proxy in front of the server is spoken to; True: with TLS,
            trusting whom grpcio trusts; False: plain text, tokens included.
        authority: the server's name, if `target` is not it (a tunnel's end, an
            IP address): what its certificate must be for, and what proxies
            choose by.
        credentials: gRPC's own, in place of `tls`.
        metadata: sent with every call, for example [("authorization", "Bearer …")].
        timeout: seconds that a call which is no stream may take.
        retry: when to try again.
        clock: what waits; for tests.
        jitter: random numbers for the waits; for tests.
        channel: an own channel, which stays the caller's; `target`, `tls`,
            `authority`, `credentials` and `options` are not used then.
        options: further channel options.

    Raises:
        ValueError: certificates or metadata that can't be; the text says which.
        OSError: a file of `tls` can't be read.

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
        clock: Clock | None = None,
        jitter: random.Random | None = None,
        channel: grpc.Channel | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._metadata = checked_metadata(metadata)
        self._owned: grpc.Channel | None = None
        if channel is None:
            merged = channel_options(authority, options)
            secure = credentials_of(tls, credentials)
            if secure is None:
                channel = grpc.insecure_channel(target, options=merged)
            else:
                channel = grpc.secure_channel(target, secure, options=merged)
            self._owned = channel
        self.stub = stubs.TrainingServiceStub(channel)
        self._timeout = timeout
        self._retry = retry
        self._clock: Clock = clock or SystemClock()
        self._jitter = jitter or random.Random()
        self.left_calls = LeftCalls()

    def create(
        self,
        spec: pb.SessionSpec,
        *,
        initial: Anchor | npt.ArrayLike | None = None,
        request_id: str | None = None,
    ) -> Session:
        """Makes a session.

        Args:
            spec: for example by specs.network().
            initial: weights, (weight_count,), in layout order; or an anchor with
                state, from which the session goes on exactly as the one did that
                it was fetched from: client.create(anchor.spec, initial=anchor).
                None: the spec's initialiser.
            request_id: makes calls of several processes one; None: a new UUID,
                so that this call itself may safely be repeated.

        """
        request = create_request(spec, initial, request_id)
        try:
            return Session(self, self.call(self.stub.CreateSession, request).session)
        except BackpropdError as error:
            raise creation_error(error, request) from None

    def fork(
        self,
        session_id: str,
        *,
        with_state: bool = False,
        spec: pb.SessionSpec | None = None,
        request_id: str | None = None,
    ) -> Session:
        """Makes a session from another's present weights.

        Args:
            session_id: the origin's.
            with_state: whether the optimiser's state goes along.
            spec: other hyperparameters; None: the origin's.
            request_id: as in create().

        """
        fork = rpc.Fork(session_id=session_id, with_state=with_state)
        request = create_request(spec, None, request_id, fork)
        return Session(self, self.call(self.stub.CreateSession, request).session)

    def get(self, session_id: str) -> Session:
        """The session with this id."""
        return Session(self, self.call(self.stub.GetSession, rpc.GetSessionRequest(session_id=session_id)).session)

    def list(self, *, page_size: int = 0) -> Iterator[Session]:
        """All sessions, in the order of their ids; asks for page after page."""
        token = ""
        while True:
            request = rpc.ListSessionsRequest(page_size=page_size, page_token=token)
            page = self.call(self.stub.ListSessions, request)
            for session in page.sessions:
                yield Session(self, session)
            token = page.next_page_token
            if not token:
                return

    def delete(self, session_id: str) -> None:
        """Forgets a session."""
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            try:
                request = rpc.DeleteSessionRequest(session_id=session_id)
                self.call(self.stub.DeleteSession, request, repeat=False, trains=session_id)
            except SessionNotFoundError:
                if attempts == 1:
                    raise  # else an attempt whose answer was lost has deleted it

        self.repeat(attempt)

    def close(self) -> None:
        """Closes the connection; streams end."""
        if self._owned is not None:
            aside(self._owned.close)

    def __enter__(self) -> TrainingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What follows serves Session and the streams.

    def call(self, method: Callable[..., _T], request: object, *, repeat: bool = True, trains: str = "") -> _T:
        """Makes a unary call.

        Args:
            method: the stub's.
            request: its request.
            repeat: whether it is safe to make it again if the server can't be reached.
            trains: the session, if the call is refused while a stream trains it:
                made again if that may be a stream which this client has left.

        """

        def attempt() -> _T:
            return aside(lambda: method(request, metadata=self._metadata, timeout=self._timeout))

        return self.repeat(attempt, is_passing if repeat else lambda _: False, trains)

    def repeat(
        self, attempt: Callable[[], _T], passes: Callable[[BackpropdError], bool] = is_passing, trains: str = ""
    ) -> _T:
        """Attempts until it succeeds, fails with what does not pass, or the policy gives up; `trains`: see call()."""
        backoff = self.new_backoff()
        while True:
            try:
                return attempt()
            except BackpropdError as error:
                explained = self.left_calls.explain(error, trains, self.now())
                if not explained and not passes(error):
                    raise
                self.wait(backoff, error, explained=explained)

    def now(self) -> float:
        """Seconds, of this client's clock."""
        return self._clock.now()

    def new_backoff(self) -> Backoff:
        """A count of attempts by this client's policy."""
        return Backoff(self._retry, self._jitter)

    def wait(self, backoff: Backoff, error: BackpropdError, *, explained: bool = False) -> None:
        """Waits before the next attempt, or raises `error` when enough was tried; `explained`: see Peer."""
        self._clock.sleep((backoff.next_look if explained else backoff.next_wait)(self._clock.now(), error))

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Sent with every call."""
        return self._metadata
