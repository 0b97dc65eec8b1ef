# SPDX-License-Identifier: Apache-2.0
"""A session as the dialogues want it, of the plain client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backpropd.backoff import Backoff
from backpropd.call import Call
from backpropd.errors import BackpropdError
from backpropd.replica import Anchor
from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    from backpropd.session import Session


class PlainPeer:
    """A Session as a backpropd.peer.Peer; its coroutines never suspend: finish() runs them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.session_id, self.spec, self.layout = session.session_id, session.spec, session.layout
        self.left_calls = session.client.left_calls
        self.now = session.client.now
        self.new_backoff = session.client.new_backoff

    def train_call(self) -> Call[rpc.TrainRequest, rpc.TrainResponse]:
        """A call of Train that has not begun."""
        client = self._session.client
        return Call(lambda requests: client.stub.Train(requests, metadata=client.metadata))

    def watch_call(self, request: rpc.WatchDeltasRequest) -> Call[None, rpc.WatchDeltasResponse]:
        """A call of WatchDeltas that has not begun."""
        client = self._session.client
        return Call(lambda _: client.stub.WatchDeltas(request, metadata=client.metadata))

    async def wait(self, backoff: Backoff, error: BackpropdError, *, explained: bool = False) -> None:
        """Waits before the next attempt, or raises `error` when enough was tried."""
        self._session.client.wait(backoff, error, explained=explained)

    async def anchor(self) -> Anchor:
        """The session's weights, with state."""
        return self._session.weights(with_state=True)
