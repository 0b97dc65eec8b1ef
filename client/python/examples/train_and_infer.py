#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains on the server, infers here: two spirals, told apart by a replica.

While it runs, follow.py can follow the session from another process.
"""

import argparse
import sys

import numpy as np
import numpy.typing as npt
from backpropd import ServerUnavailableError, TrainingClient, adam, network


def spirals(count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Points (count, 2) on two spirals, with the spiral that each lies on (count,)."""
    random = np.random.default_rng(seed)
    spiral = random.integers(0, 2, count)
    angle = random.uniform(0.5, 3 * np.pi, count)
    radius = angle / (3 * np.pi)
    turned = angle + np.pi * spiral
    points = np.stack([radius * np.cos(turned), radius * np.sin(turned)], axis=1)
    return (points + random.normal(0, 0.01, points.shape)).astype(np.float32), spiral


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "target", nargs="?", default="localhost:50051", metavar="HOST:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--wait", action="store_true", help="begin when Enter is pressed, so that there is time to start follow.py"
    )
    return parser.parse_args()


def main() -> None:
    """Trains for some epochs, watching points that are not trained on."""
    given = arguments()
    x, spiral = spirals(2000, seed=1)
    unseen, answer = spirals(500, seed=2)
    layers = [(48, "relu"), (24, "relu"), (2, "softmax")]
    spec = network(2, layers, adam(0.003), loss="cross_entropy", batch_size=4, initialiser="he_uniform", seed=1)
    with TrainingClient(given.target) as client:
        session = client.create(spec)
        print(f"session {session.session_id}", flush=True)
        if given.wait:
            sys.stdin.readline()
        replica = session.replica()
        for epoch in range(1, 11):
            result = session.train(x, spiral, shuffle_seed=epoch, replicas=[replica])
            right = np.mean(replica.predict(unseen).argmax(axis=1) == answer)
            print(f"step {result.step:5}  error {result.errors.mean():.4f}  unseen points right {right:.1%}")
        difference = replica.verify(session.weights(with_state=True))
        print(f"replica and server: {difference or 'identical'}, digest {replica.digest():016x}")
        session.delete()


if __name__ == "__main__":
    try:
        main()
    except ServerUnavailableError as error:
        sys.exit(f"no server: {error}")
