# SPDX-License-Identifier: Apache-2.0
"""What was sent to a session and may have to be sent again: exactly-once, without any networking.

Each message of samples has an offset. A message is kept until its last answer
came, and of a DURABLE session until what it did is durable besides. When a
stream breaks, the next one's opening names the session's epoch and offset.

In the same epoch everything that is not answered is sent again, applied or not:
the server holds the answers to what is, and those come as if nothing had
happened. It skips what it does not hold; those answers are lost.

In another epoch it holds none. Messages wholly before the offset are applied,
be it that their answers are lost; one that lies across it is sent whole, and the
server skips what it has; all others are sent again: those that were not
applied, and those that were, and were answered, in the life that a crash ended.
The answers to these are not told twice.
"""

from __future__ import annotations

from collections import deque

from backpropd.call_errors import error_from_status
from backpropd.errors import BackpropdError, SamplesLostError
from backpropd.replica.arrays import AnyArray
from backpropd.replica.deltas import batch_from_train
from backpropd.sample_message import AnswerShape, SampleMessage
from backpropd.samples import Samples
from backpropd.trained import Answer, Trained
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

MAX_KEPT_BYTES = 64 << 20
"""So many bytes of samples are kept until they are durable, if nobody says otherwise."""


class SampleLedger:
    """The messages of one session's Train streams that are not answered yet, or not durable.

    Args:
        spec: the session's.
        layout: the session's.
        detail: how the stream's answers tell the deltas.
        keep_deltas: whether Trained holds the delta rows.
        hurry_bytes: the message with which more than so many bytes were added
            since one that is answered when it is durable is to be answered so
            too: the server commits then, and sooner than max_lag.

    """

    def __init__(
        self,
        spec: pb.SessionSpec,
        layout: pb.Layout,
        detail: rpc.DeltaDetail,
        *,
        keep_deltas: bool,
        hurry_bytes: int = MAX_KEPT_BYTES // 2,
    ) -> None:
        row = layout.weight_count if detail == rpc.DELTA_DETAIL_DENSE else layout.delta_row_length
        self._shape = AnswerShape(spec.batch_size or 1, spec.layers[-1].size, row)
        self._layout = layout
        self._detail = detail
        self._keep_deltas = keep_deltas
        self._becomes_durable = spec.durability.mode == pb.DURABILITY_MODE_DURABLE
        # By offset, without gaps: those answered on the present stream, or before it; then those to be answered on it.
        self._kept: deque[SampleMessage] = deque()
        self._waiting: deque[SampleMessage] = deque()
        self._told = 0  # so many of the waiting were told, before a crash took them back
        self._sent = 0  # so many of the waiting were sent on the present stream
        self._answered_number = 0  # of the present stream's messages, so many are answered
        self._bytes = 0
        self._hurry_bytes = hurry_bytes
        self._hurries = False  # the first of the waiting is applied, and sent to ask for what hurry() does
        self._unhurried = 0  # bytes that were added since a message with when_durable
        self._next_offset: int | None = None
        self._sent_to = 0  # no sample from this offset on can have been applied by this stream
        self._begins = True  # the next opening says where
        self.resumed_at: int | None = None
        """After opened(), where all that is not answered is sent again in the same epoch: the step that the answers
        to it follow on. Else None."""
        self.step = 0
        """The last step that was answered, or that the session began at, in the epoch ..."""
        self.epoch = 0
        """... that this is."""
        self.durable_step = 0
        """The last step known to be durable."""
        self.durable_offset = 0
        """Offset of the first sample that is not known to be durable."""
        self.repeated_samples = 0
        """So many samples were answered a second time, after a crash had taken them back."""

    @property
    def unanswered(self) -> int:
        """So many messages' answers are still to be told."""
        return len(self._waiting) - self._told

    @property
    def waits(self) -> bool:
        """Whether messages, told or not, are still to be applied, or to be answered for the first time."""
        return len(self._waiting) > self._hurries

    @property
    def hurries(self) -> bool:
        """Whether what hurry() asks for is still to be answered."""
        return self._hurries

    @property
    def kept_bytes(self) -> int:
        """So many bytes of samples are kept, about."""
        return self._bytes

    @property
    def becomes_durable(self) -> bool:
        """Whether the session is DURABLE."""
        return self._becomes_durable

    @property
    def is_durable(self) -> bool:
        """Whether everything that was added is."""
        return self._next_offset is None or (not self._waiting and self.durable_offset >= self._next_offset)

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is added; None before the first opening."""
        return self._next_offset

    def opened(self, response: rpc.TrainResponse) -> list[Trained]:
        """A stream was opened; samples_to_send says how many are sent on it.

        Returns:
            The messages that turned out to be applied and whose answers are lost, in order.

        Raises:
            SamplesLostError: the session went back behind what is kept here,
                or is ahead of what was sent, so that it is not known of what is
                unanswered whether it was applied.

        """
        offset = response.next_offset
        self._check_kept(offset)
        self._sent = self._answered_number = 0
        goes_on = not self._begins and response.epoch == self.epoch and offset >= self._answered_to
        self.resumed_at = self.step if goes_on and self._waiting else None
        applied = [] if goes_on else self._begin_epoch(response)
        if not self._waiting:
            self._next_offset = offset
        self._sent_to = offset if self._begins else max(self._sent_to, offset)
        self._begins = False
        if self.resumed_at is None:
            self._note_position(response)
        else:
            self._note_durable(response)
        return applied

    @property
    def samples_to_send(self) -> int:
        """After opened(): so many samples that were added before are to be sent again, or for the first time."""
        return sum(message.end - message.at for message in self._waiting)

    @property
    def _received_to(self) -> int:
        """Where the first message begins that is not answered whole: none before it is sent again for its answer."""
        first = next((message for message in self._waiting if message.at < message.end), None)
        return first.begin if first is not None else self._next_offset or 0

    @property
    def _answered_to(self) -> int:
        """In this epoch everything before this offset is answered."""
        return self._waiting[0].at if self._waiting else self._next_offset or 0

    def add(self, samples: Samples, *, want_digest: bool = False, when_durable: bool = False) -> None:
        """Takes a message's samples, n ≥ 1 of them; a stream must have been opened."""
        if self._next_offset is None:
            raise ValueError("No stream was opened yet.")
        message = SampleMessage.of(samples, self._next_offset, want_digest=want_digest, when_durable=when_durable)
        self._unhurried += message.size
        if self._becomes_durable and self._unhurried > self._hurry_bytes:
            message.when_durable = True
        if message.when_durable:
            self._unhurried = 0
        self._waiting.append(message)
        self._bytes += message.size
        self._next_offset = message.end

    def hurry(self) -> None:
        """Has the last message sent once more, when all are answered: the answer to that comes when all is durable."""
        if self._waiting or not self._kept or self._kept[-1].when_durable:
            return
        message = self._kept.pop()
        message.when_durable = True
        self._unhurried = 0
        self._waiting.append(message)
        self._told += 1
        self._hurries = True

    def take_unsent(self) -> list[rpc.TrainRequest]:
        """The messages to send now on the present stream, in order."""
        received = self._received_to
        requests = [self._waiting[at].request(received) for at in range(self._sent, len(self._waiting))]
        self._sent = len(self._waiting)
        if self._waiting:
            self._sent_to = max(self._sent_to, self._waiting[-1].end)
        return requests

    def answer(self, response: rpc.TrainResponse) -> Answer | None:
        """Takes a response of the present stream; None if it answers no message, as news and a goodbye may.

        A refusal drops all messages that are not answered, since none of them can
        be applied any more; samples go on from the session's offset. Of a message
        that was told before it is a SamplesLostError, with the server's as its cause.
        """
        if response.durable_news or not self._is_due(response):
            self._note_durable(response)
            return None
        message = self._waiting[0]
        batch = None
        if self._detail == rpc.DELTA_DETAIL_FACTORS:
            batch = batch_from_train(response, self._layout, self._inputs_of(message, response))
        if not self._keep_deltas:
            response.ClearField("deltas")
        answered = message.take(response, self._shape)
        if message.told:
            self.repeated_samples += answered
        refusal = None
        if response.HasField("rejection"):
            refusal = _refusal_of(message, response)
        trained = None
        if response.message_done or refusal is not None:
            self._sent -= 1
            self._answered_number += 1
            trained = self._finish_first(response)
        if refusal is not None:
            self._drop_waiting(response.next_offset)
        self._note_position(response)
        learnt = response.standardisation if response.HasField("standardisation") else None
        return Answer(batch, trained, refusal, learnt)

    def note_durable(self, session: rpc.Session) -> bool:
        """Takes what GetSession says; whether more is durable than was known.

        What it says of another epoch than this stream's is of a life that the
        next opening will tell of.
        """
        before = self.durable_offset
        if session.epoch == self.epoch:
            self._note_durable(session)
        return self.durable_offset > before

    def replaced(self) -> None:
        """Another stream took the session over: what was applied of this one's messages is answered, and no more."""
        self._sent_to = self._answered_to

    def closed(self) -> None:
        """The stream was ended with everything answered: what is not durable is not sent again."""
        self._kept.clear()
        self._waiting.clear()  # what hurry() asked for, if anything
        self._told = self._sent = self._bytes = 0
        self._hurries = False
        self._begins = True

    def _begin_epoch(self, opening: rpc.TrainResponse) -> list[Trained]:
        """The stream begins, or goes on in another life of the session; what of it turned out to be applied."""
        offset = opening.next_offset
        self._hurries = False
        while self._kept and self._kept[-1].end > offset:
            self._waiting.appendleft(self._kept.pop())
            self._told += 1
        for message in self._waiting:
            message.on_new_epoch(offset, self._shape)
        applied = []
        while self._waiting and self._waiting[0].end <= offset:
            trained = self._finish_first(opening)
            if trained is not None:
                applied.append(trained)
        return applied

    def _check_kept(self, offset: int) -> None:
        if self._begins or self._next_offset is None:
            return
        if self._waiting and offset > self._sent_to:
            raise SamplesLostError(
                f"The session is at offset {offset}, and from {self._sent_to} on nothing of this stream was applied: "
                f"another writer has trained it. Of the messages from {self._waiting[0].begin} on, which are not "
                f"answered, it is not known whether they were applied: open another stream."
            )
        first = next(iter(self._kept or self._waiting), None)
        kept_from = self._next_offset if first is None else first.begin
        if offset >= max(kept_from, self.durable_offset):
            return
        if offset < self.durable_offset:
            raise SamplesLostError(
                f"The session is at offset {offset}, though samples up to {self.durable_offset} were durable: was it "
                f"taken back to a checkpoint?"
            )
        raise SamplesLostError(
            f"The session is at offset {offset}; samples up to {kept_from} were answered and are not kept here."
        )

    def _is_due(self, response: rpc.TrainResponse) -> bool:
        if response.message_number == self._answered_number + 1 and self._sent:
            return True
        if response.goodbye and response.base_step == response.step:
            return False
        raise BackpropdError(
            f"A response to message {response.message_number} where {self._answered_number + 1} was due."
        )

    def _inputs_of(self, message: SampleMessage, response: rpc.TrainResponse) -> AnyArray | None:
        steps = response.step - response.base_step
        if steps == 0:
            return None
        begin = response.next_offset - steps * self._shape.batch
        if not message.begin <= begin <= response.next_offset <= message.end:
            raise BackpropdError(f"Steps up to offset {response.next_offset} answer a message at {message.begin}.")
        return message.rows(begin, response.next_offset)

    def _finish_first(self, last: rpc.TrainResponse) -> Trained | None:
        """The first that waits is applied, as far as it ever will be; what is to be told of it."""
        message = self._waiting.popleft()
        self._hurries = False  # if it did, it was the first
        if message.told:
            self._told -= 1
            trained = None
        else:
            trained = message.tell(last, self._shape)
        self._bytes -= message.size
        if self._becomes_durable and not last.HasField("rejection"):
            self._keep(message)
        elif self._becomes_durable and message.at > message.begin:
            message.shorten()
            self._keep(message)
        return trained

    def _keep(self, message: SampleMessage) -> None:
        self._kept.append(message)
        self._bytes += message.size

    def _drop_waiting(self, next_offset: int) -> None:
        self._waiting.clear()
        self._told = self._sent = 0
        self._bytes = sum(message.size for message in self._kept)
        self._next_offset = self._sent_to = next_offset

    def _note_position(self, response: rpc.TrainResponse) -> None:
        self.step, self.epoch = response.step, response.epoch
        self._note_durable(response)

    def _note_durable(self, told: rpc.TrainResponse | rpc.Session) -> None:
        self.durable_step = max(self.durable_step, told.durable_step)
        self.durable_offset = max(self.durable_offset, told.durable_offset)
        while self._kept and self._kept[0].end <= self.durable_offset:
            self._bytes -= self._kept.popleft().size


def _refusal_of(message: SampleMessage, response: rpc.TrainResponse) -> BackpropdError:
    """What the user is told; samples whose answer the user has are not refused but lost."""
    refusal = error_from_status(response.rejection)
    if message.told:
        lost = SamplesLostError(
            f"Samples from offset {response.next_offset} on were answered, a crash took them back, and now they are "
            f"refused: {refusal}"
        )
        lost.__cause__ = refusal
        refusal = lost
    refusal.next_offset = response.next_offset
    return refusal
