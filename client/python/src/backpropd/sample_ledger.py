# SPDX-License-Identifier: Apache-2.0
"""What was sent to a session and not answered yet: exactly-once, without any networking.

Each message of samples has an offset. A message is kept until its last answer
came. When a stream breaks, the next one's opening names the session's offset:
messages wholly before it were applied though their answers are lost, and are
not sent again; one that lies across it is sent whole, and the server skips what
it has; all others are sent again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from backpropd.call_errors import error_from_status
from backpropd.errors import BackpropdError, SamplesLostError
from backpropd.replica.arrays import AnyArray, Float32, floats_from, floats_to
from backpropd.replica.deltas import batch_from_train
from backpropd.samples import Samples
from backpropd.trained import Answer, Trained
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


@dataclass
class _Message:
    inputs: AnyArray  # (count, input_size); the bytes that were sent
    request: rpc.TrainRequest
    parts: list[rpc.TrainResponse] = field(default_factory=list)
    skipped: int = 0

    @property
    def begin(self) -> int:
        return self.request.offset

    @property
    def count(self) -> int:
        return len(self.inputs)

    @property
    def end(self) -> int:
        return self.begin + self.count

    @property
    def answered(self) -> int:
        """How many of its samples earlier responses, perhaps of earlier streams, have answered."""
        return max(0, self.parts[-1].next_offset - self.begin) if self.parts else 0


class SampleLedger:
    """The messages of one session's Train streams that are not answered yet.

    Args:
        spec: the session's.
        layout: the session's.
        detail: how the stream's answers tell the deltas.
        keep_deltas: whether Trained holds the delta rows.

    """

    def __init__(self, spec: pb.SessionSpec, layout: pb.Layout, detail: rpc.DeltaDetail, *, keep_deltas: bool) -> None:
        self._batch = spec.batch_size or 1
        self._outputs = spec.layers[-1].size
        self._layout = layout
        self._detail = detail
        self._keep_deltas = keep_deltas
        self._messages: deque[_Message] = deque()
        self._sent = 0
        self._answered_number = 0  # of the present stream's messages, so many are answered
        self._next_offset: int | None = None

    @property
    def unanswered(self) -> int:
        """So many messages are kept."""
        return len(self._messages)

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is added; None before the first opening."""
        return self._next_offset

    def opened(self, response: rpc.TrainResponse) -> list[Trained]:
        """A stream was opened; everything not applied is to be sent on it.

        Returns:
            The messages that turned out to be applied, in order.

        Raises:
            SamplesLostError: the session went back behind what is kept here.

        """
        self._sent = self._answered_number = 0
        offset = response.next_offset
        if self._next_offset is None:
            self._next_offset = offset
        kept_from = self._messages[0].begin if self._messages else self._next_offset
        if offset < kept_from:
            raise SamplesLostError(
                f"The session is at offset {offset}; samples up to {kept_from} were answered and are not kept here."
            )
        applied = []
        while self._messages and self._messages[0].end <= offset:
            message = self._messages.popleft()
            message.skipped = max(message.skipped, message.count - message.answered)
            applied.append(self._put_together(message, response))
        if not self._messages:
            self._next_offset = max(offset, self._next_offset)
        return applied

    def add(self, samples: Samples, *, want_digest: bool = False) -> None:
        """Takes a message's samples, n ≥ 1 of them; a stream must have been opened."""
        if self._next_offset is None:
            raise ValueError("No stream was opened yet.")
        raw = samples.inputs.tobytes()
        request = rpc.TrainRequest(offset=self._next_offset, inputs=raw, want_digest=want_digest)
        if samples.targets is not None:
            request.targets = floats_to(samples.targets)
        if samples.classes is not None:
            request.classes.extend(samples.classes)
        if samples.weights is not None:
            request.sample_weights.extend(samples.weights)
        inputs = np.frombuffer(raw, dtype=samples.inputs.dtype).reshape(samples.inputs.shape)
        self._messages.append(_Message(inputs, request))
        self._next_offset += len(samples)

    def take_unsent(self) -> list[rpc.TrainRequest]:
        """The messages to send now on the present stream, in order."""
        requests = [self._messages[at].request for at in range(self._sent, len(self._messages))]
        self._sent = len(self._messages)
        return requests

    def answer(self, response: rpc.TrainResponse) -> Answer | None:
        """Takes a response of the present stream; None if it answers no message, as a goodbye may.

        A refusal drops all messages that are kept, since none of them can be
        applied any more; samples go on from the session's offset.
        """
        number = response.message_number
        if number != self._answered_number + 1 or not self._sent:
            if response.goodbye and response.base_step == response.step:
                return None
            raise BackpropdError(f"A response to message {number} where {self._answered_number + 1} was due.")
        message = self._messages[0]
        message.skipped = max(message.skipped, response.skipped_samples - message.answered)
        inputs = self._inputs_of(message, response)
        batch = None
        if self._detail == rpc.DELTA_DETAIL_FACTORS:
            batch = batch_from_train(response, self._layout, inputs)
        if not self._keep_deltas:
            response.ClearField("deltas")
        message.parts.append(response)
        refusal = None
        if response.HasField("rejection"):
            refusal = error_from_status(response.rejection)
            refusal.next_offset = response.next_offset
        learnt = response.standardisation if response.HasField("standardisation") else None
        if not response.message_done and refusal is None:
            return Answer(batch, None, None, learnt)
        self._messages.popleft()
        self._sent -= 1
        self._answered_number += 1
        trained = self._put_together(message, response)
        if refusal is not None:
            self._messages.clear()
            self._sent = 0
            self._next_offset = response.next_offset
        return Answer(batch, trained, refusal, learnt)

    def _inputs_of(self, message: _Message, response: rpc.TrainResponse) -> AnyArray | None:
        steps = response.step - response.base_step
        end = response.next_offset - message.begin
        begin = end - steps * self._batch
        if not 0 <= begin <= end <= message.count:
            if steps == 0:
                return None
            raise BackpropdError(f"Steps up to offset {response.next_offset} answer a message at {message.begin}.")
        return message.inputs[begin:end] if steps else None

    def _put_together(self, message: _Message, last: rpc.TrainResponse) -> Trained:
        parts = message.parts or [rpc.TrainResponse(base_step=last.step, step=last.step)]
        dense = self._detail == rpc.DELTA_DETAIL_DENSE
        row_length = self._layout.weight_count if dense else self._layout.delta_row_length

        def joined(pieces: list[Float32]) -> Float32:
            return np.concatenate([np.zeros(0, dtype=np.float32), *pieces])

        return Trained(
            offset=message.begin,
            samples=message.count,
            base_step=parts[0].base_step,
            step=parts[-1].step,
            errors=joined([np.array(part.errors, dtype=np.float32) for part in parts]),
            skipped_samples=message.skipped,
            outputs=joined([floats_from(part.outputs) for part in parts]).reshape(-1, self._outputs),
            gradient_norms=joined([np.array(part.gradient_norms, dtype=np.float32) for part in parts]),
            deltas=joined([floats_from(part.deltas) for part in parts]).reshape(-1, row_length),
            digests={item.step: item.digest for part in parts for item in part.digests},
        )
