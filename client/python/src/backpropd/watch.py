# SPDX-License-Identifier: Apache-2.0
"""Following a session live: WatchDeltas, with anchors where deltas are missing."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc

from backpropd.backoff import is_passing
from backpropd.deltas import DeltaBatch
from backpropd.errors import (
    BackpropdError,
    ServerUnavailableError,
    ShuttingDownError,
    error_from_call,
)
from backpropd.replica import Replica
from backpropd.watch_state import STEPS_MISSED, Event, WatchState

if TYPE_CHECKING:
    from backpropd.session import Session


class Watch:
    """An iterator over the steps of a session, as they are made; it feeds replicas before it gives them out.

    Steps come in order and without gaps. Where the server does not hold them
    any more, or the watch is ahead of a session that went back, the replicas
    are reset from an anchor and the next batch is marked `resynced`. A broken
    connection or a server that shuts down is waited for, with backoff. The
    iteration ends when the session is deleted or the watch is closed.

    Made by Session.watch(); a context manager. Threads: one iterates; any may
    close().

    Args:
        session: what is followed.
        replicas: are fed. With some, the watch begins at their step.
        after_step: without replicas: where to begin. None: at the present step.

    """

    def __init__(self, session: Session, *replicas: Replica, after_step: int | None = None) -> None:
        if replicas and after_step is not None:
            raise ValueError("With replicas a watch begins at their step.")
        self._session = session
        self._state = WatchState(session.spec, session.layout, replicas, after_step)
        self._backoff = session.client.new_backoff()
        self._lock = threading.Lock()
        self._call: Any = None  # guarded by _lock
        self._closed = False  # guarded by _lock
        self._batches = self._follow()

    def close(self) -> None:
        """Ends the iteration."""
        with self._lock:
            self._closed = True
            call = self._call
        if call is not None:
            call.cancel()

    def __iter__(self) -> Iterator[DeltaBatch]:
        return self

    def __next__(self) -> DeltaBatch:
        return next(self._batches)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self) -> Iterator[DeltaBatch]:
        while self._begin_call():
            try:
                event = yield from self._read_call()
            except BackpropdError as error:
                if self._closed:
                    return
                missed = isinstance(error, STEPS_MISSED)
                if not missed and not is_passing(error):
                    raise
                self._session.client.wait(self._backoff, error)
                if missed:
                    self._state.missed()
                continue
            if event is Event.DELETED:
                return

    def _begin_call(self) -> bool:
        """Opens a call from where the watch is; False when it is closed."""
        if self._state.needs_anchor:
            self._state.anchored(self._session.weights(with_state=True))
        with self._lock:
            if not self._closed:
                request = self._state.request(self._session.session_id)
                self._call = self._session.client.stub.WatchDeltas(request, metadata=self._session.client.metadata)
        return not self._closed

    def _read_call(self) -> Generator[DeltaBatch, None, Event]:
        """Gives out the batches of one call; returns why it ended."""
        try:
            for response in self._call:
                event = self._state.classify(response)
                batch = self._state.take(response)
                if batch is not None:
                    self._backoff.succeeded()
                    yield batch
                if event is Event.GOODBYE:
                    raise ShuttingDownError("The server said goodbye.", code=grpc.StatusCode.UNAVAILABLE)
                if event is not Event.STEPS:
                    return event
        except grpc.RpcError as error:
            raise error_from_call(error) from None
        finally:
            self._call.cancel()
        raise ServerUnavailableError("The server ended the stream.", code=grpc.StatusCode.UNAVAILABLE)
