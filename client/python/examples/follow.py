#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows a session that somebody else trains, until it is deleted.

usage: follow.py HOST:PORT SESSION_ID
"""

import sys

from backpropd import SessionNotFoundError, TrainingClient


def main() -> None:
    """Keeps a replica current, and looks at the error now and then."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    target, session_id = sys.argv[1:]
    with TrainingClient(target) as client:
        session = client.get(session_id)
        replica = session.replica()
        print(f"begins at step {replica.step}", flush=True)
        steps, error, printed = 0, 0.0, 0
        with session.watch(replica) as watch:
            for batch in watch:
                steps += len(batch.errors)
                error += float(batch.errors.sum())
                if replica.step - printed >= 500:
                    printed = replica.step
                    print(f"step {replica.step:5}  mean error of {steps} steps {error / steps:.4f}")
                    steps, error = 0, 0.0
        # Each digest that the server sent was compared: a replica that ends here is the server's network.
        print(f"deleted after step {replica.step}: identical to the end, digest {replica.digest():016x}")


if __name__ == "__main__":
    try:
        main()
    except SessionNotFoundError as error:
        sys.exit(str(error))
