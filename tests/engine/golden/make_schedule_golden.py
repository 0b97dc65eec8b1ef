#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes schedules.txt beside this script: learning rates by PyTorch.

Run it with the distribution's Python and python3-torch:

    /usr/bin/python3 tests/engine/golden/make_schedule_golden.py

A case is these lines:

    case KIND
    NAME VALUE    a setting, named as in engine/training/schedule.h; as many as needed
    errors        the error of each step (plateau only)
    rates         the learning rate of each step

torch.optim.lr_scheduler has every kind but the inverse of time, which is a
LambdaLR here; the warm-up is its LinearLR in a SequentialLR. A window of the
plateau's is one step of ReduceLROnPlateau, whose eps (the smallest change that
counts) is 0 here. Settings are numbers that float32 holds exactly.
"""

import warnings
from collections.abc import Callable

import torch
from torch.optim import SGD
from torch.optim import lr_scheduler as schedulers

from golden_file import line, write

Settings = dict[str, float]
Maker = Callable[[SGD, Settings], object]

MAKERS: dict[str, Maker] = {
    "step": lambda o, s: schedulers.StepLR(o, int(s["steps"]), s["factor"]),
    "exponential": lambda o, s: schedulers.ExponentialLR(o, s["factor"]),
    "polynomial": lambda o, s: schedulers.PolynomialLR(o, int(s["steps"]), s["power"]),
    "inverse_time": lambda o, s: schedulers.LambdaLR(o, lambda a: 1 / (1 + s["rate"] * a)),
    "cosine": lambda o, s: schedulers.CosineAnnealingLR(o, int(s["steps"]), s["min_rate"]),
    "restarts": lambda o, s: schedulers.CosineAnnealingWarmRestarts(o, int(s["steps"]), int(s["period_factor"]),
                                                                    s["min_rate"]),
}


def descent(rate: float) -> SGD:
    """An optimiser with one weight."""
    return SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=rate)


def lines_of(kind: str, settings: Settings, series: dict[str, list[float]]) -> list[str]:
    """One case's lines."""
    return [
        f"case {kind}",
        *(line(name, [value]) for name, value in settings.items()),
        *(line(name, values) for name, values in series.items()),
    ]


def by_age(kind: str, settings: Settings, steps: int) -> list[str]:
    """A schedule that depends on the step's number alone."""
    optimiser = descent(settings["learning_rate"])
    schedule = MAKERS[kind](optimiser, settings)
    warmup = int(settings.get("warmup_steps", 0))
    if warmup:
        rise = schedulers.LinearLR(optimiser, 1 / (warmup + 1), 1.0, warmup)
        schedule = schedulers.SequentialLR(optimiser, [rise, schedule], [warmup])
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return lines_of(kind, settings, {"rates": rates})


def plateau(settings: Settings, errors: list[float]) -> list[str]:
    """ReduceLROnPlateau, a window being one of its steps."""
    optimiser = descent(settings["learning_rate"])
    schedule = schedulers.ReduceLROnPlateau(
        optimiser, factor=settings["factor"], patience=int(settings["patience"]), threshold=settings["threshold"],
        min_lr=settings["min_rate"], eps=0.0)
    window = int(settings["steps"])
    rates = []
    for step, _ in enumerate(errors):
        rates.append(optimiser.param_groups[0]["lr"])
        if (step + 1) % window == 0:
            schedule.step(sum(errors[step + 1 - window:step + 1]) / window)
    return lines_of("plateau", settings, {"errors": errors, "rates": rates})


def falling_errors(count: int) -> list[float]:
    """Errors in 64ths that fall, stay, rise and fall again."""
    torch.manual_seed(3)
    noise = torch.randint(0, 6, (count,)).tolist()
    return [(max(8, 200 - 3 * i if i < 60 or i > 160 else 20 + i // 9) + noise[i]) / 64 for i in range(count)]


def main() -> None:
    """Writes the file."""
    warnings.simplefilter("ignore")
    base: Settings = {"learning_rate": 0.5}
    lines = by_age("step", {**base, "steps": 7, "factor": 0.25}, 40)
    lines += by_age("step", {**base, "steps": 1, "factor": 0.875, "warmup_steps": 5}, 30)
    lines += by_age("exponential", {**base, "factor": 0.96875}, 60)
    lines += by_age("exponential", {**base, "factor": 0.5, "warmup_steps": 3}, 20)
    lines += by_age("polynomial", {**base, "steps": 20, "power": 1.0}, 30)
    lines += by_age("polynomial", {**base, "steps": 17, "power": 2.5}, 30)
    lines += by_age("inverse_time", {**base, "rate": 0.125}, 50)
    lines += by_age("cosine", {**base, "steps": 25, "min_rate": 0.0625}, 25)
    lines += by_age("restarts", {**base, "steps": 6, "period_factor": 1.0, "min_rate": 0.0}, 40)
    lines += by_age("restarts", {**base, "steps": 4, "period_factor": 2.0, "min_rate": 0.03125}, 70)
    lines += by_age("restarts", {**base, "steps": 1, "period_factor": 3.0, "min_rate": 0.0}, 50)
    for window in (1, 4):
        settings = {**base, "steps": window, "factor": 0.5, "patience": 2, "threshold": 0.015625, "min_rate": 0.015625}
        lines += plateau(settings, falling_errors(240))
    settings = {**base, "steps": 3, "factor": 0.25, "patience": 0, "threshold": 0.0, "min_rate": 0.0}
    lines += plateau(settings, falling_errors(240))
    write("schedules.txt", __file__, lines)


if __name__ == "__main__":
    main()
