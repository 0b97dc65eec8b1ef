# SPDX-License-Identifier: Apache-2.0
# Generated from aio/watch_dialogue.py by generate_sync.py: change that.
"""What a watch says and hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import grpc

from backpropd.backoff import is_passing
from backpropd.errors import BackpropdError, ServerUnavailableError, ShuttingDownError
from backpropd.replica import DeltaBatch, Replica
from backpropd.sync.call import Call
from backpropd.sync.session_calls import SessionCalls
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.watch_state import STEPS_MISSED, Event, WatchState

_WatchCall: TypeAlias = Call[None, rpc.WatchDeltasResponse]


class WatchDialogue:
    """Follows a session; see Watch for what users see.

    When next() is left by anything that is no error of this package,
    interrupted() must be called before it is called again.
    """

    def __init__(
        self, session: SessionCalls, replicas: Sequence[Replica], after_step: int | None, epoch: int | None
    ) -> None:
        if replicas and (after_step, epoch) != (None, None):
            raise ValueError("With replicas a watch begins at their step.")
        self._session = session
        self._replicas = replicas
        epoch = session.info.epoch if epoch is None else epoch
        self._state = WatchState(session.spec, session.layout, replicas, after_step, epoch)
        self._backoff = session.client.new_backoff()
        self._place: tuple[int, int] | None = None  # epoch and step of the last batch
        # Each is set by one thread and then looked at by another, before which it looks at the other's.
        self._call: _WatchCall | None = None
        self._closed = False
        self._goodbye = False
        self._ended = False

    def next(self) -> DeltaBatch | None:
        """The next steps; None when the session was deleted or the watch closed."""
        while not self._closed and not self._ended:
            try:
                batch = self._receive()
            except BackpropdError as error:
                self.interrupted()
                if self._closed:
                    break
                missed = isinstance(error, STEPS_MISSED)
                if not missed and not is_passing(error):
                    self._ended = True
                    raise
                if missed:
                    self._state.missed()
                self._session.client.wait(self._backoff, error)
                continue
            if batch is not None:
                self._note_progress(batch)
                return batch
        return None

    def _note_progress(self, batch: DeltaBatch) -> None:
        """An anchor of where the watch was already is none: else one that always breaks behind it is tried for ever."""
        place = (batch.epoch, batch.step)
        if batch.step > batch.base_step or place != self._place:
            self._backoff.succeeded()
        self._place = place

    def close(self) -> None:
        """Ends the watch; from any thread."""
        self._closed = True
        self.interrupted()

    def drop(self) -> None:
        """Ends the call, for a destructor, which may run on any thread."""
        if self._call is not None:
            self._call.drop()

    def interrupted(self) -> None:
        """Ends the present call: the next one begins where the watch is."""
        call, self._call = self._call, None
        if call is not None:
            call.hang_up()

    def _receive(self) -> DeltaBatch | None:
        """Takes one response; the steps that it holds."""
        if self._goodbye:
            self._goodbye = False
            raise ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE)
        call = self._call or self._begin_call()
        response = call.receive()
        if response is None:
            raise ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE)
        event = self._state.classify(response)
        batch = self._state.take(response)
        if event is not Event.STEPS:
            self.interrupted()
            self._goodbye = event is Event.GOODBYE
            self._ended = event is Event.DELETED
        return batch

    def _begin_call(self) -> _WatchCall:
        if any(replica.interrupted for replica in self._replicas):
            self._state.missed()
        client = self._session.client
        request = self._state.request(self._session.session_id)
        call: _WatchCall = Call(lambda _: client.stub.WatchDeltas(request, metadata=client.metadata))
        self._call = call
        call.begin()
        if self._closed:
            self.interrupted()
        return call
