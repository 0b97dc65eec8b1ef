#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records the streams of proto/testdata from a server that runs; see the README there.

usage: record_streams.py HOST:PORT [NAME...]

With names only these are recorded, and the others stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from backpropd import TrainingClient, adagrad, adam, layer, lion, network, rms_prop, sgd
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from recorded_stream import FOLDER, SUFFIX, RecordedStream

INPUTS, HIDDEN, OUTPUTS = 17, 6, 3
MANY_INPUTS = 77  # more than any CPU's registers take at once, and a rest
F, D = pb.DELTA_FORM_FACTORED, pb.DELTA_FORM_DENSE
FORMS = {"factored": (F, F), "dense": (D, D), "mixed": (F, D), "mixed-reversed": (D, F)}
STEPS_OF_MESSAGES = (1, 3, 2)
STEPS_BEFORE_ANCHOR = 2
STEPS_BEFORE_FLUSH = 61  # of tiny state, after step 64: in the midst of a message

# Every fifth weight is one that the contract treats apart, or nearly so.
RARE_WEIGHTS = np.array([0, -0.0, 2**-53, -(2**-54), 2**-93, -(2**-96), 2**-140, -(2**-59)], dtype=np.float32)
# So are these input columns: what is smaller than 2^−60 is no input, and the
# products and squares of what is little larger are where state vectors fade.
RARE_COLUMNS = {3: 0.0, 4: 2.0**-62, 5: 2.0**-59, 6: 2.0**-56, 7: 2.0**-45}

# Columns that InputFormat makes +0 of, whatever their sign: always −0.0, zero of
# either sign, and negative numbers that are too small.
ZERO_COLUMNS = {3: -0.0, 4: 0.0, 5: -(2.0**-62), 6: -(2.0**-149)}
BLANK_PIXELS = (3, 4, 5, 6)  # −0.0 once the scale is negative
MEAN_COLUMNS = (3, 6)  # always the mean: ±0 of the factor's sign

EVERYTHING: dict[str, Any] = {
    "l2": 0.01,
    "l1": 0.001,
    "decoupled_decay": 0.02,
    "clipping": pb.GradientClipping(max_norm=2, max_value=0.3),
}
OPTIMISERS = {
    "sgd": sgd(0.1),
    "momentum": sgd(0.05, momentum=0.9),
    "nesterov": sgd(0.05, momentum=0.9, nesterov=True),
    "adagrad": adagrad(0.05),
    "rmsprop": rms_prop(0.01),
    "adam": adam(0.01),
    "adamw": adam(0.01, decoupled_decay=0.01),
}
# Whose state fades; at rates with which many steps don't diverge.
FADING = {
    "momentum": sgd(0.002, momentum=0.9),
    "nesterov": sgd(0.002, momentum=0.9, nesterov=True),
    "rmsprop": rms_prop(0.002),
    "adam": adam(0.002),
    "lion": lion(0.001),
}
VARIANTS = {
    "sgd-l2": sgd(0.1, l2=0.01),
    "sgd-l1": sgd(0.1, l1=0.01),
    "sgd-decay": sgd(0.1, decoupled_decay=0.01),
    "sgd-clip-value": sgd(0.1, clipping=pb.GradientClipping(max_value=0.05)),
    "sgd-clip-norm": sgd(0.1, clipping=pb.GradientClipping(max_norm=0.5)),
    "sgd-everything": sgd(0.1, **EVERYTHING),
    "momentum-everything": sgd(0.05, momentum=0.9, **EVERYTHING),
    "nesterov-everything": sgd(0.05, momentum=0.9, nesterov=True, **EVERYTHING),
    "adagrad-everything": adagrad(0.05, **EVERYTHING),
    "rmsprop-everything": rms_prop(0.01, **EVERYTHING),
    "adam-everything": adam(0.01, **EVERYTHING),
    "sgd-cosine": sgd(0.1, schedule=pb.Schedule(cosine=pb.CosineDecay(period_steps=3, restarts=True))),
    "adam-cosine": adam(0.1, schedule=pb.Schedule(cosine=pb.CosineDecay(period_steps=20), warmup_steps=3)),
}


def spec_of(optimiser: pb.Optimiser, forms: tuple[int, int], batch_size: int, **more: Any) -> pb.SessionSpec:
    """A net of 17-6-3, or with other inputs, with a digest after every step."""
    inputs = more.pop("input_size", INPUTS)
    layers = [
        layer(HIDDEN, "leaky_relu", delta_form=forms[0], dropout=more.pop("dropout", 0)),
        layer(OUTPUTS, "identity", delta_form=forms[1]),
    ]
    return network(inputs, layers, optimiser, batch_size=batch_size, further={"digest_every": 1}, **more)


def initial_weights(random: np.random.Generator, inputs: int) -> Any:
    """(weight_count,)."""
    weights = random.normal(0, 0.4, inputs * HIDDEN + HIDDEN + HIDDEN * OUTPUTS + OUTPUTS).astype(np.float32)
    rare = weights[::5]
    rare[:] = np.resize(RARE_WEIGHTS, len(rare))
    return weights


def samples_of(random: np.random.Generator, count: int, inputs: int) -> tuple[Any, Any]:
    """Inputs (count, inputs) and targets (count, 3)."""
    x = random.standard_normal((count, inputs)).astype(np.float32)
    for column, size in RARE_COLUMNS.items():
        x[:, column] *= np.float32(size)
    return x, np.tanh(x[:, -OUTPUTS:] + x[:, :OUTPUTS])


def zero_weights(random: np.random.Generator, inputs: int) -> Any:
    """(weight_count,): −0.0 where the columns are zero, whose sign the sign of x decides."""
    weights = initial_weights(random, inputs)
    weights[: inputs * HIDDEN].reshape(HIDDEN, inputs)[:, list(ZERO_COLUMNS)] = -0.0
    return weights


def zeros_of(random: np.random.Generator, count: int, inputs: int) -> tuple[Any, Any]:
    """As samples_of, with the zero columns."""
    x, y = samples_of(random, count, inputs)
    for column, size in ZERO_COLUMNS.items():
        x[:, column] = np.float32(size) * (x[:, column] if size == 0 and not np.signbit(size) else 1)
    return x, y


def dark_pixels_of(random: np.random.Generator, count: int, inputs: int) -> tuple[Any, Any]:
    """As pixels_of, with columns that are 0."""
    x, y = pixels_of(random, count, inputs)
    x[:, list(BLANK_PIXELS)] = 0
    return x, y


def centred_of(random: np.random.Generator, count: int, inputs: int) -> tuple[Any, Any]:
    """As zeros_of, with columns that are CENTRE's mean."""
    x, y = zeros_of(random, count, inputs)
    x[:, list(MEAN_COLUMNS)] = CENTRE.mean[0]
    return x, y


# A mean that is 0.5 in every column and a factor that is negative.
CENTRE = pb.Standardisation(mean=[0.5] * INPUTS, factor=[-2] * INPUTS)


def pixels_of(random: np.random.Generator, count: int, inputs: int) -> tuple[Any, Any]:
    """Bytes (count, inputs), one column always the same, and targets (count, 3)."""
    x = random.integers(0, 256, (count, inputs)).astype(np.uint8)
    x[:, 2] = 7
    return x, x[:, :OUTPUTS] / np.float32(255)


class Recording:
    """One session that is trained and watched."""

    def __init__(
        self,
        client: TrainingClient,
        spec: pb.SessionSpec,
        seed: int,
        samples: Any = samples_of,
        weights: Any = initial_weights,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.session = client.create(spec, initial=weights(self.random, spec.input_size))
        self._samples = samples

    def _draw(self, steps: int) -> tuple[Any, Any]:
        x, y = self._samples(self.random, steps * self.session.batch_size, self.session.spec.input_size)
        return x, y

    def train(self, steps: int) -> None:
        """Trains in one message."""
        x, y = self._draw(steps)
        weights = self.random.uniform(0.5, 2, len(x))
        with self.session.stream(deltas="none") as stream:
            stream.send(x, y, sample_weights=weights)

    def train_by_hand(self) -> None:
        """One step, typed by hand."""
        self.session.train_step(*self._draw(1))

    def anchor(self) -> rpc.GetWeightsResponse:
        """All weights and state, in one chunk."""
        request = rpc.GetWeightsRequest(session_id=self.session.session_id, with_state=True)
        (chunk,) = self.session.client.stub.GetWeights(request)
        whole: rpc.GetWeightsResponse = chunk
        return whole

    def record(self, act: Any) -> RecordedStream:
        """What a watcher is told while `act(self)` goes on."""
        anchor = self.anchor()
        info = rpc.Session()
        info.CopyFrom(self.session.refresh().info)
        request = rpc.WatchDeltasRequest(session_id=self.session.session_id, after_step=anchor.step)
        call: Any = self.session.client.stub.WatchDeltas(request)
        responses = [next(call)]  # It holds no steps: a session keeps deltas from then on.
        act(self)
        end = self.anchor()
        for response in call:
            responses.append(response)
            if response.step == end.step:
                break
        call.cancel()
        self.session.delete()
        info.session_id = ""
        info.has_writer = False
        info.ClearField("create_time")
        return RecordedStream(info, anchor, responses, end)


def train_all(recording: Recording) -> None:
    """Messages of several lengths."""
    for steps in STEPS_OF_MESSAGES:
        recording.train(steps)


def train_with_steps_by_hand(recording: Recording) -> None:
    """A step typed by hand between messages."""
    recording.train(2)
    recording.train_by_hand()
    recording.train(2)


def train_with_an_update(recording: Recording) -> None:
    """Other hyperparameters from a step on."""
    recording.train(2)
    recording.session.update(learning_rate=0.02, beta1=0.5, l2=0.001)
    recording.train(3)


def recordings(client: TrainingClient) -> Iterator[tuple[str, Callable[[], RecordedStream]]]:
    """(name, what records it) of every file."""
    seed = 0

    def recorded(
        spec: pb.SessionSpec, act: Any = train_all, before: int = STEPS_BEFORE_ANCHOR
    ) -> Callable[[], RecordedStream]:
        nonlocal seed
        seed += 1
        own_seed = seed

        def record() -> RecordedStream:
            recording = Recording(client, spec, own_seed)
            recording.train(before)
            assert recording.session.refresh().info.step == before, f"{spec.optimiser} diverges"
            return recording.record(act)

        return record

    def zeros(spec: pb.SessionSpec, own_seed: int, samples: Any) -> Callable[[], RecordedStream]:
        # From the first step on: only weights that are −0.0 still tell the sign of what is added.
        return lambda: Recording(client, spec, own_seed, samples, zero_weights).record(train_all)

    for batch in (1, 3):
        for name, optimiser in OPTIMISERS.items():
            for form in ("factored", "dense", "mixed" if batch == 1 else "mixed-reversed"):
                yield f"{name}-{form}-batch{batch}", recorded(spec_of(optimiser, FORMS[form], batch))
        for name, optimiser in VARIANTS.items():
            yield f"{name}-factored-batch{batch}", recorded(spec_of(optimiser, FORMS["factored"], batch))
        dropout = spec_of(OPTIMISERS["adam"], FORMS["factored"], batch, dropout=0.5)
        yield f"adam-dropout-factored-batch{batch}", recorded(dropout)
    yield "adam-by-hand-mixed-batch1", recorded(spec_of(adam(0.01), FORMS["mixed"], 1), train_with_steps_by_hand)
    pixels = spec_of(sgd(0.1), FORMS["factored"], 3, inputs="uint8", scale=1 / 255, learn_standardisation=6)
    yield (
        "sgd-standardised-bytes-factored-batch3",
        lambda: Recording(client, pixels, 99, pixels_of).record(train_all),
    )
    yield "adam-updated-mixed-batch1", recorded(spec_of(adam(0.01), FORMS["mixed"], 1), train_with_an_update)
    for name, batch in (("sgd", 1), ("adam", 1), ("momentum", 3)):
        wide = spec_of(OPTIMISERS[name], FORMS["factored"], batch, input_size=MANY_INPUTS)
        yield f"{name}-wide-factored-batch{batch}", recorded(wide)
    # Last, as each session's seed is its place in this order.
    for batch in (1, 3):
        for form in ("factored", "dense", "mixed" if batch == 1 else "mixed-reversed"):
            yield f"lion-{form}-batch{batch}", recorded(spec_of(lion(0.005), FORMS[form], batch))
        everything = spec_of(lion(0.005, **EVERYTHING), FORMS["factored"], batch)
        yield f"lion-everything-factored-batch{batch}", recorded(everything)
    both = FORMS["factored"]
    for name, optimiser in FADING.items():
        yield f"{name}-flushed-factored-batch1", recorded(spec_of(optimiser, both, 1), before=STEPS_BEFORE_FLUSH)
    yield "sgd-zeros-factored-batch1", zeros(spec_of(OPTIMISERS["sgd"], both, 1), 101, zeros_of)
    yield "adagrad-zeros-factored-batch3", zeros(spec_of(OPTIMISERS["adagrad"], both, 3), 102, zeros_of)
    negative = spec_of(OPTIMISERS["sgd"], both, 1, inputs="uint8", scale=-1 / 255)
    yield "sgd-zeros-bytes-factored-batch1", zeros(negative, 103, dark_pixels_of)
    centred = spec_of(OPTIMISERS["sgd"], both, 3)
    centred.input.standardisation.CopyFrom(CENTRE)
    yield "sgd-zeros-standardised-factored-batch3", zeros(centred, 104, centred_of)


def main() -> None:
    """Writes all files, in place of those that are there, or those that are named."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    address, *names = sys.argv[1:]
    with TrainingClient(address) as client:
        records = dict(recordings(client))
        if unknown := set(names) - set(records):
            sys.exit(f"There is no recording {', '.join(sorted(unknown))}.")
        for old in FOLDER.glob(f"*{SUFFIX}") if not names else ():
            old.unlink()
        for name in names or records:
            stream = records[name]()
            stream.replay()
            stream.write(FOLDER / (name + SUFFIX))


if __name__ == "__main__":
    main()
