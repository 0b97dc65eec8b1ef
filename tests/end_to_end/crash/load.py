# SPDX-License-Identifier: Apache-2.0
"""What clients do while the server is killed: threads that end when it is gone."""

from __future__ import annotations

import random
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator

import grpc
import numpy as np
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from google.protobuf import field_mask_pb2
from server_under_test.server import Server
from server_under_test.sessions import KINDS, LARGE, spec_of

from crash.oracle import Oracle, Update

AHEAD = 6
"""Messages of a stream that may be unanswered."""
LONGEST_MESSAGE = 6  # steps
CHURNED = 6
"""Sessions of Churn's that are left at a time."""
PAUSE_SECONDS = {"large": 0.05, "wide": 0.1}
"""Between messages of a kind whose steps a replica takes long to apply."""


class Workers:
    """Threads whose failures are kept, but for those that the server's end explains."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._threads: list[threading.Thread] = []
        self.failures: list[str] = []

    def start(self, work: Callable[[], None]) -> None:
        """Runs it in a thread."""
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except grpc.RpcError as error:
            if not self._server.ends():
                self.failures.append(f"{error}\n{traceback.format_exc()}")
        except Exception:
            self.failures.append(traceback.format_exc())

    def join(self) -> None:
        """Waits for all of them."""
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.failures.append("A client hangs.")
        if self.failures:
            raise AssertionError("\n".join(self.failures))


class Stream:
    """A Train stream of some messages, a few of them sent ahead."""

    def __init__(self, server: Server, oracle: Oracle, choice: random.Random, messages: int) -> None:
        self._server = server
        self._oracle = oracle
        self._choice = choice
        self._messages = messages
        self._room = threading.Semaphore(AHEAD)
        self._pause = PAUSE_SECONDS.get(oracle.kind, 0.01)
        self._longest = 1 if oracle.kind in PAUSE_SECONDS else LONGEST_MESSAGE

    def run(self, stop: threading.Event) -> None:
        """Until the messages are answered, or those sent before `stop` was set."""
        oracle = self._oracle
        for response in self._server.stub.Train(self._requests(stop)):
            if response.message_number == 0:
                assert not response.resync, f"{oracle}: told to begin anew at {oracle.epoch}, {oracle.step}"
            oracle.answered(response)
            if response.message_done and response.message_number:
                for _ in range(response.first_message_number or response.message_number, response.message_number + 1):
                    self._room.release()

    def _requests(self, stop: threading.Event) -> Iterator[rpc.TrainRequest]:
        oracle = self._oracle
        yield rpc.TrainRequest(
            session_id=oracle.id,
            options=rpc.TrainOptions(coalesce=self._choice.random() < 0.5),
            replica=rpc.ReplicaPosition(epoch=oracle.epoch, step=oracle.step),
        )
        for _ in range(self._messages):
            while not self._room.acquire(timeout=0.1):
                if self._server.is_over.is_set():
                    return
            if stop.wait(self._choice.uniform(0, 2 * self._pause)):
                return
            yield oracle.message(self._choice.randint(1, self._longest))


class Trainer:
    """Trains a session for as long as the server lives; some also by hand, and with rates that change."""

    def __init__(self, server: Server, oracle: Oracle, choice: random.Random, *, by_hand: bool) -> None:
        self._server = server
        self._oracle = oracle
        self._choice = choice
        self._by_hand = by_hand

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            messages = self._choice.randint(5, 40) if self._by_hand else 1 << 30
            Stream(self._server, self._oracle, self._choice, messages).run(stop)
            if self._by_hand:
                self._act()

    def _act(self) -> None:
        oracle, stub = self._oracle, self._server.stub
        if self._choice.random() < 0.7:
            rate = float(np.float32(oracle.spec.optimiser.learning_rate * self._choice.uniform(0.5, 1)))
            update = Update(oracle.offset, rate)
            oracle.updates.append(update)
            spec = pb.SessionSpec(optimiser=pb.Optimiser(learning_rate=rate))
            mask = field_mask_pb2.FieldMask(paths=["optimiser.learning_rate"])
            request = rpc.UpdateSessionRequest(session_id=oracle.id, spec=spec, update_mask=mask)
            oracle.updated(update, stub.UpdateSession(request))
        if oracle.step == 0:
            return  # it may still learn its standardisation, and takes no steps by hand
        for _ in range(self._choice.randint(1, 3)):
            oracle.answered_by_hand(stub.TrainStep(oracle.hand_step()))
        oracle.anchored(self._server.anchor_of(oracle.id, oracle.layout.state_count))


class Churn:
    """Makes sessions, trains them for a moment and deletes them."""

    def __init__(self, choice: random.Random) -> None:
        self._choice = choice
        self._kinds = [kind for kind in KINDS if kind not in LARGE]
        self.sessions: list[Oracle] = []
        self.creating: tuple[str, int, rpc.CreateSessionRequest] | None = None
        self.deleting: Oracle | None = None
        self.created = 0
        self.deleted = 0

    def run(self, server: Server, stop: threading.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            kind, seed = self._choice.choice(self._kinds), self._choice.getrandbits(32)
            identity = str(uuid.UUID(int=self._choice.getrandbits(128)))
            request = rpc.CreateSessionRequest(spec=spec_of(kind, seed), request_id=identity)
            self.creating = (kind, seed, request)
            oracle = self.create(server)
            if self._choice.random() < 0.3:
                again = server.stub.CreateSession(request).session
                assert again.session_id == oracle.id, f"{oracle}: its request_id made {again.session_id} too"
            Stream(server, oracle, self._choice, self._choice.randint(1, 10)).run(stop)
            if len(self.sessions) > CHURNED:
                self._delete(server, self._choice.choice(self.sessions))

    def create(self, server: Server) -> Oracle:
        """The session of `creating`, which may have been made already."""
        assert self.creating is not None
        kind, seed, request = self.creating
        session = server.stub.CreateSession(request).session
        assert session.step == 0, f"{session.session_id} was trained before it was answered"
        oracle = Oracle(kind, seed, request.spec, session, server.anchor(session))
        self.sessions.append(oracle)
        self.creating = None
        self.created += 1
        return oracle

    def _delete(self, server: Server, oracle: Oracle) -> None:
        self.deleting = oracle
        self.sessions.remove(oracle)
        server.stub.DeleteSession(rpc.DeleteSessionRequest(session_id=oracle.id))
        self.deleting = None
        self.deleted += 1
