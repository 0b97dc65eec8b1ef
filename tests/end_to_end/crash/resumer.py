# SPDX-License-Identifier: Apache-2.0
"""Sessions that the Python client trains through all lives of the server, resuming by itself."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable

from backpropd import Resumed, RetryPolicy, Trained, TrainingClient
from server_under_test.demand import demand
from server_under_test.server import PATIENCE_SECONDS, Server
from server_under_test.sessions import spec_of

from crash.load import LONGEST_MESSAGE
from crash.oracle import Oracle
from crash.twin import anchor_of_twin

_WINDOW = 6
_PAUSE_SECONDS = 0.01
_RETRY = RetryPolicy(longest=0.2, attempts=1 << 30, within=PATIENCE_SECONDS)
_SOON = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]


class Resumer:
    """One session, one stream and one replica, to whose loop nothing is said of the server's ends."""

    def __init__(self, server: Server, kind: str, choice: random.Random) -> None:
        seed = choice.getrandbits(32)
        self._choice = choice
        self._client = TrainingClient(server.address, retry=_RETRY, options=_SOON)
        self._session = self._client.create(spec_of(kind, seed))
        self._replica = self._session.replica()
        made = self._session.info
        self._oracle = Oracle(kind, seed, spec_of(kind, seed), made, server.anchor(made))
        self._stream = self._session.stream(self._replica, window=_WINDOW, on_resume=self._resumed)
        self._sent = self._answered = self._durable = 0
        self.id = self._session.session_id
        self.running = threading.Event()
        self.resumes = 0
        self.lost_steps = 0

    def __str__(self) -> str:
        return f"session {self.id} ({self._oracle.kind}), which its client resumes"

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, and until all is answered."""
        batch = self._session.batch_size
        with self._stream as stream:
            while not stop.wait(self._choice.uniform(0, 2 * _PAUSE_SECONDS)):
                count = self._choice.randint(1, LONGEST_MESSAGE) * batch
                stream.send(*self._oracle.samples.rows(self._sent, count))
                self._sent += count
                self._take(stream.ready())
            self._take(stream.flush())

    def killed(self) -> None:
        """The server is: what was durable until then has to be there in its next life."""
        self._durable = self._stream.durable_offset
        self.running.clear()

    def recovered(self, next_offset: int) -> None:
        """In the next life the session is at this offset, or was."""
        demand(next_offset >= self._durable, f"{self}: at {next_offset}, though {self._durable} were durable")

    def agrees_with(self, server: Server) -> None:
        """At the end, when everything is answered."""
        demand(self._answered == self._sent, f"{self}: {self._answered} of {self._sent} samples were answered")
        anchor = server.anchor(self._session.refresh().info)
        demand(anchor.next_offset == self._sent, f"{self}: {anchor.next_offset} of {self._sent} samples were applied")
        demand(self._replica.verify(anchor) is None, f"{self}: {self._replica.verify(anchor)}")
        self._oracle.offset = self._sent
        twin = anchor_of_twin(server, self._oracle)
        demand(twin.message() == anchor.message(), f"{self}: not as one whose server was never killed")
        self._client.close()

    def _resumed(self, resumed: Resumed) -> None:
        self.resumes += 1
        self.lost_steps += resumed.lost_steps

    def _take(self, answers: Iterable[Trained]) -> None:
        for trained in answers:
            demand(trained.offset == self._answered, f"{self}: {trained.offset} is answered after {self._answered}")
            self._answered += trained.samples
            self.running.set()
