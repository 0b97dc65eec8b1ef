# SPDX-License-Identifier: Apache-2.0
"""A client that sends messages twice, too early, in the wrong order and with other samples, and is cut off at times."""

from __future__ import annotations

import contextlib
import copy
import itertools
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
from backpropd.call_errors import error_from_call, error_from_status
from backpropd.replica.arrays import Float32
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs
from server_under_test.demand import WrongError, demand

from network.offset_rules import Message, OffsetRules
from network.proxy import Cut, Proxy

POOL = 1 << 12
"""Samples there are; offset o has sample o mod POOL."""
_LONGEST = 4  # steps of a message
_AHEAD = 200
_INPUTS, _OUTPUTS = 4, 2
ENDS = ("half-closed", "cancelled", "cut", "taken over")


class Payload:
    """The samples, and others."""

    def __init__(self, seed: int) -> None:
        numbers = np.random.default_rng(seed)
        self._x = numbers.standard_normal((2 * POOL, _INPUTS), dtype=np.float32)
        self._y = numbers.random((2 * POOL, _OUTPUTS), dtype=np.float32)
        self._x[POOL:], self._y[POOL:] = self._x[:POOL], self._y[:POOL]
        self._inputs, self._others = self._x.tobytes(), (-self._x).tobytes()
        self._targets = self._y.tobytes()

    def samples(self, offset: int, count: int) -> tuple[Float32, Float32]:
        """The right ones from an offset on."""
        begin = offset % POOL
        return self._x[begin : begin + count], self._y[begin : begin + count]

    def request(self, message: Message, place: int) -> rpc.TrainRequest:
        """The message, whose samples are those of `place`."""
        begin = (place if message.offset is None else message.offset) % POOL
        row, target, end = 4 * _INPUTS, 4 * _OUTPUTS, begin + message.count
        inputs = self._others if message.other else self._inputs
        return rpc.TrainRequest(
            offset=message.offset,
            inputs=inputs[begin * row : end * row],
            targets=self._targets[begin * target : end * target],
        )


class Whims:
    """What comes next, as `choice` draws it."""

    def __init__(self, batch: int, choice: random.Random) -> None:
        self._batch = batch
        self._choice = choice
        self.drawn: Counter[str] = Counter()
        self._kinds: dict[str, tuple[int, Callable[[OffsetRules], list[Message]]]] = {
            "next": (50, lambda rules: [Message(rules.next_offset, self._count())]),
            "without offset": (8, lambda _: [Message(None, self._count())]),
            "again": (10, self._again),
            "others": (5, lambda rules: [replace(known, other=True) for known in self._again(rules)]),
            "long ago": (6, self._long_ago),
            "others, long ago": (2, lambda rules: [replace(old, other=True) for old in self._long_ago(rules)]),
            "across the end": (5, self._across),
            "gap": (6, self._gap),
            "swapped": (5, self._swapped),
            "no whole step": (2, self._no_whole_step),
        }
        if batch > 1:
            self._kinds["beside a step"] = 2, lambda rules: [Message(rules.next_offset + 1 - batch, batch)]
        self._shares = [share for share, _ in self._kinds.values()]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(self._kinds)

    def next(self, rules: OffsetRules) -> list[Message]:
        """One message, or a few that belong together."""
        while True:
            (kind,) = self._choice.choices(self.kinds, self._shares)
            messages = self._kinds[kind][1](rules) if rules.next_offset or kind == "next" else []
            if messages:
                self.drawn[kind] += 1
                return messages

    def _count(self) -> int:
        return self._choice.randint(1, _LONGEST) * self._batch

    def _again(self, rules: OffsetRules) -> list[Message]:
        return [self._choice.choice(rules.remembered)] if rules.remembered else []

    def _long_ago(self, rules: OffsetRules) -> list[Message]:
        end = rules.next_offset
        offset = max(0, end - self._choice.randint(1, 500) * self._batch)
        message = Message(offset, min(self._count(), end - offset))
        known = any((each.offset, each.count) == (message.offset, message.count) for each in rules.remembered)
        return [] if known else [message]

    def _across(self, rules: OffsetRules) -> list[Message]:
        return [Message(rules.next_offset - self._batch, self._batch + self._count())]

    def _gap(self, rules: OffsetRules) -> list[Message]:
        return [Message(rules.next_offset + self._choice.randint(1, 3 * self._batch), self._count())]

    def _swapped(self, rules: OffsetRules) -> list[Message]:
        first = Message(rules.next_offset, self._count())
        second = Message(rules.next_offset + first.count, self._count())
        return [second, first, second]

    def _no_whole_step(self, rules: OffsetRules) -> list[Message]:
        """With steps of one sample: none."""
        more = self._count() + self._choice.randint(1, self._batch - 1) if self._batch > 1 else 0
        return [Message(rules.next_offset, more)]


class Talk:
    """What one stream says; grpc's thread takes it.

    Args:
        opening: the first message.
        whims: what it says next.
        payload: the samples of it.
        messages: it says so many, or a few more.
        half_closes: and then that this was all.

    """

    def __init__(
        self, opening: rpc.TrainRequest, whims: Whims, payload: Payload, messages: int, *, half_closes: bool
    ) -> None:
        self._opening = opening
        self._whims = whims
        self._payload = payload
        self._messages = messages
        self._half_closes = half_closes
        self._room = threading.Semaphore(_AHEAD)
        self._opened = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._rules = OffsetRules(1)  # guarded by _lock: where the session is when all is answered
        self.unanswered: deque[Message] = deque()  # guarded by _lock

    def opened(self, rules: OffsetRules) -> None:
        """The session is there."""
        self._rules = copy.deepcopy(rules)
        self._opened.set()

    def answered(self) -> Message:
        """The first that is not answered is."""
        self._room.release()
        with self._lock:
            return self.unanswered.popleft()

    def break_off(self) -> list[Message]:
        """Nothing is said any more; what was, and is not answered."""
        with self._lock:
            self._over.set()
            return list(self.unanswered)

    def requests(self) -> Iterator[rpc.TrainRequest]:
        """All of it."""
        yield self._opening
        self._opened.wait()
        said = 0
        while said < self._messages:
            with self._lock:
                if self._over.is_set():
                    return
                messages = self._whims.next(self._rules)
                requests = [self._say(message) for message in messages]
            for request in requests:
                while not self._room.acquire(timeout=0.1):
                    if self._over.is_set():
                        return
                yield request
            said += len(requests)
        if not self._half_closes:
            self._over.wait()

    def _say(self, message: Message) -> rpc.TrainRequest:
        request = self._payload.request(message, self._rules.next_offset)
        self._rules.take(message)
        self.unanswered.append(message)
        return request


class Unruly:
    """One session's client.

    Args:
        address: the server's.
        session: what it trains; it is new.
        payload: its samples.
        choice: draws what it does.

    """

    def __init__(self, address: str, session: rpc.Session, payload: Payload, choice: random.Random) -> None:
        self._proxy = Proxy(address)
        times = {"initial": 50, "min": 1000, "max": 100}
        options = [(f"grpc.{name}_reconnect_backoff_ms", milliseconds) for name, milliseconds in times.items()]
        self._channel = grpc.insecure_channel(self._proxy.address, [("grpc.use_local_subchannel_pool", 1), *options])
        self._stub = stubs.TrainingServiceStub(self._channel)
        self._session = session
        self._batch = session.spec.batch_size
        self._payload = payload
        self.whims = Whims(self._batch, choice)
        self.ends: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.answered = 0
        """Messages."""
        self.cut_off = 0
        """Messages of which it was not answered whether they were applied ..."""
        self._left: list[Message] = []  # ... on the last stream
        self.rules = OffsetRules(self._batch)
        """Where the session is, as far as it is answered."""

    def __str__(self) -> str:
        return f"session {self._session.session_id}"

    def close(self) -> None:
        """Ends the connections."""
        self._channel.close()
        self._proxy.close()

    def stream(self, messages: int, end: str) -> None:
        """Sends so many messages, or a few more, on a stream that ends like this."""
        talk, call = self._begin(messages, half_closes=end == "half-closed")
        answers = enumerate(call, 1)
        for number, response in itertools.islice(answers, None if end == "half-closed" else messages // 2):
            self._check(talk, number, response)
        if end == "taken over":
            self._take_over(talk, answers)
        elif end == "cut":
            self._cut(talk, answers)
        self._left = talk.break_off()
        call.cancel()
        self.cut_off += len(self._left)
        self.ends[end] += 1

    def _begin(self, messages: int, *, half_closes: bool) -> tuple[Talk, Any]:
        """A stream that takes the session over from the one before, whose end the server may not have seen."""
        options = rpc.TrainOptions(deltas=rpc.DELTA_DETAIL_NONE)
        opening = rpc.TrainRequest(session_id=self._session.session_id, options=options, takeover=True)
        talk = Talk(opening, self.whims, self._payload, messages, half_closes=half_closes)
        call = self._stub.Train(talk.requests(), wait_for_ready=True)
        offset = next(iter(call)).next_offset
        try:
            self.rules.cut(self._left, offset)
        except ValueError as error:
            raise WrongError(f"{self}: {error}") from None
        talk.opened(self.rules)
        return talk, call

    def _cut(self, talk: Talk, answers: Iterator[tuple[int, rpc.TrainResponse]]) -> None:
        """The connection is; what came before that is there to be read."""
        for connection in self._proxy.connections():
            connection.cut(Cut.RST)
        with contextlib.suppress(grpc.RpcError):
            for number, answer in answers:
                self._check(talk, number, answer)

    def _take_over(self, talk: Talk, answers: Iterator[tuple[int, rpc.TrainResponse]]) -> None:
        """Another stream does, while this one is open; it answers all that it has applied, and ends."""
        options = rpc.TrainOptions(deltas=rpc.DELTA_DETAIL_NONE)
        opening = rpc.TrainRequest(session_id=self._session.session_id, options=options, takeover=True)
        (response,) = self._stub.Train(iter([opening]))
        try:
            for number, answer in answers:
                self._check(talk, number, answer)
        except grpc.RpcError as error:
            reason = error_from_call(error).reason
            demand(reason == "WRITER_REPLACED", f"{self}: a stream that was replaced ended with {error}")
        else:
            raise WrongError(f"{self}: a stream that was replaced ended well")
        told, offset = self.rules.next_offset, response.next_offset
        demand(told == offset, f"{self}: taken over at {offset}, though {told} is the last that was answered")

    def _check(self, talk: Talk, number: int, response: rpc.TrainResponse) -> None:
        message = talk.answered()
        verdict = self.rules.take(message)
        reason = error_from_status(response.rejection).reason if response.HasField("rejection") else ""
        step = verdict.next_offset // self._batch
        due = (number, True, verdict.reason, verdict.skipped, verdict.next_offset, step, verdict.applied // self._batch)
        found = (
            response.message_number,
            response.message_done,
            reason,
            response.skipped_samples,
            response.next_offset,
            response.step,
            len(response.errors),
        )
        demand(found == due, f"{self}: {message} was answered {found}, not {due}")
        self.reasons[reason] += 1
        self.answered += 1
