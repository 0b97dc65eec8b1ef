# SPDX-License-Identifier: Apache-2.0
"""One session of a server, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt

from backpropd.aio.train_stream import AsyncTrainStream
from backpropd.aio.watch import AsyncWatch
from backpropd.call_errors import error_from_call
from backpropd.feed import Rebatcher, chunk_samples, chunks_of
from backpropd.progress import Progress
from backpropd.replica import Replica
from backpropd.replica.anchor import Anchor, AnchorReader
from backpropd.replica.arrays import Float32
from backpropd.requests import (
    Evaluation,
    HandTypedSamples,
    StepResult,
    TrainResult,
    evaluate_requests,
    evaluation_of,
    predict_request,
    rows_per_message,
    step_result_of,
    update_request,
)
from backpropd.samples import Samples, samples_of
from backpropd.training_totals import TrainingTotals
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc

if TYPE_CHECKING:
    from backpropd.aio.client import AsyncTrainingClient


class AsyncSession:
    """A network being trained on the server; see backpropd.Session."""

    def __init__(self, client: AsyncTrainingClient, info: rpc.Session) -> None:
        self.client = client
        self._info = info

    @property
    def info(self) -> rpc.Session:
        """The session as it was when the server last described it: see refresh()."""
        return self._info

    @property
    def session_id(self) -> str:
        """Given by the server; opaque."""
        return self._info.session_id

    @property
    def spec(self) -> pb.SessionSpec:
        """The effective spec: all defaults filled in."""
        return self._info.spec

    @property
    def layout(self) -> pb.Layout:
        """Where each weight and each part of a delta row lies."""
        return self._info.layout

    @property
    def batch_size(self) -> int:
        """Samples a step."""
        return self._info.spec.batch_size or 1

    @property
    def step(self) -> int:
        """Number of steps done when the server last described the session."""
        return self._info.step

    async def refresh(self) -> AsyncSession:
        """Asks the server how the session is now."""
        request = rpc.GetSessionRequest(session_id=self.session_id)
        self._info = (await self.client.call(self.client.stub.GetSession, request)).session
        return self

    async def delete(self) -> None:
        """Forgets the session, on the server."""
        await self.client.delete(self.session_id)

    async def fork(self, *, with_state: bool = False, spec: pb.SessionSpec | None = None) -> AsyncSession:
        """A new session from this one's present weights."""
        return await self.client.fork(self.session_id, with_state=with_state, spec=spec)

    async def update(self, **changes: Any) -> int:  # noqa: ANN401  each field has its type
        """Changes hyperparameters, all or nothing; the first step that they hold for."""
        request = update_request(self._info, changes)
        answer = await self.client.call(self.client.stub.UpdateSession, request, repeat=False)
        self._info = answer.session
        return answer.first_step

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
    ) -> TrainResult:
        """Trains; arguments as of Session.train(), and x may be an async iterable of chunks too."""
        rows = rows_per_message(self.spec, self.layout)
        rebatcher = Rebatcher(rows, self.batch_size)
        totals = TrainingTotals()
        watched = tuple(replicas)
        total = None if y is None else epochs * len(np.asarray(x))
        chunks: AsyncIterator[Samples]
        if isinstance(x, AsyncIterable):
            if y is not None or epochs != 1 or shuffle_seed is not None or sample_weights is not None:
                raise ValueError("An iterable of chunks is gone through once, in its order.")
            chunks = self._each_chunk(x)
        else:
            chunks = _each(
                chunks_of(x, y, self.spec, epochs=epochs, shuffle_seed=shuffle_seed, sample_weights=sample_weights)
            )
        with Progress(wanted=progress, total=total) as bar:
            detail = "factors" if watched else "none"
            async with AsyncTrainStream(self, *watched, window=window, deltas=detail) as stream:
                async for chunk in chunks:
                    for message in rebatcher.add(chunk):
                        await stream.send_samples(message)
                        async for trained in stream.ready():
                            totals.add_one(trained, bar)
                for message in rebatcher.finish():
                    await stream.send_samples(message)
                async for trained in stream.flush():
                    totals.add_one(trained, bar)
        return totals.result(left_over=rebatcher.left_over, step=self.step)

    async def _each_chunk(self, x: AsyncIterable[Any]) -> AsyncIterator[Samples]:
        async for chunk in x:
            yield chunk_samples(chunk, self.spec)

    def stream(self, *replicas: Replica, **options: Any) -> AsyncTrainStream:  # noqa: ANN401  AsyncTrainStream's
        """A Train stream: `async with session.stream(replica) as stream`."""
        return AsyncTrainStream(self, *replicas, **options)

    async def train_step(self, x: npt.ArrayLike, y: npt.ArrayLike) -> StepResult:
        """One step, typed by hand: x (batch_size, input_size) as the network sees it."""
        samples = HandTypedSamples.of(x, y, self.spec).samples
        request = rpc.TrainStepRequest(session_id=self.session_id, samples=samples)
        answer = await self.client.call(self.client.stub.TrainStep, request, repeat=False, trains=self.session_id)
        return step_result_of(answer, self.spec, self.layout)

    def watch(self, *replicas: Replica, after_step: int | None = None) -> AsyncWatch:
        """Follows the session: `async with session.watch(replica) as watch: async for batch in watch`; see Watch."""
        return AsyncWatch(self, *replicas, after_step=after_step)

    async def predict(self, x: npt.ArrayLike) -> Float32:
        """The server's outputs for rows x, (n, input_size): (n, outputs)."""
        request = predict_request(self.session_id, x, self.spec)
        answer = await self.client.call(self.client.stub.Predict, request)
        return np.array(answer.outputs, dtype=np.float32).reshape(-1, self.spec.layers[-1].size)

    async def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Evaluation:
        """Error and accuracy over samples; x and y as in train()."""
        samples = samples_of(x, y, self.spec)
        rows = rows_per_message(self.spec, self.layout)

        async def attempt() -> Evaluation:
            requests = evaluate_requests(self.session_id, samples, rows)
            try:
                return evaluation_of(await self.client.stub.Evaluate(requests, metadata=self.client.metadata))
            except grpc.RpcError as error:
                raise error_from_call(error) from None

        return await self.client.repeat(attempt)

    async def weights(self, *, with_state: bool = False) -> Anchor:
        """All weights as they are at one step; with the optimiser's state for a replica."""
        request = rpc.GetWeightsRequest(session_id=self.session_id, with_state=with_state)

        async def attempt() -> Anchor:
            reader = AnchorReader(with_state=with_state, state_count=self.layout.state_count)
            try:
                async for chunk in self.client.stub.GetWeights(request, metadata=self.client.metadata):
                    reader.add(chunk)
            except grpc.RpcError as error:
                raise error_from_call(error) from None
            return reader.finish()

        return await self.client.repeat(attempt)

    async def replica(self, *, check_digests: bool = True) -> Replica:
        """A replica at the session's present step."""
        return Replica(self.spec, self.layout, await self.weights(with_state=True), check_digests=check_digests)


async def _each(chunks: Iterable[Samples]) -> AsyncIterator[Samples]:
    for chunk in chunks:
        yield chunk
