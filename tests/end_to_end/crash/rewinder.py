# SPDX-License-Identifier: Apache-2.0
"""A session that is taken back to its checkpoints, or to a step that had one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from backpropd.v1 import training_service_pb2 as rpc
from server_under_test.demand import demand
from server_under_test.server import Server

from crash.load import Stream
from crash.oracle import Kept, Oracle, may_go_on

_MOST = 4
"""Checkpoints that are left at a time."""


class Rewinder:
    """Trains it, keeps its moments under names, goes back to them and forgets them."""

    def __init__(self, oracle: Oracle, choice: random.Random) -> None:
        self.oracle = oracle
        self.rewinds = 0
        self._choice = choice
        self._kept: dict[str, Kept] = {}
        self._epochs: dict[str, int] = {}  # in which these were
        self._making: tuple[str, Kept] | None = None
        self._forgetting: str | None = None
        self._made = 0

    def run(self, server: Server, stop: threading.Event) -> None:
        """Until `stop`."""
        acts: list[Callable[[Server], None]] = [self._keep, self._rewind, self._forget]
        while not stop.is_set():
            Stream(server, self.oracle, self._choice, self._choice.randint(1, 8)).run(stop)
            if not stop.is_set():
                self._choice.choice(acts if len(self._kept) > 1 else acts[:1])(server)

    def _keep(self, server: Server) -> None:
        oracle = self.oracle
        if len(self._kept) >= _MOST:
            self._forget(server)
        anchor = server.anchor_of(oracle.id, oracle.layout.state_count)
        oracle.anchored(anchor)
        name = f"moment-{self._made}"
        self._made += 1
        self._making = name, oracle.moment_of(anchor)
        self._epochs[name] = oracle.epoch
        made = server.stub.CreateCheckpoint(rpc.CreateCheckpointRequest(session_id=oracle.id, name=name)).checkpoint
        self._check(made, self._making[1])
        oracle.all_is_durable()
        self._kept[name], self._making = self._making[1], None

    def _rewind(self, server: Server) -> None:
        oracle, name = self.oracle, self._choice.choice(list(self._kept))
        kept = oracle.rewinding = self._kept[name]
        request = rpc.RewindSessionRequest(session_id=oracle.id)
        if self._leads(server, kept, self._epochs[name]):
            request.step = kept.step
        else:
            request.checkpoint = name
        session = server.stub.RewindSession(request).session
        oracle.rewound(session, server.anchor(session))
        self.rewinds += 1

    def _leads(self, server: Server, kept: Kept, epoch: int) -> bool:
        """Whether the session's history leads to that moment of an epoch."""
        session = server.stub.GetSession(rpc.GetSessionRequest(session_id=self.oracle.id)).session
        return (
            session.HasField("history_first_step")
            and session.history_first_step <= kept.step
            and may_go_on(self.oracle.epochs, epoch, kept.step)
        )

    def _forget(self, server: Server) -> None:
        name = self._forgetting = self._choice.choice(list(self._kept))
        server.stub.DeleteCheckpoint(rpc.DeleteCheckpointRequest(session_id=self.oracle.id, name=name))
        del self._kept[name]
        self._forgetting = None

    def recovered(self, server: Server) -> None:
        """The checkpoints are those that were made and not forgotten."""
        listed = server.stub.ListCheckpoints(rpc.ListCheckpointsRequest(session_id=self.oracle.id)).checkpoints
        found = {each.name: each for each in listed}
        if self._making is not None and self._making[0] in found:
            self._kept[self._making[0]] = self._making[1]
        if self._forgetting is not None and self._forgetting not in found:
            del self._kept[self._forgetting]
        self._making = self._forgetting = None
        demand(found.keys() == self._kept.keys(), f"{self.oracle} has checkpoints {[*found]}, not {[*self._kept]}")
        for name, kept in self._kept.items():
            self._check(found[name], kept)

    def _check(self, found: rpc.Checkpoint, kept: Kept) -> None:
        demand(
            (found.step, found.next_offset, found.digest) == (kept.step, kept.offset, kept.numbers.weights),
            f"{self.oracle}: checkpoint {found.name} is of another moment: {found}",
        )
