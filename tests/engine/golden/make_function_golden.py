#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes functions.txt beside this script: losses and gradients by PyTorch.

Run it with the distribution's Python and python3-torch:

    /usr/bin/python3 tests/engine/golden/make_function_golden.py

One sample at the last layer a case, for every activation and every loss that go
together, with and without the loss's settings. A case is these lines, each a
word and its values:

    case ACTIVATION LOSS
    negative_scale C
    label_smoothing E, class_weights c..., huber_delta D: only if they are used
    z         (n), pre-activations
    targets   (n)
    outputs   (n)
    error     E
    signal    (n), dE/dz

Everything is computed in float64 by PyTorch's own functions, from numbers that
float32 holds exactly; numbers are written so that they read back the same.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from golden_file import ACTIVATIONS, float32, line, write

OUTPUTS = 5
SCALED = ("leaky_relu", "elu")
# Which activations the fused losses take.
FUSED = {"cross_entropy": ("softmax", "identity"), "binary_cross_entropy": ("sigmoid", "identity")}


def error_of(loss: str, z: Tensor, y: Tensor, d: Tensor, settings: dict[str, Tensor]) -> Tensor:
    """E of one sample; z, y, d: (n)."""
    weights = settings.get("class_weights")
    if loss == "half_squared_error":
        return F.mse_loss(y, d, reduction="sum") / 2
    if loss == "mean_squared_error":
        return F.mse_loss(y, d)
    if loss == "mean_absolute_error":
        return F.l1_loss(y, d)
    if loss == "huber":
        return F.huber_loss(y, d, delta=float(settings["huber_delta"]))
    if loss == "cross_entropy":
        smoothing = float(settings.get("label_smoothing", torch.zeros(1)))
        return F.cross_entropy(z[None], d[None], weight=weights, label_smoothing=smoothing, reduction="sum")
    if loss == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(z, d, weight=weights)
    return F.poisson_nll_loss(y, d)


def make_case(activation: str, loss: str, settings: dict[str, Tensor]) -> list[str]:
    """The lines of one case, from the generator's next numbers."""
    z = float32(torch.randn(OUTPUTS, dtype=torch.float64) * 2).requires_grad_()
    if loss == "cross_entropy":
        # Sixteenths that add up to 1.
        d = torch.tensor([1, 5, 0, 7, 3], dtype=torch.float64) / 16
    elif loss == "poisson":
        d = torch.tensor([0, 1, 7, 2.5, 30], dtype=torch.float64)
    else:
        d = float32(torch.rand(OUTPUTS, dtype=torch.float64))
    c = 0.75 if activation in SCALED else 0.0
    y = ACTIVATIONS[activation](z, c)
    error = error_of(loss, z, y, d, settings)
    (signal,) = torch.autograd.grad(error, z)
    return [
        f"case {activation} {loss}",
        line("negative_scale", [c]),
        *(line(name, value) for name, value in settings.items()),
        line("z", z),
        line("targets", d),
        line("outputs", y),
        line("error", error),
        line("signal", signal),
    ]


def settings_of(loss: str) -> Iterator[dict[str, Tensor]]:
    """The settings to try a loss with."""
    weights = torch.tensor([1, 0.5, 3, 0, 2.25], dtype=torch.float64)
    smoothing = torch.tensor([0.125], dtype=torch.float64)
    if loss == "huber":
        yield {"huber_delta": torch.tensor([1], dtype=torch.float64)}
        yield {"huber_delta": torch.tensor([0.25], dtype=torch.float64)}
        return
    yield {}
    if loss in FUSED:
        yield {"class_weights": weights}
    if loss == "cross_entropy":
        yield {"label_smoothing": smoothing}
        yield {"label_smoothing": smoothing, "class_weights": weights}


def cases() -> Iterator[str]:
    """The lines of all cases, always in the same order."""
    losses = ("half_squared_error", "cross_entropy", "mean_squared_error", "mean_absolute_error", "huber",
              "binary_cross_entropy", "poisson")
    for loss in losses:
        for activation in FUSED.get(loss, [name for name in ACTIVATIONS if name != "softmax"]):
            for settings in settings_of(loss):
                yield from make_case(activation, loss, settings)


def main() -> None:
    """Writes the file."""
    torch.manual_seed(20240501)
    write("functions.txt", __file__, cases())


if __name__ == "__main__":
    main()
