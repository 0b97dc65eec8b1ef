# SPDX-License-Identifier: Apache-2.0
"""A session as the dialogues want it, of the asyncio client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpropd.aio.call import AsyncCall
from backpropd.backoff import Backoff
from backpropd.errors import BackpropdError
from backpropd.replica import Anchor
from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    from backpropd.aio.session import AsyncSession


class AsyncPeer:
    """An AsyncSession as a backpropd.peer.Peer."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.session_id, self.spec, self.layout = session.session_id, session.spec, session.layout
        self.left_calls = session.client.left_calls
        self.now = session.client.now
        self.new_backoff = session.client.new_backoff

    def train_call(self) -> AsyncCall[rpc.TrainRequest, rpc.TrainResponse]:
        """A call of Train that has not begun."""
        client = self._session.client
        return AsyncCall(lambda requests: client.stub.Train(requests, metadata=client.metadata))

    def watch_call(self, request: rpc.WatchDeltasRequest) -> AsyncCall[None, rpc.WatchDeltasResponse]:
        """A call of WatchDeltas that has not begun."""
        client = self._session.client
        return AsyncCall(lambda _: client.stub.WatchDeltas(request, metadata=client.metadata))

    async def wait(self, backoff: Backoff, error: BackpropdError, *, explained: bool = False) -> None:
        """Waits before the next attempt, or raises `error` when enough was tried."""
        await self._session.client.wait(backoff, error, explained=explained)

    async def anchor(self) -> Anchor:
        """The session's weights, with state."""
        return await self._session.weights(with_state=True)
