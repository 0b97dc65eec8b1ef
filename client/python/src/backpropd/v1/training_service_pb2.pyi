# SPDX-License-Identifier: Apache-2.0
from backpropd.v1 import delta_pb2 as _delta_pb2
from backpropd.v1 import network_pb2 as _network_pb2
from backpropd.v1 import options_pb2 as _options_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DELTA_DETAIL_DENSE: DeltaDetail
DELTA_DETAIL_FACTORS: DeltaDetail
DELTA_DETAIL_NONE: DeltaDetail
DELTA_DETAIL_UNSPECIFIED: DeltaDetail
DESCRIPTOR: _descriptor.FileDescriptor
ERROR_REASON_CHECKPOINT_EXISTS: ErrorReason
ERROR_REASON_CHECKPOINT_NOT_FOUND: ErrorReason
ERROR_REASON_EPOCH_OVER: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_NON_FINITE_OUTPUT: ErrorReason
ERROR_REASON_NON_FINITE_STEP: ErrorReason
ERROR_REASON_NOT_READY: ErrorReason
ERROR_REASON_NO_STORE: ErrorReason
ERROR_REASON_OFFSET_GAP: ErrorReason
ERROR_REASON_QUEUE_LIMIT: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_SAMPLES_DIFFER: ErrorReason
ERROR_REASON_SESSION_BUSY: ErrorReason
ERROR_REASON_SESSION_DAMAGED: ErrorReason
ERROR_REASON_SESSION_HAS_WRITER: ErrorReason
ERROR_REASON_SESSION_LIMIT: ErrorReason
ERROR_REASON_SESSION_NOT_FOUND: ErrorReason
ERROR_REASON_SHUTTING_DOWN: ErrorReason
ERROR_REASON_STEP_NOT_HELD: ErrorReason
ERROR_REASON_STEP_NOT_KEPT: ErrorReason
ERROR_REASON_STEP_NOT_REACHED: ErrorReason
ERROR_REASON_STORE_FAILED: ErrorReason
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_WRITER_REPLACED: ErrorReason

class Anchor(_message.Message):
    __slots__ = ["continuation", "digest", "next_offset", "standardisation", "state", "step", "weights"]
    CONTINUATION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    STANDARDISATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    continuation: Continuation
    digest: int
    next_offset: int
    standardisation: _network_pb2.Standardisation
    state: bytes
    step: int
    weights: bytes
    def __init__(self, step: _Optional[int] = ..., next_offset: _Optional[int] = ..., weights: _Optional[bytes] = ..., state: _Optional[bytes] = ..., digest: _Optional[int] = ..., standardisation: _Optional[_Union[_network_pb2.Standardisation, _Mapping]] = ..., continuation: _Optional[_Union[Continuation, _Mapping]] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ["create_time", "digest", "epoch", "expire_time", "name", "next_offset", "pinned", "session_id", "step", "stored_bytes"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    digest: int
    epoch: int
    expire_time: _timestamp_pb2.Timestamp
    name: str
    next_offset: int
    pinned: bool
    session_id: str
    step: int
    stored_bytes: int
    def __init__(self, session_id: _Optional[str] = ..., name: _Optional[str] = ..., step: _Optional[int] = ..., next_offset: _Optional[int] = ..., epoch: _Optional[int] = ..., digest: _Optional[int] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., pinned: bool = ..., stored_bytes: _Optional[int] = ...) -> None: ...

class ComputeInfo(_message.Message):
    __slots__ = ["blas", "blas_kernels", "instruction_set", "threads"]
    BLAS_FIELD_NUMBER: _ClassVar[int]
    BLAS_KERNELS_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_SET_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    blas: str
    blas_kernels: str
    instruction_set: str
    threads: int
    def __init__(self, threads: _Optional[int] = ..., instruction_set: _Optional[str] = ..., blas: _Optional[str] = ..., blas_kernels: _Optional[str] = ...) -> None: ...

class Continuation(_message.Message):
    __slots__ = ["learning", "plateau", "rule", "schedule_age", "state_age"]
    LEARNING_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_AGE_FIELD_NUMBER: _ClassVar[int]
    STATE_AGE_FIELD_NUMBER: _ClassVar[int]
    learning: StandardisationSums
    plateau: PlateauPosition
    rule: _network_pb2.Rule
    schedule_age: int
    state_age: int
    def __init__(self, state_age: _Optional[int] = ..., schedule_age: _Optional[int] = ..., plateau: _Optional[_Union[PlateauPosition, _Mapping]] = ..., learning: _Optional[_Union[StandardisationSums, _Mapping]] = ..., rule: _Optional[_Union[_network_pb2.Rule, str]] = ...) -> None: ...

class CreateCheckpointRequest(_message.Message):
    __slots__ = ["expire_after", "name", "pinned", "session_id"]
    EXPIRE_AFTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    expire_after: _duration_pb2.Duration
    name: str
    pinned: bool
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., name: _Optional[str] = ..., expire_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., pinned: bool = ...) -> None: ...

class CreateCheckpointResponse(_message.Message):
    __slots__ = ["checkpoint"]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: Checkpoint
    def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class CreateSessionRequest(_message.Message):
    __slots__ = ["fork", "initial", "request_id", "spec"]
    FORK_FIELD_NUMBER: _ClassVar[int]
    INITIAL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    fork: Fork
    initial: Anchor
    request_id: str
    spec: _network_pb2.SessionSpec
    def __init__(self, spec: _Optional[_Union[_network_pb2.SessionSpec, _Mapping]] = ..., initial: _Optional[_Union[Anchor, _Mapping]] = ..., request_id: _Optional[str] = ..., fork: _Optional[_Union[Fork, _Mapping]] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ["session"]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class DeleteCheckpointRequest(_message.Message):
    __slots__ = ["name", "session_id"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteCheckpointResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ["session_id"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ["classes", "inputs", "session_id", "targets"]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    classes: _containers.RepeatedScalarFieldContainer[int]
    inputs: bytes
    session_id: str
    targets: bytes
    def __init__(self, session_id: _Optional[str] = ..., inputs: _Optional[bytes] = ..., targets: _Optional[bytes] = ..., classes: _Optional[_Iterable[int]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ["accuracy", "error", "first_step", "last_step", "plain_error", "samples"]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    LAST_STEP_FIELD_NUMBER: _ClassVar[int]
    PLAIN_ERROR_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    accuracy: float
    error: float
    first_step: int
    last_step: int
    plain_error: float
    samples: int
    def __init__(self, samples: _Optional[int] = ..., error: _Optional[float] = ..., accuracy: _Optional[float] = ..., first_step: _Optional[int] = ..., last_step: _Optional[int] = ..., plain_error: _Optional[float] = ...) -> None: ...

class Fork(_message.Message):
    __slots__ = ["checkpoint", "session_id", "with_state"]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    session_id: str
    with_state: bool
    def __init__(self, session_id: _Optional[str] = ..., with_state: bool = ..., checkpoint: _Optional[str] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ["compute", "grpc_version", "limits", "start_time", "version"]
    COMPUTE_FIELD_NUMBER: _ClassVar[int]
    GRPC_VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    compute: ComputeInfo
    grpc_version: str
    limits: ServerLimits
    start_time: _timestamp_pb2.Timestamp
    version: str
    def __init__(self, version: _Optional[str] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., compute: _Optional[_Union[ComputeInfo, _Mapping]] = ..., limits: _Optional[_Union[ServerLimits, _Mapping]] = ..., grpc_version: _Optional[str] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ["session_id"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ["session"]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class GetWeightsRequest(_message.Message):
    __slots__ = ["session_id", "with_state"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    with_state: bool
    def __init__(self, session_id: _Optional[str] = ..., with_state: bool = ...) -> None: ...

class GetWeightsResponse(_message.Message):
    __slots__ = ["continuation", "digest", "epoch", "first_weight", "next_offset", "spec", "standardisation", "step", "weight_count", "weights"]
    CONTINUATION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STANDARDISATION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    continuation: Continuation
    digest: int
    epoch: int
    first_weight: int
    next_offset: int
    spec: _network_pb2.SessionSpec
    standardisation: _network_pb2.Standardisation
    step: int
    weight_count: int
    weights: bytes
    def __init__(self, step: _Optional[int] = ..., next_offset: _Optional[int] = ..., digest: _Optional[int] = ..., weight_count: _Optional[int] = ..., first_weight: _Optional[int] = ..., weights: _Optional[bytes] = ..., standardisation: _Optional[_Union[_network_pb2.Standardisation, _Mapping]] = ..., continuation: _Optional[_Union[Continuation, _Mapping]] = ..., spec: _Optional[_Union[_network_pb2.SessionSpec, _Mapping]] = ..., epoch: _Optional[int] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "session_id"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ["checkpoints", "next_page_token"]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[Checkpoint]
    next_page_token: str
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[Checkpoint, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ["page_size", "page_token"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ["next_page_token", "sessions"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PlateauPosition(_message.Message):
    __slots__ = ["bad_windows", "best", "rate", "window_steps", "window_sum"]
    BAD_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_STEPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SUM_FIELD_NUMBER: _ClassVar[int]
    bad_windows: int
    best: float
    rate: float
    window_steps: int
    window_sum: float
    def __init__(self, window_sum: _Optional[float] = ..., window_steps: _Optional[int] = ..., best: _Optional[float] = ..., bad_windows: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ["inputs", "session_id", "values"]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    inputs: bytes
    session_id: str
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, session_id: _Optional[str] = ..., inputs: _Optional[bytes] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ["outputs", "step"]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedScalarFieldContainer[float]
    step: int
    def __init__(self, step: _Optional[int] = ..., outputs: _Optional[_Iterable[float]] = ...) -> None: ...

class ReplicaPosition(_message.Message):
    __slots__ = ["epoch", "step"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    step: int
    def __init__(self, epoch: _Optional[int] = ..., step: _Optional[int] = ...) -> None: ...

class RewindSessionRequest(_message.Message):
    __slots__ = ["checkpoint", "session_id", "step"]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    session_id: str
    step: int
    def __init__(self, session_id: _Optional[str] = ..., checkpoint: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class RewindSessionResponse(_message.Message):
    __slots__ = ["session"]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class Sample(_message.Message):
    __slots__ = ["class_number", "inputs", "targets"]
    CLASS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    class_number: int
    inputs: _containers.RepeatedScalarFieldContainer[float]
    targets: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, inputs: _Optional[_Iterable[float]] = ..., targets: _Optional[_Iterable[float]] = ..., class_number: _Optional[int] = ...) -> None: ...

class ServerLimits(_message.Message):
    __slots__ = ["max_held_bytes", "max_message_bytes", "max_pending_calls", "max_queued_bytes", "max_session_weights", "max_sessions", "max_total_weights", "max_undurable_bytes", "max_watched_bytes"]
    MAX_HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PENDING_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_SESSION_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MAX_TOTAL_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MAX_UNDURABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_WATCHED_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_held_bytes: int
    max_message_bytes: int
    max_pending_calls: int
    max_queued_bytes: int
    max_session_weights: int
    max_sessions: int
    max_total_weights: int
    max_undurable_bytes: int
    max_watched_bytes: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_sessions: _Optional[int] = ..., max_session_weights: _Optional[int] = ..., max_total_weights: _Optional[int] = ..., max_queued_bytes: _Optional[int] = ..., max_watched_bytes: _Optional[int] = ..., max_pending_calls: _Optional[int] = ..., max_undurable_bytes: _Optional[int] = ..., max_held_bytes: _Optional[int] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ["create_time", "damage", "durable_offset", "durable_step", "epoch", "expire_time", "forked_from", "has_writer", "history_first_step", "layout", "learning_rate", "next_offset", "resident", "resident_bytes", "session_id", "spec", "step", "stored_bytes"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    DURABLE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DURABLE_STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    FORKED_FROM_FIELD_NUMBER: _ClassVar[int]
    HAS_WRITER_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    damage: str
    durable_offset: int
    durable_step: int
    epoch: int
    expire_time: _timestamp_pb2.Timestamp
    forked_from: str
    has_writer: bool
    history_first_step: int
    layout: _network_pb2.Layout
    learning_rate: float
    next_offset: int
    resident: bool
    resident_bytes: int
    session_id: str
    spec: _network_pb2.SessionSpec
    step: int
    stored_bytes: int
    def __init__(self, session_id: _Optional[str] = ..., spec: _Optional[_Union[_network_pb2.SessionSpec, _Mapping]] = ..., layout: _Optional[_Union[_network_pb2.Layout, _Mapping]] = ..., step: _Optional[int] = ..., next_offset: _Optional[int] = ..., has_writer: bool = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., learning_rate: _Optional[float] = ..., forked_from: _Optional[str] = ..., epoch: _Optional[int] = ..., durable_step: _Optional[int] = ..., durable_offset: _Optional[int] = ..., resident: bool = ..., resident_bytes: _Optional[int] = ..., stored_bytes: _Optional[int] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., history_first_step: _Optional[int] = ..., damage: _Optional[str] = ...) -> None: ...

class StandardisationSums(_message.Message):
    __slots__ = ["largest", "least", "mean", "samples", "spread"]
    LARGEST_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    largest: _containers.RepeatedScalarFieldContainer[float]
    least: _containers.RepeatedScalarFieldContainer[float]
    mean: _containers.RepeatedScalarFieldContainer[float]
    samples: int
    spread: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, samples: _Optional[int] = ..., mean: _Optional[_Iterable[float]] = ..., spread: _Optional[_Iterable[float]] = ..., least: _Optional[_Iterable[float]] = ..., largest: _Optional[_Iterable[float]] = ...) -> None: ...

class TrainOptions(_message.Message):
    __slots__ = ["coalesce", "deltas", "hold_answers", "tell_durable", "want_outputs"]
    COALESCE_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    HOLD_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    TELL_DURABLE_FIELD_NUMBER: _ClassVar[int]
    WANT_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    coalesce: bool
    deltas: DeltaDetail
    hold_answers: bool
    tell_durable: bool
    want_outputs: bool
    def __init__(self, deltas: _Optional[_Union[DeltaDetail, str]] = ..., want_outputs: bool = ..., coalesce: bool = ..., tell_durable: bool = ..., hold_answers: bool = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ["classes", "inputs", "offset", "options", "received_offset", "replica", "sample_weights", "session_id", "takeover", "targets", "want_digest", "when_durable"]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_OFFSET_FIELD_NUMBER: _ClassVar[int]
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEOVER_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    WANT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WHEN_DURABLE_FIELD_NUMBER: _ClassVar[int]
    classes: _containers.RepeatedScalarFieldContainer[int]
    inputs: bytes
    offset: int
    options: TrainOptions
    received_offset: int
    replica: ReplicaPosition
    sample_weights: _containers.RepeatedScalarFieldContainer[float]
    session_id: str
    takeover: bool
    targets: bytes
    want_digest: bool
    when_durable: bool
    def __init__(self, session_id: _Optional[str] = ..., offset: _Optional[int] = ..., inputs: _Optional[bytes] = ..., targets: _Optional[bytes] = ..., classes: _Optional[_Iterable[int]] = ..., want_digest: bool = ..., sample_weights: _Optional[_Iterable[float]] = ..., options: _Optional[_Union[TrainOptions, _Mapping]] = ..., replica: _Optional[_Union[ReplicaPosition, _Mapping]] = ..., when_durable: bool = ..., takeover: bool = ..., received_offset: _Optional[int] = ...) -> None: ...

class TrainResponse(_message.Message):
    __slots__ = ["base_step", "deltas", "digests", "durable_news", "durable_offset", "durable_step", "epoch", "errors", "first_message_number", "goodbye", "gradient_norms", "held", "message_done", "message_number", "next_offset", "outputs", "rejection", "resync", "scalars", "skipped_samples", "standardisation", "step"]
    BASE_STEP_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_NEWS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DURABLE_STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    FIRST_MESSAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORMS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_DONE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    SCALARS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    STANDARDISATION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    base_step: int
    deltas: bytes
    digests: _containers.RepeatedCompositeFieldContainer[_delta_pb2.StepDigest]
    durable_news: bool
    durable_offset: int
    durable_step: int
    epoch: int
    errors: _containers.RepeatedScalarFieldContainer[float]
    first_message_number: int
    goodbye: bool
    gradient_norms: _containers.RepeatedScalarFieldContainer[float]
    held: bool
    message_done: bool
    message_number: int
    next_offset: int
    outputs: bytes
    rejection: _status_pb2.Status
    resync: bool
    scalars: bytes
    skipped_samples: int
    standardisation: _network_pb2.Standardisation
    step: int
    def __init__(self, message_number: _Optional[int] = ..., message_done: bool = ..., base_step: _Optional[int] = ..., step: _Optional[int] = ..., next_offset: _Optional[int] = ..., errors: _Optional[_Iterable[float]] = ..., deltas: _Optional[bytes] = ..., digests: _Optional[_Iterable[_Union[_delta_pb2.StepDigest, _Mapping]]] = ..., skipped_samples: _Optional[int] = ..., rejection: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., goodbye: bool = ..., scalars: _Optional[bytes] = ..., outputs: _Optional[bytes] = ..., gradient_norms: _Optional[_Iterable[float]] = ..., standardisation: _Optional[_Union[_network_pb2.Standardisation, _Mapping]] = ..., first_message_number: _Optional[int] = ..., epoch: _Optional[int] = ..., durable_step: _Optional[int] = ..., durable_offset: _Optional[int] = ..., resync: bool = ..., durable_news: bool = ..., held: bool = ...) -> None: ...

class TrainStepRequest(_message.Message):
    __slots__ = ["request_id", "samples", "session_id"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    samples: _containers.RepeatedCompositeFieldContainer[Sample]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ..., samples: _Optional[_Iterable[_Union[Sample, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class TrainStepResponse(_message.Message):
    __slots__ = ["already_applied", "deltas", "digest", "epoch", "error", "outputs", "step"]
    ALREADY_APPLIED_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    already_applied: bool
    deltas: _containers.RepeatedCompositeFieldContainer[_delta_pb2.LayerDelta]
    digest: int
    epoch: int
    error: float
    outputs: _containers.RepeatedScalarFieldContainer[float]
    step: int
    def __init__(self, step: _Optional[int] = ..., error: _Optional[float] = ..., outputs: _Optional[_Iterable[float]] = ..., deltas: _Optional[_Iterable[_Union[_delta_pb2.LayerDelta, _Mapping]]] = ..., digest: _Optional[int] = ..., epoch: _Optional[int] = ..., already_applied: bool = ...) -> None: ...

class UpdateCheckpointRequest(_message.Message):
    __slots__ = ["expire_after", "name", "pinned", "session_id", "update_mask"]
    EXPIRE_AFTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    expire_after: _duration_pb2.Duration
    name: str
    pinned: bool
    session_id: str
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, session_id: _Optional[str] = ..., name: _Optional[str] = ..., expire_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., pinned: bool = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateCheckpointResponse(_message.Message):
    __slots__ = ["checkpoint"]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: Checkpoint
    def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class UpdateSessionRequest(_message.Message):
    __slots__ = ["request_id", "session_id", "spec", "update_mask"]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    session_id: str
    spec: _network_pb2.SessionSpec
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, session_id: _Optional[str] = ..., spec: _Optional[_Union[_network_pb2.SessionSpec, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateSessionResponse(_message.Message):
    __slots__ = ["already_applied", "first_step", "session"]
    ALREADY_APPLIED_FIELD_NUMBER: _ClassVar[int]
    FIRST_STEP_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    already_applied: bool
    first_step: int
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., first_step: _Optional[int] = ..., already_applied: bool = ...) -> None: ...

class WatchDeltasRequest(_message.Message):
    __slots__ = ["after_step", "epoch", "session_id", "with_anchor", "with_state"]
    AFTER_STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_ANCHOR_FIELD_NUMBER: _ClassVar[int]
    WITH_STATE_FIELD_NUMBER: _ClassVar[int]
    after_step: int
    epoch: int
    session_id: str
    with_anchor: bool
    with_state: bool
    def __init__(self, session_id: _Optional[str] = ..., after_step: _Optional[int] = ..., with_anchor: bool = ..., with_state: bool = ..., epoch: _Optional[int] = ...) -> None: ...

class WatchDeltasResponse(_message.Message):
    __slots__ = ["anchor", "anchor_done", "base_step", "deltas", "digests", "epoch", "errors", "goodbye", "inputs", "inputs_are_values", "next_offset", "resync", "scalars", "session_deleted", "standardisation", "step"]
    ANCHOR_DONE_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_FIELD_NUMBER: _ClassVar[int]
    BASE_STEP_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_ARE_VALUES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    SCALARS_FIELD_NUMBER: _ClassVar[int]
    SESSION_DELETED_FIELD_NUMBER: _ClassVar[int]
    STANDARDISATION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    anchor: GetWeightsResponse
    anchor_done: bool
    base_step: int
    deltas: bytes
    digests: _containers.RepeatedCompositeFieldContainer[_delta_pb2.StepDigest]
    epoch: int
    errors: _containers.RepeatedScalarFieldContainer[float]
    goodbye: bool
    inputs: bytes
    inputs_are_values: bool
    next_offset: int
    resync: bool
    scalars: bytes
    session_deleted: bool
    standardisation: _network_pb2.Standardisation
    step: int
    def __init__(self, base_step: _Optional[int] = ..., step: _Optional[int] = ..., next_offset: _Optional[int] = ..., errors: _Optional[_Iterable[float]] = ..., deltas: _Optional[bytes] = ..., scalars: _Optional[bytes] = ..., inputs: _Optional[bytes] = ..., inputs_are_values: bool = ..., digests: _Optional[_Iterable[_Union[_delta_pb2.StepDigest, _Mapping]]] = ..., resync: bool = ..., session_deleted: bool = ..., goodbye: bool = ..., standardisation: _Optional[_Union[_network_pb2.Standardisation, _Mapping]] = ..., anchor: _Optional[_Union[GetWeightsResponse, _Mapping]] = ..., anchor_done: bool = ..., epoch: _Optional[int] = ...) -> None: ...

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DeltaDetail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
