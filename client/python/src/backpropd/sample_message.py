# SPDX-License-Identifier: Apache-2.0
"""One message of samples, and the answers to it from however many streams it took."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backpropd.replica.arrays import AnyArray, Float32, floats_from, floats_to
from backpropd.samples import Samples
from backpropd.trained import Trained
from backpropd.v1 import training_service_pb2 as rpc

MESSAGE_BYTES = 1024
"""What a message takes beside its numbers, about: so many small ones are bounded too."""


@dataclass(frozen=True)
class AnswerShape:
    """How long the rows of a stream's answers are."""

    batch: int
    """Samples a step."""
    outputs: int
    """Numbers of a sample's outputs."""
    row: int
    """Numbers of a step's deltas."""

    def first_steps(self, answer: rpc.TrainResponse, count: int) -> None:
        """Takes all but its first steps from an answer."""
        answer.step = answer.base_step + count
        del answer.errors[count:]
        del answer.gradient_norms[count:]
        answer.deltas = answer.deltas[: 4 * self.row * count]
        answer.outputs = answer.outputs[: 4 * self.outputs * self.batch * count]
        kept = [item for item in answer.digests if item.step <= answer.step]
        del answer.digests[:]
        answer.digests.extend(kept)

    def leave_out(self, answer: rpc.TrainResponse, offset: int) -> None:
        """Takes the steps on samples before an offset from an answer."""
        steps = answer.step - answer.base_step
        count = steps - max(0, answer.next_offset - offset) // self.batch
        if count <= 0:
            return
        answer.base_step += count
        del answer.errors[:count]
        del answer.gradient_norms[:count]
        answer.deltas = answer.deltas[4 * self.row * count :]
        answer.outputs = answer.outputs[4 * self.outputs * self.batch * count :]


@dataclass
class _Part:
    """A response, and the samples that it answers: from offset `begin` to its next_offset."""

    begin: int
    answer: rpc.TrainResponse


@dataclass
class SampleMessage:
    """Samples begin … end − 1 of a session, as they were sent.

    What is `told` has given the user its answer; it is kept because it is not
    durable, and what answers it again is not told again.
    """

    begin: int
    """Offset of its first sample."""
    raw: bytes
    """The inputs: a copy of what the user gave, as `targets`, `classes` and `weights` are ..."""
    inputs: AnyArray
    """... and a view of them, (count, input_size)."""
    targets: bytes
    classes: list[int]
    weights: list[float]
    want_digest: bool
    when_durable: bool
    told: bool = False
    at: int = 0
    """In the session's present epoch it is answered up to this offset."""
    _parts: list[_Part] = field(default_factory=list)

    @classmethod
    def of(cls, samples: Samples, offset: int, *, want_digest: bool, when_durable: bool) -> SampleMessage:
        """The samples, n ≥ 1 of them, from `offset` on."""
        raw = samples.inputs.tobytes()
        return cls(
            begin=offset,
            raw=raw,
            inputs=np.frombuffer(raw, dtype=samples.inputs.dtype).reshape(samples.inputs.shape),
            targets=b"" if samples.targets is None else floats_to(samples.targets),
            classes=[] if samples.classes is None else samples.classes.tolist(),
            weights=[] if samples.weights is None else samples.weights.tolist(),
            want_digest=want_digest,
            when_durable=when_durable,
            at=offset,
        )

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return len(self.inputs)

    @property
    def end(self) -> int:
        """Offset after its last sample."""
        return self.begin + self.count

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return MESSAGE_BYTES + len(self.raw) + len(self.targets) + 8 * (len(self.classes) + len(self.weights))

    def request(self, received_offset: int) -> rpc.TrainRequest:
        """What is sent; made when it is, so that the samples are kept once.

        Args:
            received_offset: before which no message is sent again for its answer.

        """
        return rpc.TrainRequest(
            offset=self.begin,
            inputs=self.raw,
            targets=self.targets,
            classes=self.classes,
            sample_weights=self.weights,
            want_digest=self.want_digest,
            when_durable=self.when_durable,
            received_offset=received_offset,
        )

    def rows(self, begin: int, end: int) -> AnyArray:
        """Input rows of the samples at these offsets, (end − begin, input_size)."""
        return self.inputs[begin - self.begin : end - self.begin]

    def on_new_epoch(self, offset: int, shape: AnswerShape) -> None:
        """An epoch begins at the session's `offset`: what was answered beyond that will be answered anew."""
        self.at = self._within(offset)
        while self._parts and self._parts[-1].begin >= offset:
            self._parts.pop()
        if self._parts and self._parts[-1].answer.next_offset > offset:
            last = self._parts[-1]
            if last.answer.step > last.answer.base_step:
                shape.first_steps(last.answer, (offset - last.begin) // shape.batch)
            last.answer.next_offset = offset

    def take(self, answer: rpc.TrainResponse, shape: AnswerShape) -> int:
        """Notes a response of the present stream to it; the number of samples that it answers.

        Of one that is held the beginning may have come on an earlier stream.
        """
        begin = max(self.at, self.begin + answer.skipped_samples)
        self.at = max(begin, self._within(answer.next_offset))
        if not self.told and self.at > begin:
            shape.leave_out(answer, begin)
            self._parts.append(_Part(begin, answer))
        return self.at - begin

    def shorten(self) -> None:
        """Leaves out what was not applied, because the rest was refused."""
        count = self.at - self.begin
        self.targets = self.targets[: len(self.targets) // self.count * count]
        self.raw = self.inputs[:count].tobytes()
        self.inputs = np.frombuffer(self.raw, dtype=self.inputs.dtype).reshape(count, -1)
        del self.classes[count:]
        del self.weights[count:]

    def tell(self, last: rpc.TrainResponse, shape: AnswerShape) -> Trained:
        """The whole answer, of which `last` is the last response, or the opening that shows it to be applied."""
        answers = [part.answer for part in self._parts] or [rpc.TrainResponse(base_step=last.step, step=last.step)]
        answered = sum(max(0, self._within(part.answer.next_offset) - part.begin) for part in self._parts)
        self._parts = []
        self.told = True

        def joined(pieces: list[Float32]) -> Float32:
            return np.concatenate([np.zeros(0, dtype=np.float32), *pieces])

        return Trained(
            offset=self.begin,
            samples=self.count,
            base_step=answers[0].base_step,
            step=answers[-1].step,
            errors=joined([np.array(each.errors, dtype=np.float32) for each in answers]),
            skipped_samples=self._within(last.next_offset) - self.begin - answered,
            outputs=joined([floats_from(each.outputs) for each in answers]).reshape(-1, shape.outputs),
            gradient_norms=joined([np.array(each.gradient_norms, dtype=np.float32) for each in answers]),
            deltas=joined([floats_from(each.deltas) for each in answers]).reshape(-1, shape.row),
            digests={item.step: item.digest for each in answers for item in each.digests},
        )

    def _within(self, offset: int) -> int:
        return min(max(offset, self.begin), self.end)
