#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch, as its tutorials train: nn.Sequential and an optimiser of
torch.optim, one step after another, one thread. Answers the questions that
tests/benchmark/driver.h describes."""

import functools
import sys
import time

import torch
from torch import nn

SAMPLES = 512
OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
}


def network(sizes: list[int]) -> nn.Sequential:
    """Fully connected layers with sigmoids."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.Sigmoid()]
    return nn.Sequential(*layers)


def learning_rate(sizes: list[int]) -> float:
    """The rate of driver.cc."""
    return 4.0 / (max(sizes) + 32)


def measure(sizes: list[int], batch: int, optimiser: str, seconds: float) -> float:
    """Samples a second."""
    model = network(sizes)
    steps = OPTIMISERS[optimiser](model.parameters(), lr=learning_rate(sizes))
    inputs = torch.rand(SAMPLES, sizes[0])  # (SAMPLES, inputs)
    classes = torch.randint(sizes[-1], (SAMPLES,))
    targets = nn.functional.one_hot(classes, sizes[-1]).float()

    def step(first: int) -> None:
        x = inputs[first : first + batch]
        d = targets[first : first + batch]
        steps.zero_grad()
        error = 0.5 * nn.functional.mse_loss(model(x), d, reduction="sum") / batch
        error.backward()
        steps.step()

    step(0)
    done = 0
    start = time.process_time()
    while True:
        step(done % SAMPLES)
        done += batch
        elapsed = time.process_time() - start
        if elapsed >= seconds:
            return done / elapsed


def main() -> None:
    """Reads questions until standard input ends."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, batch, optimiser, seconds = line.split()
        sizes = [int(size) for size in name.split("-")]
        if optimiser in OPTIMISERS:
            answer = measure(sizes, int(batch), optimiser, float(seconds))
            print(f"{answer:.3f}", flush=True)
        else:
            print("none", flush=True)


if __name__ == "__main__":
    main()
