#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows a session that somebody else trains, until it is deleted."""

import argparse
import sys

from backpropd import ServerUnavailableError, SessionNotFoundError, TrainingClient


def main() -> None:
    """Keeps a replica current, and looks at the error now and then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", metavar="HOST:PORT", help="the server's address")
    parser.add_argument("session_id", metavar="SESSION_ID", help="as train_and_infer.py prints it")
    given = parser.parse_args()
    with TrainingClient(given.target) as client:
        session = client.get(given.session_id)
        replica = session.replica()
        print(f"begins at step {replica.step}", flush=True)
        steps, error, printed = 0, 0.0, 0
        with session.watch(replica) as watch:
            for batch in watch:
                steps += len(batch.errors)
                error += float(batch.errors.sum())
                if steps and replica.step - printed >= 500:  # no steps: an anchor took their place
                    printed = replica.step
                    print(f"step {replica.step:5}  mean error of {steps} steps {error / steps:.4f}")
                    steps, error = 0, 0.0
        # Each digest that the server sent was compared: a replica that ends here is the server's network.
        print(f"deleted after step {replica.step}: identical to the end, digest {replica.digest():016x}")


if __name__ == "__main__":
    try:
        main()
    except (SessionNotFoundError, ServerUnavailableError) as error:
        sys.exit(str(error))
