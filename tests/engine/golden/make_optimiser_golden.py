#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes optimiser_golden.txt: 100 steps of each optimiser by PyTorch.

Lion, which PyTorch lacks, is written from Algorithm 2 of Chen et al. 2023.

Double precision; hyperparameters, weights and samples are float32 numbers, as
the protocol carries them. Needs PyTorch (Debian: python3-torch):

    /usr/bin/python3 make_optimiser_golden.py > optimiser_golden.txt
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import torch

STEPS = 100
BATCH = 2
SIZES = (5, 6, 3)
SHOWN_STEPS = (1, 100)

Parameters = list[torch.nn.Parameter]
MakeOptimiser = Callable[[Parameters], torch.optim.Optimizer]


def f32(value: float) -> float:
    """The float32 number nearest to value."""
    return float(np.float32(value))


RATE = f32(0.05)
SMALL_RATE = f32(0.01)
MOMENTUM = f32(0.9)
RHO = f32(0.99)
BETAS = (f32(0.9), f32(0.999))
LION_BETAS = (f32(0.9), f32(0.99))
EPSILON = f32(1e-8)
L2 = f32(0.01)
L1 = f32(0.003)
DECAY = f32(0.1)
MAX_NORM = f32(0.25)
MAX_VALUE = f32(0.03)


def uniforms(random: np.random.Generator, *shape: int) -> torch.Tensor:
    """float32 numbers in [-1, 1), as doubles."""
    numbers = random.uniform(-1, 1, shape).astype(np.float32)
    return torch.from_numpy(numbers).double()


class Problem:
    """A tanh network with identity outputs, and the samples of every step."""

    def __init__(self) -> None:
        random = np.random.default_rng(20)
        self.initial: list[torch.Tensor] = []
        for inputs, outputs in zip(SIZES, SIZES[1:], strict=False):
            self.initial.append(uniforms(random, outputs, inputs))
            self.initial.append(uniforms(random, outputs))
        self.inputs = uniforms(random, STEPS, BATCH, SIZES[0])
        self.targets = uniforms(random, STEPS, BATCH, SIZES[-1])

    def parameters(self) -> Parameters:
        return [torch.nn.Parameter(tensor.clone()) for tensor in self.initial]

    def error(self, parameters: Parameters, step: int) -> torch.Tensor:
        """Half squared error, mean over the step's samples."""
        w1, b1, w2, b2 = parameters
        outputs = torch.tanh(self.inputs[step] @ w1.T + b1) @ w2.T + b2
        return 0.5 * ((self.targets[step] - outputs) ** 2).sum() / BATCH


def clip_by_norm(parameters: Parameters) -> None:
    """Like clip_grad_norm_, which divides by N + 1e-6, but by N."""
    norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    if norm > MAX_NORM:
        for p in parameters:
            p.grad *= MAX_NORM / norm


def clip_by_value(parameters: Parameters) -> None:
    torch.nn.utils.clip_grad_value_(parameters, MAX_VALUE)


@dataclasses.dataclass
class Case:
    """An optimiser and what is done to gradients before it sees them."""

    name: str
    make: MakeOptimiser
    l1: float = 0
    max_norm: bool = False
    max_value: bool = False


def run(problem: Problem, case: Case) -> Iterable[torch.Tensor]:
    """The flat weights after each step."""
    parameters = problem.parameters()
    optimiser = case.make(parameters)
    for step in range(STEPS):
        optimiser.zero_grad()
        problem.error(parameters, step).backward()
        if case.max_norm:
            clip_by_norm(parameters)
        if case.max_value:
            clip_by_value(parameters)
        if case.l1:
            for p in parameters:
                p.grad += case.l1 * torch.sign(p.detach())
        optimiser.step()
        yield torch.cat([p.detach().reshape(-1) for p in parameters])


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, line by line; weight_decay is added to g, as PyTorch's Adam does."""

    def __init__(
        self, params: Parameters, *, weight_decay: float = 0, decoupled_decay: float = 0
    ) -> None:
        defaults = {"weight_decay": weight_decay, "decoupled_decay": decoupled_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self) -> None:
        beta1, beta2 = LION_BETAS
        for group in self.param_groups:
            for p in group["params"]:
                momentum = self.state[p].get("m", torch.zeros_like(p))
                gradient = p.grad + group["weight_decay"] * p
                update = torch.sign(beta1 * momentum + (1 - beta1) * gradient)
                p -= SMALL_RATE * (update + group["decoupled_decay"] * p)
                self.state[p]["m"] = beta2 * momentum + (1 - beta2) * gradient


def optimisers(l2: float) -> dict[str, MakeOptimiser]:
    """Each kind, with weight_decay = l2."""
    optim = torch.optim
    momentum = {"lr": RATE, "momentum": MOMENTUM, "weight_decay": l2}
    rms_prop = {"lr": SMALL_RATE, "alpha": RHO, "eps": EPSILON, "weight_decay": l2}
    adam = {"lr": SMALL_RATE, "betas": BETAS, "eps": EPSILON, "weight_decay": l2}
    return {
        "sgd": lambda p: optim.SGD(p, lr=RATE, weight_decay=l2),
        "momentum": lambda p: optim.SGD(p, **momentum),
        "nesterov": lambda p: optim.SGD(p, nesterov=True, **momentum),
        "adagrad": lambda p: optim.Adagrad(p, lr=RATE, eps=f32(1e-10), weight_decay=l2),
        "rms_prop": lambda p: optim.RMSprop(p, **rms_prop),
        "adam": lambda p: optim.Adam(p, **adam),
        "lion": lambda p: Lion(p, weight_decay=l2),
    }


def adamw(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters, lr=SMALL_RATE, betas=BETAS, eps=EPSILON, weight_decay=DECAY
    )


def print_numbers(name: str, tensor: torch.Tensor) -> None:
    print(name, *(f"{float(x):.11g}" for x in tensor.reshape(-1)))


def main() -> None:
    problem = Problem()
    print("sizes", *SIZES)
    print("batch", BATCH)
    print("rates", *(f"{x:.9g}" for x in (RATE, SMALL_RATE)))
    print_numbers("weights", torch.cat([t.reshape(-1) for t in problem.initial]))
    print_numbers("inputs", problem.inputs)
    print_numbers("targets", problem.targets)
    plain, decayed = optimisers(0), optimisers(L2)
    cases = [
        Case("adam+decay", adamw),
        Case("adam+decay+max_norm", adamw, max_norm=True),
        Case("lion+decay", lambda p: Lion(p, decoupled_decay=DECAY)),
    ]
    for name in plain:
        cases += [
            Case(name, plain[name]),
            Case(f"{name}+l2", decayed[name]),
            Case(f"{name}+max_norm", plain[name], max_norm=True),
            Case(f"{name}+max_value", plain[name], max_value=True),
            Case(f"{name}+max_norm+max_value+l2+l1", decayed[name], L1, True, True),
        ]
    for case in cases:
        for step, weights in enumerate(run(problem, case), start=1):
            if step in SHOWN_STEPS:
                print_numbers(f"after {case.name} {step}", weights)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
