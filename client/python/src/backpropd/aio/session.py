# SPDX-License-Identifier: Apache-2.0
"""One session of a server."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from backpropd.aio.caller import AsyncCaller
from backpropd.aio.feed import chunks_of
from backpropd.aio.session_checkpoints import AsyncSessionCheckpoints
from backpropd.aio.train_stream import AsyncTrainStream
from backpropd.aio.watch import AsyncWatch
from backpropd.calls.create_session import create_request
from backpropd.errors import SessionNotFoundError
from backpropd.feed import Rebatcher
from backpropd.progress import Progress
from backpropd.replica import Replica
from backpropd.resumed import Resumed
from backpropd.sample_ledger import MAX_KEPT_BYTES
from backpropd.samples import rows_per_message
from backpropd.training_totals import TrainingTotals, TrainResult
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc


class AsyncSession(AsyncSessionCheckpoints):
    """A network being trained on the server. Got from AsyncTrainingClient.create(), get(), list() or fork().

    Tasks: any number, but one AsyncTrainStream writes at a time.
    """

    async def delete(self) -> None:
        """Forgets the session, on the server."""
        await delete_session(self.client, self.session_id)

    async def fork(
        self, *, checkpoint: str = "", with_state: bool = False, spec: pb.SessionSpec | None = None
    ) -> AsyncSession:
        """A new session from this one's present weights, or a checkpoint's, see AsyncTrainingClient.fork()."""
        origin = rpc.Fork(session_id=self.session_id, checkpoint=checkpoint, with_state=with_state)
        return await fork_session(self.client, origin, spec=spec)

    async def train(
        self,
        x: npt.ArrayLike | Iterable[Any] | AsyncIterable[Any],
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 1,
        shuffle_seed: int | None = None,
        sample_weights: npt.ArrayLike | None = None,
        replicas: Iterable[Replica] = (),
        window: int = 8,
        progress: bool = False,
        until_durable: bool = False,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        on_resume: Callable[[Resumed], object] | None = None,
    ) -> TrainResult:
        """Trains on arrays, or on an iterable of chunks, and waits until all is answered.

        Args:
            x: (n, input_size), in the session's element type; or, without y, an
                iterable or async iterable of (x, y) or (x, y, sample_weights)
                chunks of any length.
            y: integers (n,) are classes, anything else targets (n, outputs).
            epochs: how often to go through arrays.
            shuffle_seed: another order for each epoch, by this seed; None: in order.
            sample_weights: (n,), with arrays.
            replicas: are kept current.
            window: so many messages are sent ahead.
            progress: shows a bar, if tqdm is installed.
            until_durable: waits until all is durable besides.
            max_kept_bytes: see AsyncTrainStream.
            on_resume: see AsyncTrainStream.

        Raises:
            ValueError: shapes or numbers don't fit.
            BackpropdError: samples were refused, or the server stayed away.

        """
        rows = rows_per_message(self.spec, self.layout)
        rebatcher = Rebatcher(rows, self.batch_size)
        totals = TrainingTotals()
        watched = tuple(replicas)
        total = None if y is None else epochs * len(np.asarray(x))
        chunks = chunks_of(x, y, self.spec, epochs=epochs, shuffle_seed=shuffle_seed, sample_weights=sample_weights)
        with Progress(wanted=progress, total=total) as bar:
            detail = "factors" if watched else "none"
            options = {"deltas": detail, "max_kept_bytes": max_kept_bytes, "on_resume": on_resume}
            async with self.stream(*watched, window=window, **options) as stream:
                async for chunk in chunks:
                    for message in rebatcher.add(chunk):
                        await stream.send_samples(message)
                        async for trained in stream.ready():
                            totals.add(trained, bar)
                for message in rebatcher.finish():
                    await stream.send_samples(message)
                async for trained in stream.flush():
                    totals.add(trained, bar)
                if until_durable:
                    await stream.flush_durable()
        return totals.result(left_over=rebatcher.left_over, step=self.step, repeated=stream.repeated_samples)

    def stream(self, *replicas: Replica, **options: Any) -> AsyncTrainStream:  # noqa: ANN401  AsyncTrainStream's
        """A Train stream: `async with session.stream(replica) as stream`; for options see AsyncTrainStream."""
        return AsyncTrainStream(self, *replicas, **options)

    def watch(self, *replicas: Replica, after_step: int | None = None, epoch: int | None = None) -> AsyncWatch:
        """Follows it: `async with session.watch(replica) as watch: async for batch in watch`; see AsyncWatch."""
        return AsyncWatch(self, *replicas, after_step=after_step, epoch=epoch)


async def fork_session(
    client: AsyncCaller, origin: rpc.Fork, *, spec: pb.SessionSpec | None, request_id: str | None = None
) -> AsyncSession:
    """A new session from another's weights, see AsyncTrainingClient.fork()."""
    request = create_request(spec, None, request_id, origin)
    return AsyncSession(client, (await client.call(client.stub.CreateSession, request)).session)


async def delete_session(client: AsyncCaller, session_id: str) -> None:
    """Forgets a session, on the server."""
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        try:
            request = rpc.DeleteSessionRequest(session_id=session_id)
            await client.call(client.stub.DeleteSession, request, repeat=False, trains=session_id)
        except SessionNotFoundError:
            if attempts == 1:
                raise  # else an attempt whose answer was lost has deleted it

    await client.repeat(attempt)
