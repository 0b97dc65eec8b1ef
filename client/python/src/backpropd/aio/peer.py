# SPDX-License-Identifier: Apache-2.0
"""A session as the dialogues want it: who it is, and calls on it."""

from __future__ import annotations

from backpropd.aio.call import AsyncCall
from backpropd.aio.session_calls import AsyncSessionCalls
from backpropd.replica import Anchor
from backpropd.v1 import training_service_pb2 as rpc


class AsyncPeer:
    """What a stream's or a watch's dialogue (train_dialogue, watch_dialogue) knows of its session."""

    def __init__(self, session: AsyncSessionCalls) -> None:
        self._session = session
        self.session_id, self.spec, self.layout = session.session_id, session.spec, session.layout
        self.left_calls = session.client.left_calls
        self.now = session.client.now
        self.new_backoff = session.client.new_backoff
        self.wait = session.client.wait

    def train_call(self) -> AsyncCall[rpc.TrainRequest, rpc.TrainResponse]:
        """A call of Train that has not begun."""
        client = self._session.client
        return AsyncCall(lambda requests: client.stub.Train(requests, metadata=client.metadata))

    def watch_call(self, request: rpc.WatchDeltasRequest) -> AsyncCall[None, rpc.WatchDeltasResponse]:
        """A call of WatchDeltas that has not begun."""
        client = self._session.client
        return AsyncCall(lambda _: client.stub.WatchDeltas(request, metadata=client.metadata))

    async def anchor(self) -> Anchor:
        """The session's weights, with state."""
        return await self._session.weights(with_state=True)
