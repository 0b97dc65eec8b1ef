#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes golden training runs into runs/ beside this script, as PyTorch computes them.

Run it with the distribution's Python and python3-torch:

    /usr/bin/python3 tests/engine/golden/make_golden.py

One file a run. Each line is a word and its values:

    input_size N, scale C (negative_scale of all layers, huber_delta), layer N
    ACTIVATION (one a layer), loss NAME, batch_size B, learning_rate A
    weights   all weights before the first step: layer after layer, each layer's
              matrix (out, in) row-major, then its bias
and then for each step
    inputs    (B, input_size)
    targets   (B, output_size)
    outputs   (B, output_size), before the update
    error     the mean over B, before the update
    gradient  of that error by every weight
    weights   after the update

Everything is computed in float64, from weights, inputs, targets and a learning
rate that float32 holds exactly; numbers are written so that they read back the
same.
"""

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from golden_file import ACTIVATIONS, float32, line, write

STEPS = 4
# The negative_scale of all layers, and Huber's delta.
SCALE = 0.25


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: `layers` are (outputs, activation), first to last."""

    name: str
    input_size: int
    layers: tuple[tuple[int, str], ...]
    loss: str = "half_squared_error"
    batch_size: int = 1
    learning_rate: float = 0.25


RUNS = (
    Run("identity", 4, ((3, "identity"),)),
    Run("sigmoid", 3, ((2, "sigmoid"), (1, "sigmoid")), learning_rate=0.5),
    Run("tanh", 5, ((6, "tanh"), (4, "tanh"), (2, "identity"))),
    Run("relu", 6, ((7, "relu"), (5, "relu"), (3, "relu")), learning_rate=0.125),
    Run("softmax", 5, ((4, "tanh"), (3, "softmax")), loss="cross_entropy"),
    Run("logits", 5, ((4, "relu"), (3, "identity")), loss="cross_entropy"),
    Run("four_layers", 3, ((4, "sigmoid"), (5, "tanh"), (3, "relu"), (2, "sigmoid")), learning_rate=1.0),
    Run("batch_of_three", 4, ((5, "tanh"), (3, "sigmoid")), batch_size=3, learning_rate=0.5),
    Run("softmax_batch_of_two", 7, ((6, "relu"), (4, "softmax")), loss="cross_entropy", batch_size=2),
    Run("leaky_relu", 5, ((6, "leaky_relu"), (3, "leaky_relu")), loss="huber"),
    Run("elu", 4, ((6, "elu"), (5, "elu"), (3, "identity")), loss="mean_squared_error"),
    Run("gelu", 6, ((7, "gelu"), (3, "gelu")), loss="mean_absolute_error", batch_size=2),
    Run("softplus", 5, ((6, "softplus"), (4, "softplus"), (2, "sigmoid")), loss="binary_cross_entropy"),
    Run("binary_logits", 5, ((4, "gelu"), (3, "identity")), loss="binary_cross_entropy", batch_size=3),
    Run("poisson", 5, ((6, "tanh"), (3, "identity")), loss="poisson", batch_size=2),
)


class Network(torch.nn.Module):
    """The run's layers in float64."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        sizes = [run.input_size, *(size for size, _ in run.layers)]
        self.linear = torch.nn.ModuleList(
            torch.nn.Linear(sizes[k], sizes[k + 1]) for k in range(len(run.layers))
        ).double()
        self.activations = [ACTIVATIONS[name] for _, name in run.layers]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, input_size). Last pre-activations and outputs, (B, output_size)."""
        z = a = x
        for linear, activation in zip(self.linear, self.activations):
            z = linear(a)
            a = activation(z, SCALE)
        return z, a

    def flat(self, gradient: bool = False) -> Tensor:
        """All weights, or their gradients, as one vector in layout order."""
        parts = [p.grad if gradient else p.data for p in self.parameters()]
        return torch.cat([part.flatten() for part in parts if part is not None])


def mean_error(run: Run, z: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The step's error: over outputs as the loss says, averaged over samples."""
    if run.loss == "cross_entropy":
        return functional.cross_entropy(z, target)
    if run.loss == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(z, target)
    if run.loss == "mean_squared_error":
        return functional.mse_loss(y, target)
    if run.loss == "mean_absolute_error":
        return functional.l1_loss(y, target)
    if run.loss == "huber":
        return functional.huber_loss(y, target, delta=SCALE)
    if run.loss == "poisson":
        return functional.poisson_nll_loss(y, target)
    return 0.5 * ((target - y) ** 2).sum(dim=1).mean()


def steps(run: Run, network: Network) -> list[str]:
    """Trains the network; the lines of its steps."""
    optimiser = torch.optim.SGD(network.parameters(), lr=run.learning_rate)
    shape = (run.batch_size, run.layers[-1][0])
    lines = []
    for _ in range(STEPS):
        x = float32(torch.rand(run.batch_size, run.input_size) * 2 - 1)
        target = float32(torch.rand(shape))
        optimiser.zero_grad()
        z, y = network(x)
        error = mean_error(run, z, y, target)
        error.backward()
        gradient = network.flat(gradient=True)
        optimiser.step()
        lines += [
            line("inputs", x),
            line("targets", target),
            line("outputs", y),
            line("error", error),
            line("gradient", gradient),
            line("weights", network.flat()),
        ]
    return lines


def lines_of(run: Run, seed: int) -> list[str]:
    """The whole file of one run."""
    torch.manual_seed(seed)
    network = Network(run)
    for parameter in network.parameters():
        parameter.data = float32(parameter.data)
    return [
        f"input_size {run.input_size}",
        f"scale {SCALE!r}",
        *(f"layer {size} {activation}" for size, activation in run.layers),
        f"loss {run.loss}",
        f"batch_size {run.batch_size}",
        f"learning_rate {run.learning_rate!r}",
        line("weights", network.flat()),
        *steps(run, network),
    ]


def main() -> None:
    for seed, run in enumerate(RUNS, start=1):
        write(f"runs/{run.name}.txt", __file__, lines_of(run, seed))


if __name__ == "__main__":
    main()
