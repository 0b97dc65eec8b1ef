# SPDX-License-Identifier: Apache-2.0
"""Session specs in a few words; the messages of backpropd.v1 say everything that these don't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from backpropd.spans import Span, duration_of
from backpropd.v1 import network_pb2 as pb

LayerLike: TypeAlias = "pb.Layer | int | tuple[int, str]"
"""A size, (size, activation's name), or the message."""


def _named(enum: EnumTypeWrapper, prefix: str, name: str) -> Any:  # noqa: ANN401  an enum's number
    """The enum's number for `name`, such as "relu" for ACTIVATION_RELU."""
    names = {key.removeprefix(prefix).lower(): value for key, value in enum.items()}
    names.pop("unspecified", None)
    try:
        return names[name.lower()]
    except KeyError:
        raise ValueError(f"{name!r} is none of {', '.join(sorted(names))}.") from None


def layer(size: int, activation: str = "identity", **further: Any) -> pb.Layer:  # noqa: ANN401  fields of Layer
    """A layer; `further` are fields of the message Layer, such as dropout=0.2."""
    return pb.Layer(size=size, activation=_named(pb.Activation, "ACTIVATION_", activation), **further)


def sgd(learning_rate: float, *, momentum: float = 0, nesterov: bool = False, **further: Any) -> pb.Optimiser:  # noqa: ANN401
    """Stochastic gradient descent; `further` are fields of the message Optimiser, as for all below."""
    return pb.Optimiser(sgd=pb.Sgd(momentum=momentum, nesterov=nesterov), learning_rate=learning_rate, **further)


def adagrad(learning_rate: float, *, epsilon: float = 0, **further: Any) -> pb.Optimiser:  # noqa: ANN401
    """Adagrad."""
    return pb.Optimiser(adagrad=pb.Adagrad(epsilon=epsilon), learning_rate=learning_rate, **further)


def rms_prop(
    learning_rate: float,
    *,
    decay: float | None = None,
    epsilon: float = 0,
    **further: Any,  # noqa: ANN401
) -> pb.Optimiser:
    """RMSprop."""
    kind = pb.RmsProp(decay=decay, epsilon=epsilon)
    return pb.Optimiser(rms_prop=kind, learning_rate=learning_rate, **further)


def adam(
    learning_rate: float,
    *,
    beta1: float | None = None,
    beta2: float | None = None,
    epsilon: float = 0,
    **further: Any,  # noqa: ANN401
) -> pb.Optimiser:
    """Adam; AdamW with decoupled_decay=0.01."""
    kind = pb.Adam(beta1=beta1, beta2=beta2, epsilon=epsilon)
    return pb.Optimiser(adam=kind, learning_rate=learning_rate, **further)


def lion(
    learning_rate: float,
    *,
    beta1: float | None = None,
    beta2: float | None = None,
    **further: Any,  # noqa: ANN401
) -> pb.Optimiser:
    """Lion; its learning rate is 3 to 10 times as small as Adam's."""
    return pb.Optimiser(lion=pb.Lion(beta1=beta1, beta2=beta2), learning_rate=learning_rate, **further)


def network(
    input_size: int,
    layers: Sequence[LayerLike],
    optimiser: pb.Optimiser,
    *,
    loss: str = "half_squared_error",
    batch_size: int = 1,
    inputs: Literal["float32", "uint8"] = "float32",
    scale: float = 1,
    learn_standardisation: int = 0,
    min_deviation: float = 0,
    initialiser: str = "glorot_uniform",
    seed: int = 0,
    display_name: str = "",
    durability: Literal["memory", "durable"] | None = None,
    max_lag: Span | None = None,
    expire_after: Span | None = None,
    history: pb.History | int | None = None,
    further: Mapping[str, Any] | None = None,
) -> pb.SessionSpec:
    """A session's spec.

    Args:
        input_size: length of an input row.
        layers: from the first hidden one to the output.
        optimiser: by sgd(), adam() and so on.
        loss: a name such as "cross_entropy".
        batch_size: samples a step.
        inputs: how one number of an input row travels.
        scale: factor applied to each.
        learn_standardisation: so many samples are looked at first, to bring
            each input column to mean 0 and deviation 1. 0: none.
        min_deviation: the least that a column's deviation is learnt to be, so
            that nearly constant columns aren't blown up. 0: 1/64 of its range.
        initialiser: a name such as "he_normal".
        seed: for the initialiser.
        display_name: what people call the session; others may share it.
        durability: what survives the end of the server's process. None: durable
            where the server has a store.
        max_lag: a timedelta, or seconds, by which the disk may be behind the
            answers of a durable session, which it therefore makes. None: 20 ms.
        expire_after: a timedelta, or seconds, for which the session may stand
            idle before the server deletes it. None: for ever.
        history: which past steps are kept, so that the session can be taken back
            to any of them: so many of the last, or what the message says. None:
            none are.
        further: further fields of the message SessionSpec.

    Raises:
        ValueError: a name is unknown, a span is none, or a session in memory is
            given a lag.

    """
    made = [
        entry if isinstance(entry, pb.Layer) else layer(entry) if isinstance(entry, int) else layer(*entry)
        for entry in layers
    ]
    spec = pb.SessionSpec(
        input_size=input_size,
        layers=made,
        optimiser=optimiser,
        loss=_named(pb.Loss, "LOSS_", loss),
        batch_size=batch_size,
        initialiser=pb.Initialiser(kind=_named(pb.InitialiserKind, "INITIALISER_KIND_", initialiser), seed=seed),
        input=pb.InputFormat(element_type=_named(pb.ElementType, "ELEMENT_TYPE_", inputs), scale=scale),
        display_name=display_name,
        history=pb.History(max_steps=history) if isinstance(history, int) else history,
        **(further or {}),
    )
    if learn_standardisation:
        spec.input.standardisation.learn_samples = learn_standardisation
        spec.input.standardisation.min_deviation = min_deviation
    _set_keeping(spec, durability, max_lag, expire_after)
    return spec


def _set_keeping(spec: pb.SessionSpec, durability: str | None, max_lag: Span | None, expire_after: Span | None) -> None:
    """Whether and for how long the session is kept, as network() takes it."""
    if durability is not None or max_lag is not None:
        spec.durability.mode = _named(pb.DurabilityMode, "DURABILITY_MODE_", durability or "durable")
    if max_lag is not None:
        if spec.durability.mode == pb.DURABILITY_MODE_MEMORY:
            raise ValueError("max_lag is for durable sessions: leave it out, or durability.")
        spec.durability.max_lag.CopyFrom(duration_of(max_lag))
    if expire_after is not None:
        spec.expire_after.CopyFrom(duration_of(expire_after))
