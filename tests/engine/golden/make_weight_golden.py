#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes initial_weights.txt beside this script: initial weights, bit for bit.

    python3 tests/engine/golden/make_weight_golden.py

With --check it only says whether the file is what it would write. Every formula
of network.proto (Initialiser) once more, in Python's floats (IEEE doubles) and
integers alone, with the constants as they stand in that text. One line a
network:

    KIND VALUE SEED INPUT_SIZE,SIZE,SIZE... WEIGHT...

the weights in layout order as the 8 hexadecimal digits of float32's bits.
"""

import math
import pathlib
import re
import statistics
import struct
import sys
from collections.abc import Sequence

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "initial_weights.txt"
LOW = 0xFFFFFFFF

# Initialiser's comment in one line.
_PROTO = (HERE.parents[2] / "proto/backprop/v1/network.proto").read_text()
MANUAL = re.sub(r"\n//\s*", " ", re.search(r"(?:^//.*\n)+(?=message Initialiser )", _PROTO, re.M)[0])


def constants(before: str, number: str, count: int) -> list[str]:
    """The first `count` numbers of a form after some words of the manual."""
    found = re.findall(number, MANUAL.split(before, maxsplit=1)[1])[:count]
    if len(found) != count:
        raise AssertionError(f"The manual has no {count} numbers after {before!r}.")
    return found


# A, B for the middle, C, D for the tails.
A, B, C, D = (tuple(map(float, constants(f" {name}: ", r"\b\d[.\de-]*", 8))) for name in "ABCD")
MULTIPLIERS = [int(number, 16) for number in constants("p0 = ", r"0x[0-9A-F]{8}\b", 2)]
KEY_STEPS = [int(number, 16) for number in constants("(k0, k1) ← ", r"0x[0-9A-F]{8}\b", 2)]
SERIES = tuple(2.0 / (2 * i + 1) for i in range(11))
HEXADECIMAL = r"0x1\.[0-9a-f]+p−\d+"
SQRT_HALF, LN2 = (float.fromhex(number.replace("−", "-")) for number in constants("ln x:", HEXADECIMAL, 2))


def fl(x: float) -> float:
    """x rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def philox(block: int, seed: int) -> list[int]:
    """The four words of one block of Philox4x32-10."""
    c = [block & LOW, block >> 32, 0, 0]
    k = [seed & LOW, seed >> 32]
    for _ in range(10):
        p0 = MULTIPLIERS[0] * c[0]
        p1 = MULTIPLIERS[1] * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & LOW, (p0 >> 32) ^ c[3] ^ k[1], p0 & LOW]
        k = [(k[0] + KEY_STEPS[0]) & LOW, (k[1] + KEY_STEPS[1]) & LOW]
    return c


def upper_bits(seed: int, i: int) -> int:
    """n of weight number i."""
    return philox(i // 4, seed)[i % 4] >> 8


def horner(c: Sequence[float], x: float) -> float:
    """c0 + c1 x + c2 x^2 + ..."""
    result = c[-1]
    for coefficient in c[-2::-1]:
        result = result * x + coefficient
    return result


def logarithm(x: float) -> float:
    """ln x"""
    m, e = math.frexp(x)
    if m < SQRT_HALF:
        m, e = 2 * m, e - 1
    s = (m - 1) / (m + 1)
    return e * LN2 + s * horner(SERIES, s * s)


def tail(p: float) -> float:
    """How far out only the share p lies beyond."""
    r = math.sqrt(-logarithm(p)) - 1.6
    return horner(C, r) / horner(D, r)


def quantile(n: int) -> float:
    """The normal quantile of (n + 1/2) / 2^24."""
    p = (n + 0.5) * 2.0**-24
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * horner(A, r) / horner(B, r)
    return -tail(p) if q < 0 else tail(1 - p)


def dot(x: Sequence[float], y: Sequence[float]) -> float:
    """Eight partial sums, then by halves."""
    s = [0.0] * 8
    for i, (a, b) in enumerate(zip(x, y)):
        s[i % 8] = s[i % 8] + a * b
    s = [s[i] + s[i + 4] for i in range(4)]
    s = [s[i] + s[i + 2] for i in range(2)]
    return s[0] + s[1]


def orthonormalise(vectors: list[list[float]]) -> None:
    """Modified Gram-Schmidt, in place."""
    for j, v in enumerate(vectors):
        for x in vectors[:j]:
            c = dot(v, x)
            for i in range(len(v)):
                v[i] = v[i] - c * x[i]
        length = math.sqrt(dot(v, v))
        if length != 0:
            for i in range(len(v)):
                v[i] = v[i] / length


def orthogonal(numbers: list[float], rows: int, columns: int) -> list[float]:
    """numbers: (rows, columns), row-major; so is the result."""
    matrix = [numbers[i * columns:(i + 1) * columns] for i in range(rows)]
    if rows <= columns:
        orthonormalise(matrix)
    else:
        turned = [list(column) for column in zip(*matrix)]
        orthonormalise(turned)
        matrix = [list(row) for row in zip(*turned)]
    return [number for row in matrix for number in row]


def uniform(limit: float, n: int) -> float:
    """A number in +-limit."""
    return fl(fl(limit) * fl(2 * (n * 2.0**-24) - 1))


def layer_weights(kind: str, value: float, seed: int, begin: int, fan_in: int, fan_out: int) -> list[float]:
    """One layer's matrix and bias; begin: its first weight's number."""
    size = fan_in * fan_out
    bits = [upper_bits(seed, begin + i) for i in range(size + fan_out)]
    limits = {"glorot_uniform": 6 / (fan_in + fan_out), "he_uniform": 6 / fan_in, "lecun_uniform": 3 / fan_in}
    variances = {"glorot_normal": 2 / (fan_in + fan_out), "he_normal": 2 / fan_in, "lecun_normal": 1 / fan_in}
    bias = [0.0] * fan_out
    if kind in limits:
        return [uniform(math.sqrt(limits[kind]), n) for n in bits[:size]] + bias
    if kind in variances:
        deviation = math.sqrt(variances[kind])
        return [fl(deviation * quantile(n)) for n in bits[:size]] + bias
    if kind == "uniform":
        return [uniform(value, n) for n in bits[:size]] + bias
    if kind == "normal":
        return [fl(value * quantile(n)) for n in bits[:size]] + bias
    if kind == "torch_linear":
        return [uniform(1 / math.sqrt(fan_in), n) for n in bits]
    if kind == "orthogonal":
        made = orthogonal([quantile(n) for n in bits[:size]], fan_out, fan_in)
        return [fl(value * number) for number in made] + bias
    return [value] * size + bias  # constant


def line_of(kind: str, value: float, seed: int, sizes: Sequence[int]) -> str:
    """One network's line."""
    weights: list[float] = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        weights += layer_weights(kind, value, seed, len(weights), fan_in, fan_out)
    bits = [struct.pack(">f", weight).hex() for weight in weights]
    return " ".join([kind, repr(value), str(seed), ",".join(map(str, sizes)), *bits])


def check_quantile() -> None:
    """Python's own quantile is the same algorithm with the library's logarithm."""
    normal = statistics.NormalDist()
    for n in (0, 1, 5, 1000, 1 << 20, 1258291, 1258292, (1 << 23) - 1, 1 << 23, 15518924, 15518925, (1 << 24) - 1):
        known = normal.inv_cdf((n + 0.5) * 2.0**-24)
        if abs(quantile(n) - known) > 1e-14 * abs(known):
            raise AssertionError(f"quantile of {n}: {quantile(n)!r}, not {known!r}")


def check_constants() -> None:
    """The quantile's constants are the engine's to the last digit, where float32 weights would not show it."""
    source = (HERE.parents[2] / "engine/random/normal_quantile.cc").read_text()
    engine = {float(number) for number in re.findall(r"\b\d+\.\d+(?:e-?\d+)?\b", source)}
    engine |= {float.fromhex(number) for number in re.findall(r"0x1\.[0-9a-f]+p-\d+", source)}
    if foreign := {*A, *B, *C, *D, SQRT_HALF, LN2} - engine:
        raise AssertionError(f"Constants of the manual that normal_quantile.cc doesn't have: {foreign}.")


def golden() -> str:
    """The file's text."""
    kinds = {
        "glorot_uniform": 0.0, "he_uniform": 0.0, "constant": 0.375, "uniform": fl(0.1), "normal": fl(0.02),
        "glorot_normal": 0.0, "he_normal": 0.0, "lecun_uniform": 0.0, "lecun_normal": 0.0, "torch_linear": 0.0,
    }
    lines = ["# Made by make_weight_golden.py. Not to be edited."]
    for seed in (0, 0x123456789ABCDEF0):
        lines += [line_of(kind, value, seed, (5, 3, 2)) for kind, value in kinds.items()]
        lines += [line_of("orthogonal", 1.0, seed, (13, 5, 17, 9, 9)), line_of("orthogonal", fl(1.4), seed, (1, 1, 8))]
    lines.append(line_of("normal", 1.0, 7, (40, 30)))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes the file, or checks it."""
    check_quantile()
    check_constants()
    if sys.argv[1:] != ["--check"]:
        GOLDEN.write_text(golden())
    elif GOLDEN.read_text() != golden():
        sys.exit("initial_weights.txt is not what network.proto's arithmetic and constants make.")


if __name__ == "__main__":
    main()
