#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what engine_benchmark.py measured.

A line for each network and way of training, a mark for each figure on a
logarithmic scale, and what the engine is to JAX. The picture has its own
background, in the light and the dark, so that no page makes it illegible.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import pathlib
import sys
from typing import Any
from xml.sax.saxutils import escape

WIDTH = 800
LEFT, RIGHT = 196, 706  # of the scale
TOP = 62
MARGIN = 0.15  # of the scale beyond the figures, in powers of ten
LINE = 21
GAP = 14  # above the lines of another way of training

FORMS = {
    "sgd1": "SGD, one sample a step",
    "momentum1": "Momentum, one sample",
    "adam1": "Adam, one sample",
    "batch32": "SGD, batches of 32",
    "batch256": "SGD, batches of 256",
}
# Each contestant's mark, drawn around 0, 0. The later ones lie on top, and leave
# so much of the one below, and of the page around themselves, that both are seen.
MARKS = {
    "roofline": ("roofline", '<path d="M0-8V8"/>'),
    "engine": ("backpropd", '<circle r="8"/>'),
    "fann": ("FANN", '<path d="M0-5 5 4H-5Z"/>'),
    "pytorch": ("PyTorch", '<path d="M-5-5H5V5H-5Z"/>'),
    "jax": ("JAX", '<path d="M0-5 5 0 0 5-5 0Z"/>'),
}
LEGEND = ["engine", "jax", "pytorch", "fann", "roofline"]
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.small { font-size: 11px; fill: #57606a }
.strong { font-weight: 600 }
.page { fill: #fff; stroke: #d0d7de }
.grid { stroke: #e4e8ec }
.span { stroke: #afb8c1 }
.mark { stroke: #fff }
.behind { fill: #cf222e }
.engine { fill: #0969da }
.jax { fill: #cf222e }
.pytorch { fill: #bc6a00 }
.fann { fill: #6e7781 }
.roofline { stroke: #24292f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .page { fill: #0d1117; stroke: #30363d }
  .grid { stroke: #21262d }
  .span { stroke: #484f58 }
  .mark { stroke: #0d1117 }
  .behind { fill: #ff7b72 }
  .engine { fill: #4493f8 }
  .jax { fill: #ff7b72 }
  .pytorch { fill: #e3a04f }
  .fann { fill: #9198a1 }
  .roofline { stroke: #e6edf3 }
}
"""

Figure = dict[str, Any]  # a row of engine_benchmark.py's


@dataclasses.dataclass
class Line:
    """A network trained in one way, and each contestant's samples a second."""

    form: str
    network: str
    rates: dict[str, float]


def read_lines(rows: list[Figure]) -> list[Line]:
    """The engine's rows, in the order of FORMS."""
    lines: dict[tuple[str, str], Line] = {}
    for row in rows:
        place, _, rest = row["name"].partition("/")
        if place != "engine" or row["peer"] not in MARKS:
            continue
        form, network = rest.split("/")
        line = lines.setdefault((form, network), Line(form, network, {"engine": row["value"]}))
        line.rates[row["peer"]] = row["peer_value"]
    order = list(FORMS)
    return sorted(lines.values(), key=lambda line: order.index(line.form))


class Scale:
    """Places of samples a second, with two powers of ten at least."""

    def __init__(self, rates: list[float]) -> None:
        low, high = math.log10(min(rates)), math.log10(max(rates))
        self._low = min(low - MARGIN, math.floor(high))
        self._high = max(high + MARGIN, math.ceil(self._low) + 1)

    def place(self, rate: float) -> float:
        """The x of a rate."""
        part = (math.log10(rate) - self._low) / (self._high - self._low)
        return LEFT + part * (RIGHT - LEFT)

    def powers(self) -> list[int]:
        """The exponents that have a line of the grid."""
        return list(range(math.ceil(self._low), math.floor(self._high) + 1))


def power_name(exponent: int) -> str:
    """1, 10, 100, 1k, 10k ... 1M."""
    if exponent < 0:
        return f"{10.0**exponent:g}"
    thousands, rest = divmod(exponent, 3)
    return f"{10**rest}{['', 'k', 'M', 'G'][thousands]}"


def text(x: float, y: float, what: str, style: str = "", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(what)}</text>'


def mark(who: str, x: float, y: float, rate: float) -> str:
    """A contestant's figure."""
    name, shape = MARKS[who]
    return (
        f'<g class="mark {who}" transform="translate({x:.2f} {y:g})" data-rate="{rate:.6g}">'
        f"<title>{escape(name)}: {rate:,.0f} samples/s</title>{shape}</g>"
    )


def draw_legend(whom: list[str]) -> list[str]:
    """Marks and whose they are."""
    parts, x = [], float(LEFT)
    for who in whom:
        name, shape = MARKS[who]
        parts.append(f'<g class="mark {who} key" transform="translate({x:g} 24)">{shape}</g>')
        parts.append(text(x + 13, 28, name))
        x += 38 + 7 * len(name)
    return parts


def draw_line(line: Line, y: float, scale: Scale) -> list[str]:
    """The marks of a line, between its name and its ratio to JAX."""
    places = {who: scale.place(rate) for who, rate in line.rates.items()}
    parts = [
        text(24, y + 4, line.network),
        f'<path class="span" d="M{min(places.values()):.2f} {y:g}H{max(places.values()):.2f}"/>',
    ]
    parts += [mark(who, places[who], y, line.rates[who]) for who in MARKS if who in places]
    if "jax" in line.rates:
        ratio = line.rates["engine"] / line.rates["jax"]
        style = "strong ratio" if ratio >= 1 else "strong ratio behind"
        parts.append(text(WIDTH - 20, y + 4, f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}", style, "end"))
    return parts


def caption(rows: list[Figure]) -> list[str]:
    """On which machine, when, with which kernels, and what the roofline is: a line each."""
    machine = next((row for row in rows if row["name"] == "machine"), None)
    if machine is None:
        sys.exit('these figures have no row "machine": measure with tests/benchmark/run.sh')
    kernels = {row["kernels"] for row in rows if "kernels" in row}
    if len(kernels) > 1:
        sys.exit(f"these figures are of several runs, with {' and '.join(sorted(kernels))}: draw one run's")
    told = f"{kernels.pop()} kernels" if kernels else "OpenBLAS, whose kernels the figures do not tell"
    return [
        f"Samples a second on one core; right is faster. {machine['processor']}, {machine['date']}.",
        f"backpropd and the roofline with {told}.",
        "The roofline is the rate of large matrix products, with nothing done but a step's operations.",
    ]


def draw(rows: list[Figure]) -> str:
    """The picture of a list of figures."""
    lines = read_lines(rows)
    if not lines:
        sys.exit("these figures have no row of the engine: measure with tests/benchmark/run.sh")
    scale = Scale([rate for line in lines for rate in line.rates.values()])
    shown = [who for who in LEGEND if any(who in line.rates for line in lines)]
    body, y, form = draw_legend(shown), float(TOP), ""
    for line in lines:
        if line.form != form:
            form = line.form
            y += GAP
            body.append(text(16, y + 4, FORMS[form], "strong"))
            y += LINE
        body += draw_line(line, y, scale)
        y += LINE
    grid = []
    for exponent in scale.powers():
        x = scale.place(10.0**exponent)
        grid.append(f'<path class="grid" d="M{x:g} {TOP}V{y:g}"/>')
        grid.append(text(x, TOP - 6, power_name(exponent), "small tick", "middle"))
    grid.append(text(WIDTH - 20, TOP - 6, "× JAX", "small", "end"))
    told = caption(rows)
    foot = [text(16, y + 20 + 16 * at, line, "small") for at, line in enumerate(told)]
    height = y + 18 + 16 * len(told)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}"'
            f' viewBox="0 0 {WIDTH} {height:g}" role="img">',
            f"<title>{escape(told[0])}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="6"/>',
            *grid,
            *body,
            *foot,
            "</svg>\n",
        ]
    )


def main() -> None:
    """Reads, draws, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=pathlib.Path, help="build/benchmark.json")
    parser.add_argument("picture", type=pathlib.Path, help="where to write the SVG")
    options = parser.parse_args()
    options.picture.write_text(draw(json.loads(options.figures.read_text())))


if __name__ == "__main__":
    main()
