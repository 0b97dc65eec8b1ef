# SPDX-License-Identifier: Apache-2.0
"""A client of one server: makes, finds and deletes sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy.typing as npt

from backpropd.aio.caller import AsyncCaller
from backpropd.aio.session import AsyncSession, delete_session, fork_session
from backpropd.calls.create_session import create_request, creation_error
from backpropd.errors import BackpropdError
from backpropd.replica import Anchor
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


class AsyncTrainingClient(AsyncCaller):
    """A connection to a backpropd server. An async context manager.

    Calls that are safe to repeat are repeated, with backoff, when the server
    can't be reached. All errors are BackpropdError.

    Tasks: any number may use one client, which is made and used within one event loop.

    Args:
        target: host:port, or whatever name gRPC resolves.
        tls: how a proxy in front of the server is spoken to; True: with TLS,
            trusting whom grpcio trusts; False: plain text, tokens included.
        authority: the server's name, if `target` is not it (a tunnel's end, an
            IP address): what its certificate must be for, and what proxies
            choose by.
        credentials: gRPC's own, in place of `tls`.
        metadata: sent with every call, for example [("authorization", "Bearer …")].
        timeout: seconds that a call which is no stream may take, and the opening of a Train stream.
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

    async def create(
        self,
        spec: pb.SessionSpec,
        *,
        initial: Anchor | npt.ArrayLike | None = None,
        request_id: str | None = None,
    ) -> AsyncSession:
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
            answer = await self.call(self.stub.CreateSession, request)
        except BackpropdError as error:
            raise creation_error(error, request) from None
        return AsyncSession(self, answer.session)

    async def fork(
        self,
        session_id: str,
        *,
        checkpoint: str = "",
        with_state: bool = False,
        spec: pb.SessionSpec | None = None,
        request_id: str | None = None,
    ) -> AsyncSession:
        """Makes a session from another's present weights, or from those of a checkpoint.

        Args:
            session_id: the origin's.
            checkpoint: of the origin; "": begin from what it is now.
            with_state: whether the optimiser's state goes along.
            spec: other hyperparameters; None: the origin's.
            request_id: as in create().

        """
        origin = rpc.Fork(session_id=session_id, checkpoint=checkpoint, with_state=with_state)
        return await fork_session(self, origin, spec=spec, request_id=request_id)

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
        await delete_session(self, session_id)

    async def server_info(self) -> rpc.GetServerInfoResponse:
        """What the server is: version, start_time, compute (threads, instructions, kernels), limits."""
        return await self.call(self.stub.GetServerInfo, rpc.GetServerInfoRequest())
