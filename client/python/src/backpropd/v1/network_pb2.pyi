# SPDX-License-Identifier: Apache-2.0
from backpropd.v1 import options_pb2 as _options_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ACTIVATION_ELU: Activation
ACTIVATION_GELU: Activation
ACTIVATION_IDENTITY: Activation
ACTIVATION_LEAKY_RELU: Activation
ACTIVATION_RELU: Activation
ACTIVATION_SIGMOID: Activation
ACTIVATION_SOFTMAX: Activation
ACTIVATION_SOFTPLUS: Activation
ACTIVATION_TANH: Activation
ACTIVATION_UNSPECIFIED: Activation
DELTA_FORM_DENSE: DeltaForm
DELTA_FORM_FACTORED: DeltaForm
DELTA_FORM_UNSPECIFIED: DeltaForm
DESCRIPTOR: _descriptor.FileDescriptor
DURABILITY_MODE_DURABLE: DurabilityMode
DURABILITY_MODE_MEMORY: DurabilityMode
DURABILITY_MODE_UNSPECIFIED: DurabilityMode
ELEMENT_TYPE_FLOAT32: ElementType
ELEMENT_TYPE_UINT8: ElementType
ELEMENT_TYPE_UNSPECIFIED: ElementType
FACTOR_KIND_DELTA: FactorKind
FACTOR_KIND_GRADIENT: FactorKind
FACTOR_KIND_UNSPECIFIED: FactorKind
INITIALISER_KIND_CONSTANT: InitialiserKind
INITIALISER_KIND_GLOROT_NORMAL: InitialiserKind
INITIALISER_KIND_GLOROT_UNIFORM: InitialiserKind
INITIALISER_KIND_HE_NORMAL: InitialiserKind
INITIALISER_KIND_HE_UNIFORM: InitialiserKind
INITIALISER_KIND_LECUN_NORMAL: InitialiserKind
INITIALISER_KIND_LECUN_UNIFORM: InitialiserKind
INITIALISER_KIND_NORMAL: InitialiserKind
INITIALISER_KIND_ORTHOGONAL: InitialiserKind
INITIALISER_KIND_TORCH_LINEAR: InitialiserKind
INITIALISER_KIND_UNIFORM: InitialiserKind
INITIALISER_KIND_UNSPECIFIED: InitialiserKind
INITIALISER_KIND_ZEROS: InitialiserKind
LOSS_BINARY_CROSS_ENTROPY: Loss
LOSS_CROSS_ENTROPY: Loss
LOSS_HALF_SQUARED_ERROR: Loss
LOSS_HUBER: Loss
LOSS_MEAN_ABSOLUTE_ERROR: Loss
LOSS_MEAN_SQUARED_ERROR: Loss
LOSS_POISSON: Loss
LOSS_UNSPECIFIED: Loss
RULE_ADAGRAD: Rule
RULE_ADAM: Rule
RULE_LION: Rule
RULE_MOMENTUM: Rule
RULE_NESTEROV: Rule
RULE_NONE: Rule
RULE_RMS_PROP: Rule
RULE_SGD: Rule
RULE_UNSPECIFIED: Rule

class Adagrad(_message.Message):
    __slots__ = ["epsilon"]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    epsilon: float
    def __init__(self, epsilon: _Optional[float] = ...) -> None: ...

class Adam(_message.Message):
    __slots__ = ["beta1", "beta2", "epsilon"]
    BETA1_FIELD_NUMBER: _ClassVar[int]
    BETA2_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    beta1: float
    beta2: float
    epsilon: float
    def __init__(self, beta1: _Optional[float] = ..., beta2: _Optional[float] = ..., epsilon: _Optional[float] = ...) -> None: ...

class CosineDecay(_message.Message):
    __slots__ = ["min_rate", "period_factor", "period_steps", "restarts"]
    MIN_RATE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FACTOR_FIELD_NUMBER: _ClassVar[int]
    PERIOD_STEPS_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    min_rate: float
    period_factor: float
    period_steps: int
    restarts: bool
    def __init__(self, period_steps: _Optional[int] = ..., min_rate: _Optional[float] = ..., restarts: bool = ..., period_factor: _Optional[float] = ...) -> None: ...

class Durability(_message.Message):
    __slots__ = ["max_lag", "mode"]
    MAX_LAG_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    max_lag: _duration_pb2.Duration
    mode: DurabilityMode
    def __init__(self, mode: _Optional[_Union[DurabilityMode, str]] = ..., max_lag: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExponentialDecay(_message.Message):
    __slots__ = ["factor"]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    factor: float
    def __init__(self, factor: _Optional[float] = ...) -> None: ...

class GradientClipping(_message.Message):
    __slots__ = ["max_norm", "max_value"]
    MAX_NORM_FIELD_NUMBER: _ClassVar[int]
    MAX_VALUE_FIELD_NUMBER: _ClassVar[int]
    max_norm: float
    max_value: float
    def __init__(self, max_norm: _Optional[float] = ..., max_value: _Optional[float] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ["max_age", "max_bytes", "max_steps"]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    max_age: _duration_pb2.Duration
    max_bytes: int
    max_steps: int
    def __init__(self, max_steps: _Optional[int] = ..., max_age: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class Initialiser(_message.Message):
    __slots__ = ["kind", "seed", "value"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: InitialiserKind
    seed: int
    value: float
    def __init__(self, kind: _Optional[_Union[InitialiserKind, str]] = ..., seed: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...

class InputFormat(_message.Message):
    __slots__ = ["element_type", "scale", "standardisation"]
    ELEMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    STANDARDISATION_FIELD_NUMBER: _ClassVar[int]
    element_type: ElementType
    scale: float
    standardisation: Standardisation
    def __init__(self, element_type: _Optional[_Union[ElementType, str]] = ..., scale: _Optional[float] = ..., standardisation: _Optional[_Union[Standardisation, _Mapping]] = ...) -> None: ...

class InverseTimeDecay(_message.Message):
    __slots__ = ["rate"]
    RATE_FIELD_NUMBER: _ClassVar[int]
    rate: float
    def __init__(self, rate: _Optional[float] = ...) -> None: ...

class Layer(_message.Message):
    __slots__ = ["activation", "delta_form", "dropout", "negative_scale", "size"]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    DELTA_FORM_FIELD_NUMBER: _ClassVar[int]
    DROPOUT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_SCALE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    activation: Activation
    delta_form: DeltaForm
    dropout: float
    negative_scale: float
    size: int
    def __init__(self, size: _Optional[int] = ..., activation: _Optional[_Union[Activation, str]] = ..., negative_scale: _Optional[float] = ..., dropout: _Optional[float] = ..., delta_form: _Optional[_Union[DeltaForm, str]] = ...) -> None: ...

class LayerLayout(_message.Message):
    __slots__ = ["bias_begin", "delta_begin", "delta_form", "delta_length", "inputs", "outputs", "weights_begin"]
    BIAS_BEGIN_FIELD_NUMBER: _ClassVar[int]
    DELTA_BEGIN_FIELD_NUMBER: _ClassVar[int]
    DELTA_FORM_FIELD_NUMBER: _ClassVar[int]
    DELTA_LENGTH_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_BEGIN_FIELD_NUMBER: _ClassVar[int]
    bias_begin: int
    delta_begin: int
    delta_form: DeltaForm
    delta_length: int
    inputs: int
    outputs: int
    weights_begin: int
    def __init__(self, inputs: _Optional[int] = ..., outputs: _Optional[int] = ..., weights_begin: _Optional[int] = ..., bias_begin: _Optional[int] = ..., delta_form: _Optional[_Union[DeltaForm, str]] = ..., delta_begin: _Optional[int] = ..., delta_length: _Optional[int] = ...) -> None: ...

class Layout(_message.Message):
    __slots__ = ["delta_row_length", "factor_kind", "layers", "rule", "scalar_count", "state_count", "weight_count"]
    DELTA_ROW_LENGTH_FIELD_NUMBER: _ClassVar[int]
    FACTOR_KIND_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    SCALAR_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_COUNT_FIELD_NUMBER: _ClassVar[int]
    delta_row_length: int
    factor_kind: FactorKind
    layers: _containers.RepeatedCompositeFieldContainer[LayerLayout]
    rule: Rule
    scalar_count: int
    state_count: int
    weight_count: int
    def __init__(self, layers: _Optional[_Iterable[_Union[LayerLayout, _Mapping]]] = ..., weight_count: _Optional[int] = ..., delta_row_length: _Optional[int] = ..., factor_kind: _Optional[_Union[FactorKind, str]] = ..., scalar_count: _Optional[int] = ..., state_count: _Optional[int] = ..., rule: _Optional[_Union[Rule, str]] = ...) -> None: ...

class Lion(_message.Message):
    __slots__ = ["beta1", "beta2"]
    BETA1_FIELD_NUMBER: _ClassVar[int]
    BETA2_FIELD_NUMBER: _ClassVar[int]
    beta1: float
    beta2: float
    def __init__(self, beta1: _Optional[float] = ..., beta2: _Optional[float] = ...) -> None: ...

class Optimiser(_message.Message):
    __slots__ = ["adagrad", "adam", "clipping", "decoupled_decay", "l1", "l2", "learning_rate", "lion", "rms_prop", "schedule", "sgd"]
    ADAGRAD_FIELD_NUMBER: _ClassVar[int]
    ADAM_FIELD_NUMBER: _ClassVar[int]
    CLIPPING_FIELD_NUMBER: _ClassVar[int]
    DECOUPLED_DECAY_FIELD_NUMBER: _ClassVar[int]
    L1_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    LION_FIELD_NUMBER: _ClassVar[int]
    RMS_PROP_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    SGD_FIELD_NUMBER: _ClassVar[int]
    adagrad: Adagrad
    adam: Adam
    clipping: GradientClipping
    decoupled_decay: float
    l1: float
    l2: float
    learning_rate: float
    lion: Lion
    rms_prop: RmsProp
    schedule: Schedule
    sgd: Sgd
    def __init__(self, sgd: _Optional[_Union[Sgd, _Mapping]] = ..., adagrad: _Optional[_Union[Adagrad, _Mapping]] = ..., rms_prop: _Optional[_Union[RmsProp, _Mapping]] = ..., adam: _Optional[_Union[Adam, _Mapping]] = ..., lion: _Optional[_Union[Lion, _Mapping]] = ..., learning_rate: _Optional[float] = ..., schedule: _Optional[_Union[Schedule, _Mapping]] = ..., l2: _Optional[float] = ..., l1: _Optional[float] = ..., decoupled_decay: _Optional[float] = ..., clipping: _Optional[_Union[GradientClipping, _Mapping]] = ...) -> None: ...

class PolynomialDecay(_message.Message):
    __slots__ = ["end_rate", "power", "steps"]
    END_RATE_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    end_rate: float
    power: float
    steps: int
    def __init__(self, steps: _Optional[int] = ..., end_rate: _Optional[float] = ..., power: _Optional[float] = ...) -> None: ...

class ReduceOnPlateau(_message.Message):
    __slots__ = ["factor", "min_rate", "patience", "threshold", "window_steps"]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    MIN_RATE_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    WINDOW_STEPS_FIELD_NUMBER: _ClassVar[int]
    factor: float
    min_rate: float
    patience: int
    threshold: float
    window_steps: int
    def __init__(self, window_steps: _Optional[int] = ..., factor: _Optional[float] = ..., patience: _Optional[int] = ..., threshold: _Optional[float] = ..., min_rate: _Optional[float] = ...) -> None: ...

class RmsProp(_message.Message):
    __slots__ = ["decay", "epsilon"]
    DECAY_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    decay: float
    epsilon: float
    def __init__(self, decay: _Optional[float] = ..., epsilon: _Optional[float] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ["cosine", "exponential", "inverse_time", "plateau", "polynomial", "step", "warmup_steps"]
    COSINE_FIELD_NUMBER: _ClassVar[int]
    EXPONENTIAL_FIELD_NUMBER: _ClassVar[int]
    INVERSE_TIME_FIELD_NUMBER: _ClassVar[int]
    PLATEAU_FIELD_NUMBER: _ClassVar[int]
    POLYNOMIAL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    cosine: CosineDecay
    exponential: ExponentialDecay
    inverse_time: InverseTimeDecay
    plateau: ReduceOnPlateau
    polynomial: PolynomialDecay
    step: StepDecay
    warmup_steps: int
    def __init__(self, step: _Optional[_Union[StepDecay, _Mapping]] = ..., exponential: _Optional[_Union[ExponentialDecay, _Mapping]] = ..., polynomial: _Optional[_Union[PolynomialDecay, _Mapping]] = ..., inverse_time: _Optional[_Union[InverseTimeDecay, _Mapping]] = ..., cosine: _Optional[_Union[CosineDecay, _Mapping]] = ..., plateau: _Optional[_Union[ReduceOnPlateau, _Mapping]] = ..., warmup_steps: _Optional[int] = ...) -> None: ...

class SessionSpec(_message.Message):
    __slots__ = ["batch_size", "class_weights", "digest_every", "display_name", "dropout_seed", "durability", "expire_after", "history", "huber_delta", "initialiser", "input", "input_size", "label_smoothing", "layers", "loss", "optimiser"]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    CLASS_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_EVERY_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DROPOUT_SEED_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_AFTER_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    HUBER_DELTA_FIELD_NUMBER: _ClassVar[int]
    INITIALISER_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    INPUT_SIZE_FIELD_NUMBER: _ClassVar[int]
    LABEL_SMOOTHING_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    OPTIMISER_FIELD_NUMBER: _ClassVar[int]
    batch_size: int
    class_weights: _containers.RepeatedScalarFieldContainer[float]
    digest_every: int
    display_name: str
    dropout_seed: int
    durability: Durability
    expire_after: _duration_pb2.Duration
    history: History
    huber_delta: float
    initialiser: Initialiser
    input: InputFormat
    input_size: int
    label_smoothing: float
    layers: _containers.RepeatedCompositeFieldContainer[Layer]
    loss: Loss
    optimiser: Optimiser
    def __init__(self, input_size: _Optional[int] = ..., layers: _Optional[_Iterable[_Union[Layer, _Mapping]]] = ..., loss: _Optional[_Union[Loss, str]] = ..., optimiser: _Optional[_Union[Optimiser, _Mapping]] = ..., batch_size: _Optional[int] = ..., initialiser: _Optional[_Union[Initialiser, _Mapping]] = ..., input: _Optional[_Union[InputFormat, _Mapping]] = ..., digest_every: _Optional[int] = ..., label_smoothing: _Optional[float] = ..., class_weights: _Optional[_Iterable[float]] = ..., huber_delta: _Optional[float] = ..., dropout_seed: _Optional[int] = ..., display_name: _Optional[str] = ..., durability: _Optional[_Union[Durability, _Mapping]] = ..., expire_after: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., history: _Optional[_Union[History, _Mapping]] = ...) -> None: ...

class Sgd(_message.Message):
    __slots__ = ["momentum", "nesterov"]
    MOMENTUM_FIELD_NUMBER: _ClassVar[int]
    NESTEROV_FIELD_NUMBER: _ClassVar[int]
    momentum: float
    nesterov: bool
    def __init__(self, momentum: _Optional[float] = ..., nesterov: bool = ...) -> None: ...

class Standardisation(_message.Message):
    __slots__ = ["factor", "learn_samples", "mean", "min_deviation"]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    LEARN_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MIN_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    factor: _containers.RepeatedScalarFieldContainer[float]
    learn_samples: int
    mean: _containers.RepeatedScalarFieldContainer[float]
    min_deviation: float
    def __init__(self, mean: _Optional[_Iterable[float]] = ..., factor: _Optional[_Iterable[float]] = ..., learn_samples: _Optional[int] = ..., min_deviation: _Optional[float] = ...) -> None: ...

class StepDecay(_message.Message):
    __slots__ = ["every", "factor"]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    every: int
    factor: float
    def __init__(self, every: _Optional[int] = ..., factor: _Optional[float] = ...) -> None: ...

class Activation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Loss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ElementType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class InitialiserKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DurabilityMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DeltaForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Rule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class FactorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
