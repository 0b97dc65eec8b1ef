#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The picture shows the figures: each of them once, where its axis says."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

SCRIPT = pathlib.Path(__file__).with_name("draw_figures.py")
SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {
    "name": "machine",
    "value": 2,
    "unit": "cores",
    "processor": "Babbage <1837> & Sons",
    "date": "2026-02-03",
}
# (form, network, the engine's rate, peers' rates)
MEASURED = [
    ("sgd1", "8-16-1", 3.1e6, {"jax": 9.9e5, "pytorch": 9.4e3, "fann": 2.2e6, "roofline": 8.7e7}),
    ("sgd1", "784-128-10", 123456.7, {"jax": 31234.5, "pytorch": 5.1e3, "fann": 1.3e4, "roofline": 1.7e5}),
    ("batch32", "784-128-10", 1.5e5, {"jax": 1.6e5, "pytorch": 8.0e4, "roofline": 1.7e5}),
    ("adam1", "784-128-10", 4.2e4, {"jax": 1.1e4, "pytorch": 37.5}),
]
PREFIXES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def rows() -> list[dict]:
    """What build/benchmark.json holds: other rows too."""
    wire = {
        "name": "stream/784-128-10/1/pipelined",
        "value": 9e4,
        "unit": "samples/s",
        "peer": "jax",
        "peer_value": 1.0,
    }
    gemv = {
        "name": "engine/sgd1/8-16-1",
        "value": 3.1e6,
        "unit": "samples/s",
        "peer": "blas-gemv-ger",
        "peer_value": 5.0,
    }
    return [MACHINE, {"name": "crowd/idle", "value": 3, "unit": "MB"}, wire, gemv] + [
        {
            "name": f"engine/{form}/{network}",
            "value": rate,
            "unit": "samples/s",
            "peer": peer,
            "peer_value": peer_rate,
            "ratio": rate / peer_rate,
            "kernels": "Brass",
        }
        for form, network, rate, peers in MEASURED
        for peer, peer_rate in peers.items()
    ]


def run(figures: list[dict]) -> tuple[subprocess.CompletedProcess, str]:
    """How the script ended, and what it drew."""
    with tempfile.TemporaryDirectory() as folder:
        source, picture = pathlib.Path(folder, "figures.json"), pathlib.Path(folder, "picture.svg")
        source.write_text(json.dumps(figures))
        done = subprocess.run(
            [sys.executable, "-B", SCRIPT, source, picture], check=False, capture_output=True, text=True
        )
        return done, picture.read_text() if picture.exists() else ""


class Picture:
    """What can be seen in an SVG."""

    def __init__(self, text: str) -> None:
        root = ElementTree.fromstring(text)
        self.texts = [
            (float(element.get("x")), float(element.get("y")), element.get("class", "").split(), element.text)
            for element in root.iter(f"{SVG}text")
        ]
        # (contestant, x, y)
        self.marks = []
        for group in root.iter(f"{SVG}g"):
            classes = set(group.get("class").split())
            if "key" not in classes:
                x, y = group.get("transform").removeprefix("translate(").removesuffix(")").split()
                (who,) = classes - {"mark"}
                self.marks.append((who, float(x), float(y)))

    def rate_at(self, x: float) -> float:
        """What the axis says of a place: of its first and its last number."""
        ticks = [(place, text) for place, _, classes, text in self.texts if "tick" in classes]
        (low_x, low), (high_x, high) = (
            (place, math.log10(int(text.rstrip("kMG")) * PREFIXES[text.lstrip("0123456789")]))
            for place, text in (min(ticks), max(ticks))
        )
        return 10 ** (low + (high - low) * (x - low_x) / (high_x - low_x))

    def line_of(self, y: float) -> str:
        """The leftmost text beside a place."""
        return min((x, text) for x, place, _, text in self.texts if abs(place - y) < 8)[1]

    def heading_of(self, y: float) -> str:
        """The last text above a place that stands left of all networks."""
        left = min(x for x, _, _, _ in self.texts)
        return max((place, text) for x, place, _, text in self.texts if x == left and place < y)[1]


class DrawFiguresTest(unittest.TestCase):
    def setUp(self) -> None:
        done, text = run(rows())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.picture = Picture(text)

    def test_each_figure_has_one_mark_where_the_axis_says(self) -> None:
        headings = {"sgd1": "SGD, one", "batch32": "SGD, batches of 32", "adam1": "Adam, one"}
        wanted = sorted(
            (headings[form], network, who, math.log10(rate))
            for form, network, ours, peers in MEASURED
            for who, rate in [("engine", ours), *peers.items()]
        )
        found = sorted(
            (self.picture.heading_of(y), self.picture.line_of(y), who, math.log10(self.picture.rate_at(x)))
            for who, x, y in self.picture.marks
        )
        for (heading, *place, rate), (wanted_heading, *wanted_place, wanted_rate) in zip(found, wanted, strict=True):
            self.assertTrue(heading.startswith(wanted_heading), heading)
            self.assertEqual(place, wanted_place)
            self.assertAlmostEqual(rate, wanted_rate, places=3)

    def test_ratios_are_those_to_jax(self) -> None:
        shown = {
            (self.picture.heading_of(y - 1), self.picture.line_of(y)): float(text)
            for _, y, classes, text in self.picture.texts
            if "ratio" in classes
        }
        self.assertEqual(sorted(shown.values()), [0.94, 3.13, 3.82, 3.95])
        self.assertEqual(shown["SGD, batches of 32", "784-128-10"], 0.94)

    def test_where_the_engine_is_behind_the_ratio_says_so(self) -> None:
        behind = [text for _, _, classes, text in self.picture.texts if "behind" in classes]
        self.assertEqual(behind, ["0.94"])

    def test_the_scale_has_two_numbers_at_least_and_no_figure_beyond_it(self) -> None:
        for rate in (1.0, 9.99, 1000.0, 3.1e6):
            done, text = run([MACHINE, {**rows()[3], "value": rate, "peer": "jax", "peer_value": rate * 1.01}])
            self.assertEqual(done.returncode, 0, done.stderr)
            picture = Picture(text)
            for _, x, _ in picture.marks:
                self.assertTrue(196 <= x <= 706, x)
            self.assertAlmostEqual(picture.rate_at(picture.marks[0][1]) / rate, 1, places=2)

    def test_caption_tells_machine_date_and_kernels(self) -> None:
        told = " ".join(text for _, _, _, text in self.picture.texts)
        for value in ("Babbage <1837> & Sons", "2026-02-03", "Brass"):
            self.assertIn(value, told)

    def test_each_way_of_training_has_one_heading(self) -> None:
        left = min(x for x, _, _, _ in self.picture.texts)
        headings = [text for x, _, classes, text in self.picture.texts if x == left and "strong" in classes]
        self.assertEqual(headings, ["SGD, one sample a step", "Adam, one sample", "SGD, batches of 32"])

    def test_names_of_all_contestants_are_there(self) -> None:
        told = {text for _, _, _, text in self.picture.texts}
        self.assertLessEqual({"backpropd", "JAX", "PyTorch", "FANN", "roofline"}, told)

    def test_figures_without_a_machine_are_refused(self) -> None:
        done, text = run(rows()[1:])
        self.assertEqual((done.returncode, text), (1, ""))
        self.assertIn('no row "machine"', done.stderr)

    def test_figures_of_several_kernels_are_refused(self) -> None:
        done, text = run([*rows(), {"name": "crowd/idle", "value": 3, "unit": "MB", "kernels": "Steel"}])
        self.assertEqual((done.returncode, text), (1, ""))
        self.assertIn("several runs, with Brass and Steel", done.stderr)

    def test_figures_without_the_engine_are_refused(self) -> None:
        done, text = run(rows()[:3])
        self.assertEqual((done.returncode, text), (1, ""))
        self.assertIn("no row of the engine", done.stderr)


if __name__ == "__main__":
    unittest.main()
