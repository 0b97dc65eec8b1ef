# SPDX-License-Identifier: Apache-2.0
"""Train feed-forward networks on a backpropd server; keep a bit-identical replica here.

    from backpropd import TrainingClient, network, sgd

    with TrainingClient("localhost:50051") as client:
        session = client.create(network(2, [(8, "tanh"), (1, "sigmoid")], sgd(0.5)))
        replica = session.replica()
        session.train(x, y, replicas=[replica])
        replica.predict(x)

backpropd.aio holds the same for asyncio, backpropd.v1 the protocol's messages.
"""

from backpropd.backoff import NO_RETRY, AsyncClock, Clock, RetryPolicy
from backpropd.calls.evaluate import Evaluation
from backpropd.calls.train_step import StepResult
from backpropd.connection import Tls
from backpropd.errors import (
    AccessDeniedError,
    BackpropdError,
    CheckpointExistsError,
    CheckpointNotFoundError,
    DigestMismatchError,
    EpochOverError,
    FieldViolation,
    InvalidRequestError,
    NonFiniteOutputError,
    NonFiniteStepError,
    NoStoreError,
    NotReadyError,
    OffsetGapError,
    QueueLimitError,
    ReplicaError,
    ReplicaGapError,
    ReplicaInterruptedError,
    RequestIdReusedError,
    SamplesDifferError,
    SamplesLostError,
    ServerUnavailableError,
    SessionBusyError,
    SessionDamagedError,
    SessionHasWriterError,
    SessionLimitError,
    SessionNotFoundError,
    ShuttingDownError,
    StepNotHeldError,
    StepNotKeptError,
    StepNotReachedError,
    StoreFailedError,
    UnreachableError,
    WriterReplacedError,
)
from backpropd.replica import Anchor, DeltaBatch, Difference, Replica
from backpropd.resumed import Resumed
from backpropd.specs import adagrad, adam, layer, lion, network, rms_prop, sgd
from backpropd.sync.client import TrainingClient
from backpropd.sync.session import Session
from backpropd.sync.train_stream import TrainStream
from backpropd.sync.watch import Watch
from backpropd.trained import Trained
from backpropd.training_totals import TrainResult

__all__ = [
    "NO_RETRY",
    "AccessDeniedError",
    "Anchor",
    "AsyncClock",
    "BackpropdError",
    "CheckpointExistsError",
    "CheckpointNotFoundError",
    "Clock",
    "DeltaBatch",
    "Difference",
    "DigestMismatchError",
    "EpochOverError",
    "Evaluation",
    "FieldViolation",
    "InvalidRequestError",
    "NoStoreError",
    "NonFiniteOutputError",
    "NonFiniteStepError",
    "NotReadyError",
    "OffsetGapError",
    "QueueLimitError",
    "Replica",
    "ReplicaError",
    "ReplicaGapError",
    "ReplicaInterruptedError",
    "RequestIdReusedError",
    "Resumed",
    "RetryPolicy",
    "SamplesDifferError",
    "SamplesLostError",
    "ServerUnavailableError",
    "Session",
    "SessionBusyError",
    "SessionDamagedError",
    "SessionHasWriterError",
    "SessionLimitError",
    "SessionNotFoundError",
    "ShuttingDownError",
    "StepNotHeldError",
    "StepNotKeptError",
    "StepNotReachedError",
    "StepResult",
    "StoreFailedError",
    "Tls",
    "TrainResult",
    "TrainStream",
    "Trained",
    "TrainingClient",
    "UnreachableError",
    "Watch",
    "WriterReplacedError",
    "adagrad",
    "adam",
    "layer",
    "lion",
    "network",
    "rms_prop",
    "sgd",
]
