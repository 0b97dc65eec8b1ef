#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Works until it is interrupted, then goes on with the same client, again and again; as a notebook is used.

usage: interrupted_work.py HOST:PORT train|calls|watch ROUNDS

Prints `working` when SIGINT may come, and `right STEP` when after it the
client, the session and the replica were as they should be.
"""

import signal
import sys
from typing import Any, NoReturn

import numpy as np
from backpropd import Replica, Session, TrainingClient, network, sgd

X = np.random.default_rng(1).standard_normal((4000, 30)).astype("f4")
Y = np.argmax(X[:, :5], axis=1)


def train(session: Session, replica: Replica) -> None:
    """Trains for long."""
    session.train(X, Y, epochs=1000, replicas=[replica])


def calls(session: Session, _: Replica) -> NoReturn:
    """Makes the calls that are no training streams."""
    while True:
        session.refresh()
        session.weights(with_state=True)
        session.evaluate(X, Y)
        session.predict(X[:1])
        session.train_step(X[0], int(Y[0]))


def watch(session: Session, replica: Replica) -> None:
    """Waits for steps that others make."""
    with session.watch(replica) as batches:
        for _ in batches:
            pass


def main() -> None:
    """Goes through the rounds; any error ends it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    target, rounds = sys.argv[1], int(sys.argv[3])
    work: Any = {"train": train, "calls": calls, "watch": watch}[sys.argv[2]]
    spec = network(30, [(24, "tanh"), (5, "softmax")], sgd(0.05), loss="cross_entropy", further={"digest_every": 16})
    with TrainingClient(target) as client:
        session = client.create(spec)
        replica = session.replica()
        for _ in range(rounds):
            try:
                print("working", flush=True)
                work(session, replica)
                raise AssertionError("It was not interrupted.")
            except KeyboardInterrupt:
                pass
            session = client.get(session.session_id)
            session.train(X[:50], Y[:50], replicas=[replica])
            difference = replica.verify(session.weights(with_state=True))
            if difference is not None:
                raise AssertionError(f"The replica differs: {difference}")
            print(f"right {replica.step}", flush=True)
        session.delete()


if __name__ == "__main__":
    main()
