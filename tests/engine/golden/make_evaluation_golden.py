#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes evaluations.txt beside this script: errors over some samples by PyTorch.

Run it with the distribution's Python and python3-torch:

    /usr/bin/python3 tests/engine/golden/make_evaluation_golden.py

A network of one layer of logits, with every setting of the loss. A case is these
lines, each a word and its values:

    case LOSS
    label_smoothing E, class_weights c...: only if they are used
    weights      (outputs × inputs, then outputs): the matrix row by row, the bias
    inputs       (samples × inputs)
    classes      (samples), or targets (samples × outputs)
    error        the mean over samples of each sample's loss
    plain_error  the same without the settings

Everything is computed in float64 by PyTorch's own functions, sample by sample
(its mean over a batch would divide by the sum of the class weights).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from golden_file import line, write

INPUTS, OUTPUTS, SAMPLES = 4, 3, 6
CLASS_WEIGHTS = (0.5, 2.0, 1.0)
# Loss, how targets are given, ε, c.
CASES = (
    ("cross_entropy", "classes", 0.2, CLASS_WEIGHTS),
    ("cross_entropy", "classes", 0.2, None),
    ("cross_entropy", "classes", 0.0, CLASS_WEIGHTS),
    ("cross_entropy", "classes", 0.0, None),
    ("cross_entropy", "targets", 0.2, CLASS_WEIGHTS),
    ("binary_cross_entropy", "targets", 0.0, CLASS_WEIGHTS),
    ("binary_cross_entropy", "targets", 0.0, None),
)


def eighths(*shape: int) -> Tensor:
    """Numbers that float32 holds exactly."""
    return torch.round(torch.randn(*shape, dtype=torch.float64) * 8) / 8


def mean_error(loss: str, z: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> float:
    """z: (samples, outputs); targets: (samples) of classes, or as z."""
    if loss == "binary_cross_entropy":
        each = F.binary_cross_entropy_with_logits(z, targets, weight=weights, reduction="none").mean(dim=1)
    else:
        each = F.cross_entropy(z, targets, weight=weights, label_smoothing=smoothing, reduction="none")
    return float(each.mean())


def main() -> None:
    """Writes the file."""
    torch.manual_seed(1)
    lines = []
    for loss, kind, smoothing, class_weights in CASES:
        w, b, x = eighths(OUTPUTS, INPUTS), eighths(OUTPUTS), eighths(SAMPLES, INPUTS)
        z = x @ w.T + b
        classes = torch.randint(OUTPUTS, (SAMPLES,))
        shares = torch.randint(0, 5, (SAMPLES, OUTPUTS)).to(torch.float64)
        if loss == "cross_entropy":  # quarters that add up to 1
            shares = torch.distributions.Multinomial(4, torch.ones(OUTPUTS)).sample((SAMPLES,)).to(torch.float64)
        targets = classes if kind == "classes" else shares / 4
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
        lines.append(f"case {loss}")
        if smoothing:
            lines.append(line("label_smoothing", [smoothing]))
        if class_weights:
            lines.append(line("class_weights", class_weights))
        lines += [
            line("weights", torch.cat([w.flatten(), b])),
            line("inputs", x),
            line(kind, targets),
            line("error", [mean_error(loss, z, targets, smoothing, weights)]),
            line("plain_error", [mean_error(loss, z, targets, 0.0, None)]),
        ]
    write("evaluations.txt", __file__, lines)


if __name__ == "__main__":
    main()
