# SPDX-License-Identifier: Apache-2.0
"""What the two kinds of clients give to what they share: a session, and calls on it.

The dialogues (train_dialogue, watch_dialogue) are written once, as coroutines
that wait for nothing but a peer. The asyncio client's peer suspends; the plain
client's blocks instead.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from backpropd.backoff import Backoff
from backpropd.errors import BackpropdError
from backpropd.left_calls import LeftCalls
from backpropd.replica import Anchor
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

_Request_contra = TypeVar("_Request_contra", contravariant=True)
_Response_co = TypeVar("_Response_co", covariant=True)


class StreamCall(Protocol[_Request_contra, _Response_co]):
    """One gRPC call whose responses stream: a Call or an AsyncCall."""

    def begin(self) -> None:
        """Makes the call."""

    def send(self, request: _Request_contra) -> None:
        """Sends a request, without waiting."""

    def half_close(self) -> None:
        """Says that no request follows."""

    async def receive(self) -> _Response_co | None:
        """The next response; None at the end of a call that went well.

        Raises:
            BackpropdError: how the call ended.

        """

    def hang_up(self) -> None:
        """Cancels the call; does not wait."""

    async def over(self) -> None:
        """Waits until gRPC has taken note that the call was hung up."""


class Peer(Protocol):
    """A session, as one kind of client reaches it."""

    session_id: str
    spec: pb.SessionSpec
    layout: pb.Layout
    left_calls: LeftCalls

    def train_call(self) -> StreamCall[rpc.TrainRequest, rpc.TrainResponse]:
        """A call of Train that has not begun."""

    def watch_call(self, request: rpc.WatchDeltasRequest) -> StreamCall[None, rpc.WatchDeltasResponse]:
        """A call of WatchDeltas that has not begun."""

    def now(self) -> float:
        """Seconds, of the client's clock."""

    def new_backoff(self) -> Backoff:
        """A count of attempts."""

    async def wait(self, backoff: Backoff, error: BackpropdError, *, explained: bool = False) -> None:
        """Waits before the next attempt, or raises `error` when enough was tried.

        `explained`: LeftCalls explain the error, which passes and is no failed attempt.
        """

    async def anchor(self) -> Anchor:
        """The session's weights, with state."""
