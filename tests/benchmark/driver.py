# SPDX-License-Identifier: Apache-2.0
"""What a benchmark driver in Python is made of: driver.h in Python.

There stands what is asked and answered. The samples, rates and initial weights
are driver.cc's own, number for number.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import time
from collections.abc import Callable

import numpy as np

SAMPLES = 512
CLASSIFIER = "classifier:"
# How far apart rounding may bring two that start together, as a part of the way
# that the weight which moved most has come. It was 7e-6; a momentum of 0.8999
# instead of 0.9 made it 8e-4.
TOLERANCE = 1e-4

Layers = list[tuple[np.ndarray, np.ndarray]]  # of each W (outputs, inputs) and bias (outputs)


@dataclasses.dataclass(frozen=True)
class Question:
    """What to train, how, and for how long."""

    sizes: tuple[int, ...]  # inputs, then each layer's outputs
    batch: int
    optimiser: str
    classifier: bool  # ReLU within, softmax with cross-entropy at the end; else sigmoids with half the squared error
    seconds: float  # 0: the weights after one pass are asked for

    def weight_count(self) -> int:
        """Weights and biases."""
        return sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(self.sizes))


def parse(line: str) -> Question:
    """The question that a line asks."""
    network, batch, optimiser, what = line.split()
    sizes = tuple(int(size) for size in network.removeprefix(CLASSIFIER).split("-"))
    seconds = 0.0 if what == "weights" else float(what)
    return Question(sizes, int(batch), optimiser, network.startswith(CLASSIFIER), seconds)


def _draws(seed: int, count: int) -> np.ndarray:
    """The first numbers of std::mt19937(seed), (count) uint32."""
    return np.random.RandomState(seed).randint(2**32, size=count, dtype=np.uint32)


def make_samples(question: Question) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (SAMPLES, inputs) and targets (SAMPLES, outputs), float32."""
    inputs, outputs = question.sizes[0], question.sizes[-1]
    draws = _draws(7, SAMPLES * (inputs + 1))
    pixels = ((draws[: SAMPLES * inputs] >> 8) + 1).astype(np.float32) * np.float32(2**-24)
    classes = draws[SAMPLES * inputs :] % outputs
    return pixels.reshape(SAMPLES, inputs), np.eye(outputs, dtype=np.float32)[classes]


def initial_weights(question: Question) -> Layers:
    """Of each layer W (outputs, inputs) and bias (outputs)."""
    draws = (_draws(11, question.weight_count()) >> 8).astype(np.float32)
    uniform = draws * np.float32(2**-23) - np.float32(1)
    layers = []
    for inputs, outputs in itertools.pairwise(question.sizes):
        of_layer, uniform = np.split(uniform, [(inputs + 1) * outputs])
        limit = np.float32(1) / np.sqrt(np.float32(inputs))
        weights, bias = np.split(of_layer * limit, [inputs * outputs])
        layers.append((weights.reshape(outputs, inputs), bias))
    return layers


def flat(layers: Layers) -> np.ndarray:
    """All weights of all layers, in the order in which drivers tell them."""
    return np.concatenate([part.ravel() for layer in layers for part in layer])


def distance(ours: np.ndarray, theirs: np.ndarray, start: np.ndarray) -> float:
    """The largest difference, as a part of the longest way that ours have come."""
    return float(np.abs(ours - theirs).max() / np.abs(ours - start).max())


def learning_rate(question: Question) -> float:
    """Driver.cc's rate."""
    if question.optimiser == "adam":
        return 0.001
    return 4.0 / (max(question.sizes) + 32)


def samples_per_second(question: Question, samples: int, train: Callable[[], None]) -> float:
    """What comes of calling train(), which trains on `samples` samples, for the question's processor time."""
    train()
    done = 0
    start = time.process_time()
    while True:
        train()
        done += samples
        elapsed = time.process_time() - start
        if elapsed >= question.seconds:
            return done / elapsed


def _text(layers: Layers) -> str:
    """All weights in a line."""
    return " ".join(f"{w:.9g}" for w in flat(layers))


def answer_questions(
    measure: Callable[[Question], float | None],
    train_once: Callable[[Question], Layers | None],
) -> None:
    """Reads questions until standard input ends; writes the answers."""
    for line in sys.stdin:
        question = parse(line)
        if question.seconds > 0:
            rate = measure(question)
            answer = None if rate is None else f"{rate:.3f}"
        else:
            layers = train_once(question)
            answer = None if layers is None else _text(layers)
        print("none" if answer is None else answer, flush=True)
