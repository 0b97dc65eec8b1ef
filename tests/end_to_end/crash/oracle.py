# SPDX-License-Identifier: Apache-2.0
"""What a session must be after a crash, from what was sent and what was answered, and from nothing else.

Deltas that were answered are applied by the Python client's replica, which has
the delta contract in NumPy; they are so after the crash, when nobody waits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
import xxhash
from backpropd.replica import Anchor, DeltaBatch, Replica
from backpropd.replica.anchor import digest_of
from backpropd.replica.arrays import Float32
from backpropd.replica.deltas import batch_from_train
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from server_under_test.demand import demand
from server_under_test.sessions import Samples


@dataclass
class Update:
    """A learning rate that was asked for."""

    offset: int
    rate: float
    acknowledged: bool = False


@dataclass(frozen=True)
class HandStep:
    """The answer to TrainStep, of which a replica can't be brought forward."""

    step: int
    offset: int
    digest: int


@dataclass(frozen=True)
class Numbers:
    """Digests of a session's weights and state; None: not known."""

    weights: int
    state: int | None

    @classmethod
    def of(cls, weights: Float32, state: Float32, layout: pb.Layout) -> Numbers:
        """Of DENSE layers a replica keeps no state."""
        dense = any(layer.delta_form == pb.DELTA_FORM_DENSE for layer in layout.layers)
        return cls(digest_of(weights), None if dense else xxhash.xxh3_64_intdigest(np.ascontiguousarray(state).data))

    def agree(self, other: Numbers) -> bool:
        """Whether what is known of both is the same."""
        return self.weights == other.weights and (None in (self.state, other.state) or self.state == other.state)


@dataclass(frozen=True)
class Kept:
    """A moment of a session that it can be taken back to."""

    step: int
    offset: int
    numbers: Numbers


def first_steps(batch: DeltaBatch, count: int, batch_size: int) -> DeltaBatch:
    """The first steps of a batch."""
    left = batch.step - batch.base_step - count
    return replace(
        batch,
        step=batch.base_step + count,
        next_offset=batch.next_offset - left * batch_size,
        rows=batch.rows[:count],
        scalars=batch.scalars if len(batch.scalars) == 1 else batch.scalars[:count],
        inputs=None if batch.inputs is None else batch.inputs[: count * batch_size],
    )


def may_go_on(epochs: list[tuple[int, int]], epoch: int, step: int) -> bool:
    """Whether a replica at a step of an epoch may, by the protocol's rule."""
    return all(later <= epoch or step <= first for later, first in epochs)


class Oracle:
    """One session.

    Threads: one trains it; what it notes is read when that one has ended.
    """

    def __init__(self, kind: str, seed: int, asked: pb.SessionSpec, made: rpc.Session, anchor: Anchor) -> None:
        self.kind = kind
        self.asked = asked
        self.id = made.session_id
        self.spec = made.spec
        self.layout = made.layout
        self.batch = made.spec.batch_size
        self.samples = Samples.of(asked, seed)
        self.epochs: list[tuple[int, int]] = [(made.epoch, made.step)]  # each with its first step
        self.hand_steps: set[int] = set()  # their offsets
        self.updates: list[Update] = []
        self.steps_answered = 0  # since the server was started
        self.all_steps = 0
        self.beyond = 0  # recoveries beyond the last answer
        self.starts = 0  # of the server since the session was last seen
        self.rewinding: Kept | None = None
        self.running = threading.Event()
        self._answers: list[rpc.TrainResponse | Anchor | HandStep] = []
        self._replica = Replica(made.spec, made.layout, anchor)
        self._begin_at(made, anchor)

    def __str__(self) -> str:
        return f"session {self.id} ({self.kind})"

    @property
    def epoch(self) -> int:
        """The present one."""
        return self.epochs[-1][0]

    def _begin_at(self, session: rpc.Session, anchor: Anchor) -> None:
        """A life."""
        self._stand_at(session, anchor)
        self.starts = 0
        self.steps_answered = 0
        self.running.clear()

    def _stand_at(self, session: rpc.Session, anchor: Anchor) -> None:
        self.step, self.offset = session.step, session.next_offset
        self.sent = session.next_offset
        self.durable_step, self.durable_offset = session.durable_step, session.durable_offset
        self._replica.reset(anchor)
        self._seen = {anchor.step: Numbers.of(anchor.weights, anchor.state, self.layout)}
        self._answers.clear()

    # What is sent and answered, while the server runs.

    def message(self, steps: int) -> rpc.TrainRequest:
        """The next message of a stream."""
        x, y = self.samples.rows(self.sent, steps * self.batch)
        request = rpc.TrainRequest(offset=self.sent, inputs=x.tobytes(), targets=y.tobytes())
        self.sent += steps * self.batch
        return request

    def hand_step(self) -> rpc.TrainStepRequest:
        """The next step, typed by hand."""
        request = self.hand_step_at(self.sent, self.id)
        self.hand_steps.add(self.sent)
        self.sent += self.batch
        return request

    def hand_step_at(self, offset: int, session_id: str) -> rpc.TrainStepRequest:
        """The step by hand of some offset, for this session or its twin."""
        return self.samples.step_by_hand(self.spec, session_id, offset)

    def answered(self, response: rpc.TrainResponse) -> None:
        """A response of the stream."""
        demand(not response.HasField("rejection"), f"{self}: refused: {response.rejection}")
        demand(response.epoch == self.epoch, f"{self}: an answer of epoch {response.epoch}, not {self.epoch}")
        demand(response.base_step == self.step, f"{self}: an answer from step {response.base_step}, not {self.step}")
        demand(response.durable_step <= response.step, f"{self}: durable beyond its step: {response.durable_step}")
        self._note(response.step, response.next_offset)
        self.durable_step = max(self.durable_step, response.durable_step)
        self.durable_offset = max(self.durable_offset, response.durable_offset)
        self._answers.append(response)

    def answered_by_hand(self, response: rpc.TrainStepResponse) -> None:
        """TrainStep's answer."""
        demand(response.epoch == self.epoch, f"{self}: a step of epoch {response.epoch}, not {self.epoch}")
        demand(response.step == self.step + 1, f"{self}: step {response.step} by hand after {self.step}")
        self._note(response.step, self.offset + self.batch)
        self._answers.append(HandStep(response.step, self.offset, response.digest))

    def updated(self, update: Update, response: rpc.UpdateSessionResponse) -> None:
        """UpdateSession's answer: it comes when all until then is durable."""
        update.acknowledged = True
        self.durable_step = max(self.durable_step, response.first_step - 1)
        self.durable_offset = max(self.durable_offset, update.offset)

    def anchored(self, anchor: Anchor) -> None:
        """The weights after steps by hand."""
        self._answers.append(anchor)

    def moment_of(self, anchor: Anchor) -> Kept:
        """What a checkpoint that is made now is to bring back."""
        return Kept(self.step, self.offset, Numbers.of(anchor.weights, anchor.state, self.layout))

    def all_is_durable(self) -> None:
        """As a checkpoint is that was just made."""
        self.durable_step, self.durable_offset = self.step, self.offset

    def rewound(self, session: rpc.Session, anchor: Anchor) -> None:
        """RewindSession's answer, and the weights after it."""
        kept, self.rewinding = self.rewinding, None
        assert kept is not None
        self.settle()
        demand(session.epoch == self.epoch + 1, f"{self}: taken back to epoch {session.epoch} after {self.epoch}")
        self._check_is(kept, session, anchor)
        self.epochs.append((session.epoch, session.step))
        self._stand_at(session, anchor)

    def _check_is(self, kept: Kept, session: rpc.Session, anchor: Anchor) -> None:
        place = (session.step, session.next_offset)
        demand(place == (kept.step, kept.offset), f"{self}: taken back to {place}, not to {kept}")
        demand((anchor.step, anchor.next_offset) == place, f"{self}: an anchor elsewhere")
        found = Numbers.of(anchor.weights, anchor.state, self.layout)
        demand(found.agree(kept.numbers), f"{self}: taken back to other numbers than had been kept")

    def _note(self, step: int, offset: int) -> None:
        self.steps_answered += (offset - self.offset) // self.batch
        self.all_steps += step - self.step
        self.step, self.offset = step, offset
        if self.steps_answered:
            self.running.set()

    # After the crash.

    def settle(self) -> None:
        """Brings the replica to the last answer, with the numbers of each step that may be asked for."""
        for answer in self._answers:
            if isinstance(answer, Anchor):
                told = self._seen.get(answer.step)
                demand(told is None or told.weights == answer.digest, f"{self}: an anchor that TrainStep did not make")
                self._replica.reset(answer)
                self._see()
            elif isinstance(answer, HandStep):
                self._seen[answer.step] = Numbers(answer.digest, None)
            else:
                self._apply(answer)
        self._answers.clear()

    def _apply(self, response: rpc.TrainResponse) -> None:
        steps = response.step - response.base_step
        if response.HasField("standardisation"):
            self._replica.standardise(response.standardisation)
        inputs, _ = self.samples.rows(response.next_offset - steps * self.batch, steps * self.batch)
        batch = batch_from_train(response, self.layout, inputs)
        unneeded = min(steps, max(0, self.durable_step - response.base_step))
        self._replica.apply(first_steps(batch, unneeded, self.batch))
        if self._replica.step == self.durable_step:
            self._see()
        for step in range(self._replica.step, response.step):
            self._replica.apply(first_steps(batch.after(step), 1, self.batch))
            self._see()

    def _see(self) -> None:
        self._seen[self._replica.step] = Numbers.of(self._replica.weights, self._replica.state, self.layout)

    def recovered(self, session: rpc.Session, anchor: Anchor) -> None:
        """Compares what the server has after the crash, and goes on from there."""
        most = self.starts + (self.rewinding is not None)
        demand(
            self.epoch < session.epoch <= self.epoch + most,
            f"{self}: epoch {session.epoch} after {self.epoch} and {self.starts} starts",
        )
        kept, self.rewinding = self.rewinding, None
        if kept is not None and (session.step, session.next_offset) == (kept.step, kept.offset):
            self._check_is(kept, session, anchor)
        else:
            self._check_went_on(session, anchor)
        self._check_updates(session)
        self.hand_steps = {offset for offset in self.hand_steps if offset < session.next_offset}
        self.epochs.append((session.epoch, session.step))
        self._begin_at(session, anchor)

    def _check_went_on(self, session: rpc.Session, anchor: Anchor) -> None:
        self._check_place(session)
        demand((anchor.step, anchor.next_offset) == (session.step, session.next_offset), f"{self}: an anchor elsewhere")
        if session.step > self.step:
            self.beyond += 1
        else:
            found = Numbers.of(anchor.weights, anchor.state, self.layout)
            demand(session.step in self._seen, f"{self}: nobody was told of step {session.step}")
            demand(found.agree(self._seen[session.step]), f"{self}: other numbers at step {session.step}")

    def _check_place(self, session: rpc.Session) -> None:
        place = f"{self}: at step {session.step}, offset {session.next_offset}"
        told = f"step {self.durable_step}, offset {self.durable_offset} had been told durable"
        demand(session.step >= self.durable_step and session.next_offset >= self.durable_offset, f"{place}; {told}")
        demand(session.next_offset <= self.sent, f"{place}; only {self.sent} samples were sent")
        demand(
            (session.durable_step, session.durable_offset) == (session.step, session.next_offset),
            f"{place}, but durable at {session.durable_step}, {session.durable_offset}",
        )
        learnt = self.asked.input.standardisation.learn_samples
        if session.step:
            fits = session.next_offset == learnt + session.step * self.batch
        else:
            fits = session.next_offset <= learnt
        demand(fits, f"{place}: step and offset are not of one moment")

    def _check_updates(self, session: rpc.Session) -> None:
        rate = session.spec.optimiser.learning_rate
        if self.updates and not self.updates[-1].acknowledged and self.updates[-1].rate != rate:
            self.updates.pop()
        if self.updates:
            self.updates[-1].acknowledged = True
        due = self.updates[-1].rate if self.updates else self.spec.optimiser.learning_rate
        demand(rate == due, f"{self}: learning rate {rate}, not {due}")
        demand(
            not self.updates or self.updates[-1].offset <= session.next_offset,
            f"{self}: at offset {session.next_offset} with an update made later",
        )

    def agrees_with(self, anchor: Anchor) -> None:
        """At the end, when everything is answered."""
        demand(anchor.step == self._replica.step, f"{self}: at step {anchor.step}, not {self._replica.step}")
        demand(self._replica.verify(anchor) is None, f"{self}: {self._replica.verify(anchor)}")
