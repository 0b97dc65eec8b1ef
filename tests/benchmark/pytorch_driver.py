#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch, as its tutorials train: nn.Sequential and torch.optim, step after step, one thread."""

from __future__ import annotations

import functools

import driver
import numpy as np
import torch
from torch import nn

OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
}


def half_squared_error(y: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
    """Of y and d, (batch, outputs): the mean over the batch."""
    return 0.5 * nn.functional.mse_loss(y, d, reduction="sum") / len(d)


class Trainee:
    """A network, and one step of it at a time."""

    def __init__(self, question: driver.Question) -> None:
        layers: list[nn.Module] = []
        for weights, bias in driver.initial_weights(question):
            linear = nn.Linear(weights.shape[1], weights.shape[0])
            linear.weight.data = torch.tensor(weights)
            linear.bias.data = torch.tensor(bias)
            layers += [linear, nn.ReLU() if question.classifier else nn.Sigmoid()]
        if question.classifier:
            layers.pop()  # cross_entropy takes logits
        self._model = nn.Sequential(*layers)
        self._error = nn.functional.cross_entropy if question.classifier else half_squared_error
        self._optimiser = OPTIMISERS[question.optimiser](self._model.parameters(), lr=driver.learning_rate(question))
        self._batch = question.batch
        self._inputs, self._targets = map(torch.tensor, driver.make_samples(question))
        self._first = 0  # of the next step's samples

    def step(self) -> None:
        """Trains on the next batch of the samples, over and over."""
        x = self._inputs[self._first : self._first + self._batch]
        d = self._targets[self._first : self._first + self._batch]
        self._optimiser.zero_grad()
        self._error(self._model(x), d).backward()
        self._optimiser.step()
        self._first = (self._first + self._batch) % driver.SAMPLES

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each layer W and bias."""
        arrays = [parameter.detach().numpy() for parameter in self._model.parameters()]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


def measure(question: driver.Question) -> float | None:
    """Samples a second."""
    if question.optimiser not in OPTIMISERS:
        return None
    trainee = Trainee(question)
    return driver.samples_per_second(question, question.batch, trainee.step)


def train_once(question: driver.Question) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """The weights after one pass over the samples."""
    if question.optimiser not in OPTIMISERS:
        return None
    trainee = Trainee(question)
    for _ in range(driver.SAMPLES // question.batch):
        trainee.step()
    return trainee.layers()


if __name__ == "__main__":
    torch.set_num_threads(1)
    driver.answer_questions(measure, train_once)
