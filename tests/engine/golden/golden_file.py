# SPDX-License-Identifier: Apache-2.0
"""What the makers of golden files by PyTorch share.

A golden file is lines, each a word and its values; a file of several cases
begins each with the word `case`. Numbers are written so that they read back the
same. tests/engine/golden_cases.h reads them.
"""

import pathlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent

# a of z, (..., n); c: the layer's negative_scale, for those that have one.
ACTIVATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda z, c: z,
    "sigmoid": lambda z, c: torch.sigmoid(z),
    "tanh": lambda z, c: torch.tanh(z),
    "relu": lambda z, c: torch.relu(z),
    "softmax": lambda z, c: torch.softmax(z, dim=-1),
    "leaky_relu": lambda z, c: F.leaky_relu(z, negative_slope=c),
    "elu": lambda z, c: F.elu(z, alpha=c),
    "gelu": lambda z, c: F.gelu(z),
    "softplus": lambda z, c: F.softplus(z, threshold=100.0),
}


def float32(values: Tensor) -> Tensor:
    """The nearest numbers that float32 holds, as float64."""
    return values.float().double()


def line(word: str, values: Tensor | Iterable[float]) -> str:
    """One line of numbers."""
    if isinstance(values, Tensor):
        values = values.detach().flatten().tolist()
    return " ".join([word, *map(repr, values)])


def write(name: str, maker: str, lines: Iterable[str]) -> None:
    """The golden file of this name; `maker`: the path of the script that makes it."""
    head = f"# Made by {pathlib.Path(maker).name} with PyTorch {torch.__version__}. Not to be edited."
    (HERE / name).write_text("\n".join([head, *lines]) + "\n")
