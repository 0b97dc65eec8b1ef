# SPDX-License-Identifier: Apache-2.0
"""Sessions of which each keeps something else between two steps, and the samples that they are trained on."""

from dataclasses import dataclass

import numpy as np
from backpropd.replica.arrays import AnyArray, Float32
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from google.protobuf import text_format

POOL = 1 << 12
"""Samples of a session; offset o has sample o mod POOL, however often it is sent."""

_SMALL = "input_size: 12 layers {size: 10 activation: ACTIVATION_TANH} layers {size: 4}"
_BYTES = "input {element_type: ELEMENT_TYPE_UINT8 scale: 0.00390625}"
_BASE = {
    "plain": f"{_SMALL} optimiser {{sgd {{}} learning_rate: 0.01}}",
    "momentum": f"{_SMALL} optimiser {{sgd {{momentum: 0.9}} learning_rate: 0.002}}",
    "adam": f"{_SMALL} optimiser {{adam {{}} learning_rate: 0.002}}",
    "lion": f"{_SMALL} optimiser {{lion {{}} learning_rate: 0.0005}} batch_size: 2",
    "dense": "input_size: 12 layers {size: 10 activation: ACTIVATION_TANH delta_form: DELTA_FORM_DENSE}"
    " layers {size: 4 delta_form: DELTA_FORM_DENSE} batch_size: 8 optimiser {rms_prop {} learning_rate: 0.002}",
    "learnt": f"{_SMALL} optimiser {{adagrad {{}} learning_rate: 0.01}} batch_size: 4"
    " input {standardisation {learn_samples: 400}}",
    "dropout": "input_size: 12 layers {size: 10 activation: ACTIVATION_RELU dropout: 0.4} layers {size: 4}"
    " dropout_seed: 99 optimiser {adam {} learning_rate: 0.002"
    " schedule {warmup_steps: 20 cosine {period_steps: 310 restarts: true}}}",
    "bytes": f"{_SMALL} {_BYTES} optimiser {{sgd {{momentum: 0.5 nesterov: true}} learning_rate: 0.005}} batch_size: 3",
    "plateau": f"{_SMALL} optimiser {{learning_rate: 0.01 sgd {{}} clipping {{max_norm: 1}}"
    " schedule {plateau {window_steps: 7 patience: 2 factor: 0.99 min_rate: 0.001}}}",
    # It has a history, with images in between.
    "remembered": f"{_SMALL} optimiser {{adam {{}} learning_rate: 0.002}} history {{max_steps: 5000}}",
    # Its image is longer than 8 MiB, and so replaced part by part.
    "large": f"input_size: 784 layers {{size: 1024 activation: ACTIVATION_RELU}} layers {{size: 10}} {_BYTES}"
    " optimiser {adam {} learning_rate: 0.0001} batch_size: 16",
    # So is this one, after some ten steps already: each is a tenth as long as the image.
    "wide": "input_size: 784 layers {size: 2700 activation: ACTIVATION_RELU dropout: 0.8 delta_form: DELTA_FORM_DENSE}"
    f" layers {{size: 4 delta_form: DELTA_FORM_DENSE}} {_BYTES} optimiser {{sgd {{}} learning_rate: 0.0001}}",
}
LARGE = ("large", "wide")
KINDS = [kind for kind in _BASE if kind != "wide"]
"""Those of which many may be trained at once."""


def spec_of(kind: str, seed: int) -> pb.SessionSpec:
    """A session of the kind; each has weights of its own."""
    spec = text_format.Parse(_BASE[kind], pb.SessionSpec())
    spec.digest_every = 1
    spec.initialiser.seed = seed + 1
    return spec


@dataclass(frozen=True)
class Samples:
    """A session's samples."""

    x: AnyArray  # (POOL, input_size)
    y: Float32  # (POOL, outputs)

    @classmethod
    def of(cls, spec: pb.SessionSpec, seed: int) -> "Samples":
        """Random ones, the same for the same seed."""
        random = np.random.default_rng(seed)
        shape = (POOL, spec.input_size)
        if spec.input.element_type == pb.ELEMENT_TYPE_UINT8:
            x: AnyArray = random.integers(0, 256, shape, dtype=np.uint8)
        else:
            x = random.standard_normal(shape, dtype=np.float32)
        return cls(x, random.random((POOL, spec.layers[-1].size), dtype=np.float32))

    def rows(self, offset: int, count: int) -> tuple[AnyArray, Float32]:
        """Inputs and targets from an offset on."""
        places = np.arange(offset, offset + count) % POOL
        return self.x[places], self.y[places]

    def step_by_hand(self, spec: pb.SessionSpec, session_id: str, offset: int) -> rpc.TrainStepRequest:
        """The step that begins at an offset, typed, for a session of the spec that the server told."""
        x, y = self.rows(offset, spec.batch_size)
        values = x.astype(np.float32) * np.float32(spec.input.scale or 1)
        rows = zip(values.tolist(), y.tolist(), strict=True)
        return rpc.TrainStepRequest(session_id=session_id, samples=[rpc.Sample(inputs=x, targets=y) for x, y in rows])
