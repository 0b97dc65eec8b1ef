# SPDX-License-Identifier: Apache-2.0
"""What the fake server knows: its sessions, and what is to go wrong next.

Its weight deltas are random numbers in the form that the layout asks, and it
moves its own weights by the naive contract.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import numpy as np
import xxhash
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs
from google.rpc import error_details_pb2, status_pb2
from naive_contract import apply_step, scalars_of, seen_inputs


def status_of(code: grpc.StatusCode, reason: str, message: str, *violations: tuple[str, str]) -> status_pb2.Status:
    """A google.rpc.Status as the protocol has it."""
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="backprop.v1"))
    if violations:
        faults = error_details_pb2.BadRequest()
        for name, description in violations:
            faults.field_violations.add(field=name, description=description)
        status.details.add().Pack(faults)
    return status


def abort(
    context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, message: str = "no", *violations: tuple[str, str]
) -> NoReturn:
    """Ends the call with an error that carries its reason."""
    details = status_of(code, reason, message, *violations).SerializeToString()
    context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.abort(code, message)
    raise AssertionError


@dataclass
class Step:
    """What the journal keeps of one step."""

    row: Any
    scalars: Any
    samples: Any
    inputs: bytes
    error: float


@dataclass
class Held:
    """The answer to one step."""

    begin: int
    """Offset of its first sample."""
    answer: rpc.TrainResponse


@dataclass
class FakeSession:
    """One session."""

    info: rpc.Session
    weights: Any
    state: Any
    rng: np.random.Generator
    journal: list[Step] = field(default_factory=list)
    forgotten: int = 0
    deleted: bool = False
    writer: grpc.ServicerContext | None = None
    half_dead: bool = False
    checkpoints: dict[str, rpc.Checkpoint] = field(default_factory=dict)
    request_ids: dict[str, int] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.epochs = [(self.info.epoch, self.info.step)]
        self._first = rpc.Session()
        self._first.CopyFrom(self.info)
        self._first_numbers = self.weights.copy(), self.state.copy()

    @property
    def has_writer(self) -> bool:
        """Whether a Train stream is open: one that its client has left is not, unless nobody noticed."""
        return self.half_dead or (self.writer is not None and self.writer.is_active())

    @property
    def is_durable(self) -> bool:
        """Whether it is DURABLE."""
        return self.info.spec.durability.mode == pb.DURABILITY_MODE_DURABLE

    def commit(self, behind: int) -> bool:
        """Makes all but the last `behind` steps durable; whether there were any that were not."""
        step = self.info.step - behind
        if not self.is_durable or step <= self.info.durable_step:
            return False
        self.info.durable_step = step
        self.info.durable_offset = self.info.next_offset - behind * self.info.spec.batch_size
        return True

    @property
    def digest(self) -> int:
        """Of the weights."""
        return xxhash.xxh3_64_intdigest(self.weights.tobytes())

    def make_step(self, raw: bytes, rows: Any) -> Step:
        """One step from batch_size input rows."""
        layout, spec = self.info.layout, self.info.spec
        row = self.rng.standard_normal(layout.delta_row_length).astype("f4")
        age = self.info.step + 1
        scalars = np.array(scalars_of(spec.optimiser, age) if layout.scalar_count else [], dtype="f4")
        apply_step(spec, layout, age, self.weights, self.state, row, scalars, seen_inputs(rows, spec))
        step = Step(row, scalars, rows, raw, float(self.rng.random(dtype="f4")))
        self.journal.append(step)
        self.info.step += 1
        self.info.next_offset += len(rows)
        return step

    def go_back(self, step: int) -> None:
        """A new epoch begins at a step that was made before; what comes after it will be other random numbers."""
        layout, spec = self.info.layout, self.info.spec
        del self.journal[step - self._first.step :]
        for mine, first in zip((self.weights, self.state), self._first_numbers, strict=True):
            mine[:] = first
        self.info.step, self.info.next_offset = self._first.step, self._first.next_offset
        for made in self.journal:
            self.info.step += 1
            self.info.next_offset += len(made.samples)
            seen = seen_inputs(made.samples, spec)
            apply_step(spec, layout, self.info.step, self.weights, self.state, made.row, made.scalars, seen)
        self.info.epoch += 1
        self.held.clear()
        if self.is_durable:
            self.info.durable_step, self.info.durable_offset = self.info.step, self.info.next_offset
        self.epochs.append((self.info.epoch, self.info.step))

    def may_go_on(self, epoch: int, step: int) -> bool:
        """Whether a replica at that place may (ReplicaPosition)."""
        epoch = epoch or 1
        return epoch <= self.info.epoch and all(epoch >= later or step <= first for later, first in self.epochs)


@dataclass
class Faults:
    """What goes wrong next; each happens once and is then forgotten.

    Counts are of sample messages taken by any stream from now on.
    """

    lose_answer_of: set[int] = field(default_factory=set)
    """After applying these, the stream breaks instead of answering."""
    unheard: set[int] = field(default_factory=set)
    """These are applied, and their answers do not arrive, though the stream goes on."""
    half_answer_of: set[int] = field(default_factory=set)
    """Of these only the first step is answered, all are applied, then the stream breaks."""
    half_apply: set[int] = field(default_factory=set)
    """Of these two steps are applied, one is answered, then the stream breaks."""
    break_before: set[int] = field(default_factory=set)
    """The stream breaks before these are applied."""
    cancel_before: set[int] = field(default_factory=set)
    """The server, which shuts down, cancels the stream before these are applied."""
    replaced_before: set[int] = field(default_factory=set)
    """Another stream takes the session over before these are applied."""
    goodbye_after: set[int] = field(default_factory=set)
    """Having answered these, the server says goodbye."""
    non_finite_at: set[int] = field(default_factory=set)
    """Of these the second step is refused."""
    refuse_opening: int = 0
    """So many openings fail as unreachable."""
    silent_openings: int = 0
    """So many openings are not answered until their client has left."""
    writer_stays: int = 0
    """So many openings after the first, steps by hand and deletions find the old writer still there."""
    fail_unary: int = 0
    """So many unary calls fail as unreachable."""
    lose_checkpoint: int = 0
    """So many answers of CreateCheckpoint are lost, and the session goes on meanwhile."""
    refuse_anchors: int = 0
    """So many calls of GetWeights are refused, and with what is not tried again."""
    crash_after: dict[int, int] = field(default_factory=dict)
    """Having answered these, the server is killed: the session comes back so many steps earlier."""
    crash_within: dict[int, int] = field(default_factory=dict)
    """As crash_after, having answered the first step of these only."""
    half_dead: bool = False
    """The next stream that breaks is the session's writer until another one takes its place."""
    lose_digest: bool = False
    """Digests are wrong."""
    messages: int = 0
    """Messages taken so far."""


class FakeState(stubs.TrainingServiceServicer):
    """What all its calls share, and note of what they were asked.

    Attributes:
        durable_behind: of DURABLE sessions, an answer says that so many of the last steps are not durable.
        hurries: whether a message that asks for it has everything committed.
        held_steps: so many steps' answers a session holds at most.
        received: what each message said of what was received.
        tells: whether the rest is durable, and told so, as soon as a stream is idle for a moment.
        watch_end: what WatchDeltas does, once each, when it has nothing more: "resync", "goodbye", "break".

    """

    def __init__(self) -> None:
        self.sessions: dict[str, FakeSession] = {}
        self.request_ids: dict[str, str] = {}
        self.faults = Faults()
        self.openings = 0
        self.opened_with: list[rpc.TrainRequest] = []
        self.durable_behind = 3
        self.held_steps = 1000
        self.received: list[int] = []
        self.tells = True
        self.hurries = True
        self.watch_requests: list[rpc.WatchDeltasRequest] = []
        self.watch_end: list[str] = []
        self.anchors = 0
        self.updates: list[rpc.UpdateSessionRequest] = []
        self.creations: list[rpc.CreateSessionRequest] = []
        self.lock = threading.RLock()

    def session(self, session_id: str, context: grpc.ServicerContext) -> FakeSession:
        """The session, or an abort."""
        if session_id not in self.sessions:
            abort(context, grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", f"no session {session_id}")
        return self.sessions[session_id]

    def unary(self, context: grpc.ServicerContext) -> None:
        """What every unary call begins with."""
        if self.faults.fail_unary:
            self.faults.fail_unary -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "unreachable")

    def in_the_way(self, session: FakeSession) -> bool:
        """Whether a writer is, be it that one stays."""
        return self.stays() or session.has_writer

    def stays(self) -> bool:
        """Whether a writer stays, whatever is asked of it."""
        self.faults.writer_stays = max(0, self.faults.writer_stays - (stays := self.faults.writer_stays > 0))
        return stays
