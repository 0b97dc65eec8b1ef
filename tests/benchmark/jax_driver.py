#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""JAX, as one writes training for speed with it.

A step is jax.grad and a few jax.tree.map, jax.lax.scan goes over the steps, and
jax.jit compiles many passes over the samples into one call, to which the weights
and the optimiser's state are donated. Compiling is not measured.

How weights lie and how far the scan is unrolled makes up to three times the
speed, one way for one network and the other way for another: so all are tried,
and the fastest one is measured.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import driver
import jax
import jax.numpy as jnp
import numpy as np

# About as many weights times samples make a call, so that being called costs
# little: tens of milliseconds. Of a network whose pass would take longer, a call
# trains on a part of the samples.
WORK_OF_A_CALL = 2**29
TRIAL_SECONDS = 0.1

Layers = list[tuple[jax.Array, jax.Array]]  # W (see Way), bias (outputs)
Carry = tuple[Any, ...]  # the weights first, then what the optimiser keeps


class Way(NamedTuple):
    """A way to write the same training."""

    transposed: bool  # W is (inputs, outputs), else (outputs, inputs)
    unroll: int  # jax.lax.scan's


WAYS = [Way(*way) for way in itertools.product([False, True], [1, 4])]


def error(classifier: bool, way: Way, layers: Layers, x: jax.Array, d: jax.Array) -> jax.Array:
    """The error of a sample; x: (inputs), d: (outputs)."""
    activation = jax.nn.relu if classifier else jax.nn.sigmoid
    for weights, bias in layers:
        z = (x @ weights if way.transposed else weights @ x) + bias
        x = activation(z)
    if classifier:
        return -jnp.sum(d * jax.nn.log_softmax(z))
    return 0.5 * jnp.sum((x - d) ** 2)


def batch_error(classifier: bool, way: Way, layers: Layers, x: jax.Array, d: jax.Array) -> jax.Array:
    """The mean error of samples; x: (batch, inputs), d: (batch, outputs)."""
    return jax.vmap(functools.partial(error, classifier, way, layers))(x, d).mean()


def sgd(rate: float, carry: Carry, gradient: Layers) -> Carry:
    """Plain descent."""
    (layers,) = carry
    return (jax.tree.map(lambda w, g: w - rate * g, layers, gradient),)


def momentum(rate: float, carry: Carry, gradient: Layers) -> Carry:
    """torch.optim.SGD's momentum, 0.9."""
    layers, velocity = carry
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
    return jax.tree.map(lambda w, v: w - rate * v, layers, velocity), velocity


def one_less_power(base: float, exponent: jax.Array) -> jax.Array:
    """1 − base^exponent, also where that is little."""
    return -jnp.expm1(exponent * math.log(base))


def adam(rate: float, carry: Carry, gradient: Layers) -> Carry:
    """Kingma and Ba's, with PyTorch's defaults."""
    layers, mean, square, steps = carry
    steps = steps + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradient)
    size = rate / one_less_power(0.9, steps)
    scale = 1 / jnp.sqrt(one_less_power(0.999, steps))

    def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return w - size * m / (jnp.sqrt(v) * scale + 1e-8)

    return jax.tree.map(moved, layers, mean, square), mean, square, steps


RULES = {"sgd": sgd, "momentum": momentum, "adam": adam}


def first_carry(optimiser: str, layers: Layers) -> Carry:
    """The weights, and the optimiser's state before the first step."""
    zeros = functools.partial(jax.tree.map, jnp.zeros_like, layers)
    state = {"sgd": (), "momentum": (zeros(),), "adam": (zeros(), zeros(), jnp.float32(0))}
    return (layers, *state[optimiser])


def compile_passes(question: driver.Question, way: Way, passes: int) -> Callable[[Carry, list[jax.Array]], Carry]:
    """What trains for some passes over samples."""
    rule = functools.partial(RULES[question.optimiser], driver.learning_rate(question))
    gradient = jax.grad(functools.partial(error if question.batch == 1 else batch_error, question.classifier, way))

    def step(carry: Carry, samples: list[jax.Array]) -> tuple[Carry, None]:
        return rule(carry, gradient(carry[0], *samples)), None

    def one_pass(carry: Carry, samples: list[jax.Array]) -> Carry:
        carry, _ = jax.lax.scan(step, carry, samples, unroll=way.unroll)
        return carry

    def run(carry: Carry, samples: list[jax.Array]) -> Carry:
        trained: Carry = jax.lax.fori_loop(0, passes, lambda _, carry: one_pass(carry, samples), carry)
        return trained

    return jax.jit(run, donate_argnums=0)


class Trainee:
    """A network that trains for some passes over `samples` samples a call."""

    def __init__(self, question: driver.Question, way: Way, samples: int, passes: int) -> None:
        self.samples_of_call = samples * passes
        self._way = way
        layers = [
            (jnp.array(weights.T if way.transposed else weights), jnp.array(bias))
            for weights, bias in driver.initial_weights(question)
        ]
        self._carry = first_carry(question.optimiser, layers)
        # (steps, batch, numbers); (steps, numbers) where a step has one sample
        self._samples = [
            jnp.array(rows[:samples] if question.batch == 1 else rows.reshape(-1, question.batch, rows.shape[1]))
            for rows in driver.make_samples(question)
        ]
        self._call = compile_passes(question, way, passes)

    def train(self) -> None:
        """One call; returns when it is done."""
        self._carry = self._call(self._carry, self._samples)
        for array in jax.tree.leaves(self._carry):
            array.block_until_ready()

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each layer W (outputs, inputs) and bias (outputs)."""
        return [
            (np.asarray(weights.T if self._way.transposed else weights), np.asarray(bias))
            for weights, bias in self._carry[0]
        ]


@functools.lru_cache(maxsize=1)  # a question is asked again and again
def fastest(question: driver.Question) -> Trainee:
    """The fastest way of training so."""
    samples = driver.SAMPLES
    if question.batch == 1:
        unroll = max(way.unroll for way in WAYS)
        samples = min(samples, max(1, WORK_OF_A_CALL // question.weight_count() // unroll) * unroll)
    passes = max(1, WORK_OF_A_CALL // (question.weight_count() * samples))
    trial = dataclasses.replace(question, seconds=TRIAL_SECONDS)
    rates = {}
    for way in WAYS:
        trainee = Trainee(question, way, samples, passes)
        rates[driver.samples_per_second(trial, trainee.samples_of_call, trainee.train)] = trainee
    return rates[max(rates)]


def measure(question: driver.Question) -> float | None:
    """Samples a second."""
    if question.optimiser not in RULES:
        return None
    trainee = fastest(question)
    return driver.samples_per_second(question, trainee.samples_of_call, trainee.train)


def train_once(question: driver.Question) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """The weights after one pass over the samples, one way; any other, which may be the fastest, must agree."""
    if question.optimiser not in RULES:
        return None
    start = driver.flat(driver.initial_weights(question))
    found = []
    for way in WAYS:
        trainee = Trainee(question, way, driver.SAMPLES, passes=1)
        trainee.train()
        found.append(trainee.layers())
        apart = driver.distance(driver.flat(found[0]), driver.flat(found[-1]), start)
        if not apart <= driver.TOLERANCE:
            sys.exit(f"jax_driver.py: {way} trains {apart:.2g} of the way apart from {WAYS[0]} ({question})")
    return found[0]


if __name__ == "__main__":
    # Read when JAX is first used, not when it is imported. Who starts this holds it
    # to one core.
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    driver.answer_questions(measure, train_once)
