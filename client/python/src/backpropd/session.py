# SPDX-License-Identifier: Apache-2.0
"""One session of a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backpropd.call import Call, answer_of, finish
from backpropd.feed import Rebatcher, chunks_of
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
from backpropd.samples import samples_of
from backpropd.train_stream import TrainStream
from backpropd.training_totals import TrainingTotals
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.watch import Watch

if TYPE_CHECKING:
    from backpropd.client import TrainingClient


class Session:
    """A network being trained on the server. Got from TrainingClient.create(), get(), list() or fork().

    Threads: any number, but one TrainStream writes at a time.
    """

    def __init__(self, client: TrainingClient, info: rpc.Session) -> None:
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

    def refresh(self) -> Session:
        """Asks the server how the session is now."""
        request = rpc.GetSessionRequest(session_id=self.session_id)
        self._info = self.client.call(self.client.stub.GetSession, request).session
        return self

    def delete(self) -> None:
        """Forgets the session, on the server."""
        self.client.delete(self.session_id)

    def fork(self, *, with_state: bool = False, spec: pb.SessionSpec | None = None) -> Session:
        """A new session from this one's present weights, see TrainingClient.fork()."""
        return self.client.fork(self.session_id, with_state=with_state, spec=spec)

    def update(self, **changes: Any) -> int:  # noqa: ANN401  each field has its type
        """Changes hyperparameters, all or nothing: learning_rate=0.01, momentum=0.5 and so on.

        See requests.update_request for the names. Not repeated if the server
        can't be reached: a schedule's age would begin anew.

        Returns:
            The first step that the new values hold for.

        """
        request = update_request(self._info, changes)
        answer = self.client.call(self.client.stub.UpdateSession, request, repeat=False)
        self._info = answer.session
        return answer.first_step

    def train(
        self,
        x: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 1,
        shuffle_seed: int | None = None,
        sample_weights: npt.ArrayLike | None = None,
        replicas: Iterable[Replica] = (),
        window: int = 8,
        progress: bool = False,
    ) -> TrainResult:
        """Trains on arrays, or on an iterable of chunks, and waits until all is answered.

        Args:
            x: (n, input_size), in the session's element type; or, without y, an
                iterable of (x, y) or (x, y, sample_weights) chunks of any length.
            y: integers (n,) are classes, anything else targets (n, outputs).
            epochs: how often to go through arrays.
            shuffle_seed: another order for each epoch, by this seed; None: in order.
            sample_weights: (n,), with arrays.
            replicas: are kept current.
            window: so many messages are sent ahead.
            progress: shows a bar, if tqdm is installed.

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
            with TrainStream(self, *watched, window=window, deltas=detail) as stream:
                for chunk in chunks:
                    for message in rebatcher.add(chunk):
                        stream.send_samples(message)
                        totals.add(stream.ready(), bar)
                for message in rebatcher.finish():
                    stream.send_samples(message)
                totals.add(stream.flush(), bar)
        return totals.result(left_over=rebatcher.left_over, step=self.step)

    def stream(self, *replicas: Replica, **options: Any) -> TrainStream:  # noqa: ANN401  TrainStream's
        """A Train stream: `with session.stream(replica) as stream`; for options see TrainStream."""
        return TrainStream(self, *replicas, **options)

    def train_step(self, x: npt.ArrayLike, y: npt.ArrayLike) -> StepResult:
        """One step, typed by hand: x (batch_size, input_size) as the network sees it, scale not applied.

        Not repeated if the server can't be reached, for it may have been done.
        """
        samples = HandTypedSamples.of(x, y, self.spec).samples
        request = rpc.TrainStepRequest(session_id=self.session_id, samples=samples)
        answer = self.client.call(self.client.stub.TrainStep, request, repeat=False, trains=self.session_id)
        return step_result_of(answer, self.spec, self.layout)

    def watch(self, *replicas: Replica, after_step: int | None = None) -> Watch:
        """Follows the session: `with session.watch(replica) as watch: for batch in watch`; see Watch."""
        return Watch(self, *replicas, after_step=after_step)

    def predict(self, x: npt.ArrayLike) -> Float32:
        """The server's outputs for rows x, (n, input_size): (n, outputs)."""
        answer = self.client.call(self.client.stub.Predict, predict_request(self.session_id, x, self.spec))
        return np.array(answer.outputs, dtype=np.float32).reshape(-1, self.spec.layers[-1].size)

    def evaluate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Evaluation:
        """Error and accuracy over samples; x and y as in train()."""
        samples = samples_of(x, y, self.spec)
        rows = rows_per_message(self.spec, self.layout)

        def attempt() -> Evaluation:
            requests = evaluate_requests(self.session_id, samples, rows)
            stub: Any = self.client.stub.Evaluate
            return evaluation_of(answer_of(lambda: stub.future(requests, metadata=self.client.metadata)))

        return self.client.repeat(attempt)

    def weights(self, *, with_state: bool = False) -> Anchor:
        """All weights as they are at one step; with the optimiser's state for a replica."""
        request = rpc.GetWeightsRequest(session_id=self.session_id, with_state=with_state)

        def attempt() -> Anchor:
            reader = AnchorReader(with_state=with_state, state_count=self.layout.state_count)
            chunks: Call[rpc.GetWeightsRequest, rpc.GetWeightsResponse]
            with Call(lambda _: self.client.stub.GetWeights(request, metadata=self.client.metadata)) as chunks:
                chunks.begin()
                while (chunk := finish(chunks.receive())) is not None:
                    reader.add(chunk)
            return reader.finish()

        return self.client.repeat(attempt)

    def replica(self, *, check_digests: bool = True) -> Replica:
        """A replica at the session's present step."""
        return Replica(self.spec, self.layout, self.weights(with_state=True), check_digests=check_digests)
