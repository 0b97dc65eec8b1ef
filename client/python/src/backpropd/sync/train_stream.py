# SPDX-License-Identifier: Apache-2.0
# Generated from aio/train_stream.py by generate_sync.py: change that.
"""A Train stream that survives broken connections, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

import numpy.typing as npt

from backpropd.errors import BackpropdError
from backpropd.replica import Replica
from backpropd.resumed import Resumed
from backpropd.sample_ledger import MAX_KEPT_BYTES
from backpropd.samples import Samples, samples_of
from backpropd.sync.session_calls import SessionCalls
from backpropd.sync.train_dialogue import TrainDialogue
from backpropd.trained import Trained

_T = TypeVar("_T")


class TrainStream:
    """The one writer of a session: sends samples, gives back errors, keeps replicas current.

    Messages are sent ahead, up to `window` of them. What was sent is kept until
    it is answered, and of a DURABLE session until it is durable besides. When
    the stream breaks or the server says goodbye, the stream is opened again,
    with backoff, and what is not answered is sent again: no sample is applied
    twice or left out, and what was applied already is answered as it was the
    first time, if the server still holds that (Trained.skipped_samples counts
    where not). A server that was killed comes back at the session's durable
    step, in a new epoch: what it had answered beyond that is sent again, and
    those answers are not given out twice (repeated_samples). Replicas that can't
    go on from there begin anew from an anchor. `on_resume` and the log
    ("backpropd") tell of all that; send() and receive() don't.

    Ctrl-C or a cancelled task ends the call, not the stream: used again, it
    opens another call and goes on likewise. Only if Ctrl-C came within the few
    microseconds that an answer takes to be noted does it say so, and another
    stream is needed.

    Made by Session.stream(); a context manager. Threads: one at a time.

    Args:
        session: what is trained.
        replicas: are kept current; need deltas="factors".
        window: so many messages may be unanswered at a time.
        deltas: "factors", "dense" or "none": how answers tell the deltas.
        keep_deltas: whether Trained holds them.
        want_outputs: whether Trained holds the outputs before each update.
        max_kept_bytes: of a DURABLE session, so many bytes of samples are kept,
            about, each message counting a KiB more; where they are not durable by
            then, send() waits until they are. With half of it the server is asked
            to commit before max_lag is over: that message's answer comes when it
            is durable.
        on_resume: a plain function that is called with what happened each time
            that the stream goes on after a break. It must not use the stream.

    """

    def __init__(
        self,
        session: SessionCalls,
        *replicas: Replica,
        window: int = 8,
        deltas: str = "factors",
        keep_deltas: bool = False,
        want_outputs: bool = False,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        on_resume: Callable[[Resumed], object] | None = None,
    ) -> None:
        self._spec = session.spec
        self._dialogue = TrainDialogue(
            session,
            *replicas,
            window=window,
            deltas=deltas,
            keep_deltas=keep_deltas,
            want_outputs=want_outputs,
            max_kept_bytes=max_kept_bytes,
            on_resume=on_resume,
        )

    def open(self) -> TrainStream:
        """Opens the stream now, rather than with the first samples.

        Raises:
            SessionHasWriterError: another stream writes to the session; after
                waiting, if it may be one that this client left shortly before.
            BackpropdError: as the server says.

        """
        self._run(self._dialogue.open)
        return self

    def send(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weights: npt.ArrayLike | None = None,
        want_digest: bool = False,
        when_durable: bool = False,
    ) -> None:
        """Sends one message of n samples, n a multiple of batch_size; waits while the window is full.

        Args:
            x: (n, input_size), in the session's element type.
            y: classes (n,) or targets (n, outputs), see samples.samples_of.
            sample_weights: (n,).
            want_digest: asks for the digest after the message's last step.
            when_durable: the answer, and those to what is sent after it, come when
                what the message did is durable. Means nothing to a session in
                memory only.

        Raises:
            ValueError: shapes or numbers don't fit; nothing is sent.
            BackpropdError: the stream broke and could not be opened again.

        """
        samples = samples_of(x, y, self._spec, sample_weights)
        self.send_samples(samples, want_digest=want_digest, when_durable=when_durable)

    def send_samples(self, samples: Samples, *, want_digest: bool = False, when_durable: bool = False) -> None:
        """As send(), of samples that have their form already."""
        self._run(lambda: self._dialogue.send(samples, want_digest=want_digest, when_durable=when_durable))

    def receive(self) -> Trained:
        """The answer to the next message, in order; waits for it.

        Raises:
            BackpropdError: the message was refused, or the stream broke and
                could not be opened again. After a refusal all messages that
                were sent after it are dropped, for none of them can be applied;
                error.next_offset says up to where the session is. The stream
                may be used further.
            LookupError: nothing is unanswered.

        """
        return self._run(self._dialogue.receive)

    def ready(self) -> Iterator[Trained]:
        """The answers that have come while sending, without waiting."""
        while self._dialogue.answers_wait:
            yield self.receive()

    def flush(self) -> Iterator[Trained]:
        """The answers to everything that was sent; waits for them."""
        while self._dialogue.answers_wait or self.unanswered:
            yield self.receive()

    def flush_durable(self, timeout: float | None = None) -> None:
        """Waits until everything that was sent is durable; the answers are there to be received afterwards.

        The server commits at once, be max_lag ever so long: the last message is
        sent a second time to ask for that, and not applied again.

        Args:
            timeout: seconds; None: as long as it takes. Reconnecting is bounded
                by the client's RetryPolicy all the same.

        Raises:
            TimeoutError: it is not, after so many seconds; the stream goes on.
            NoStoreError: the session is kept in memory only.
            BackpropdError: the stream broke and could not be opened again.

        """
        self._run(lambda: self._dialogue.flush_durable(timeout))

    @property
    def unanswered(self) -> int:
        """So many messages are sent and not answered."""
        return self._dialogue.ledger.unanswered

    @property
    def next_offset(self) -> int | None:
        """Offset of the next sample that is sent; None before the stream was opened."""
        return self._dialogue.ledger.next_offset

    @property
    def epoch(self) -> int:
        """The session's epoch, as the last answer told it; 0 before the first."""
        return self._dialogue.ledger.epoch

    @property
    def durable_step(self) -> int:
        """The last step known to be durable: a crash takes back none up to it. 0 for sessions in memory only."""
        return self._dialogue.ledger.durable_step

    @property
    def durable_offset(self) -> int:
        """Offset of the first sample that is not known to be durable."""
        return self._dialogue.ledger.durable_offset

    @property
    def repeated_samples(self) -> int:
        """So many samples were trained on, and answered, again, because a crash had taken them back."""
        return self._dialogue.ledger.repeated_samples

    def close(self) -> None:
        """Waits until everything is answered and ends the stream; answers not fetched stay to be received.

        That it is durable is not waited for: see flush_durable(). What is not is
        not sent again, should the server crash afterwards.

        Raises:
            BackpropdError: the stream broke and could not be opened again.

        """
        self._run(self._dialogue.close)

    def cancel(self) -> None:
        """Ends the stream at once; what is unanswered may or may not have been applied."""
        self._dialogue.leave()

    def __enter__(self) -> TrainStream:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.cancel()

    def __del__(self) -> None:
        # Of a stream that nobody ended: an interrupt came between opening it and a with block.
        if "_dialogue" in self.__dict__:
            self._dialogue.drop()

    def _run(self, doing: Callable[[], _T]) -> _T:
        try:
            return doing()
        except (BackpropdError, ValueError, LookupError, TimeoutError):
            raise
        except BaseException:
            self._dialogue.leave()
            raise
