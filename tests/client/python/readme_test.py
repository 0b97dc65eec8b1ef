# SPDX-License-Identifier: Apache-2.0
"""The README's examples do what they say, on the real server."""

from __future__ import annotations

import pathlib
import re
import threading
from typing import Any

import numpy as np
import pytest
from backpropd import TrainingClient, network, sgd

README = pathlib.Path(__file__).resolve().parents[3] / "client/python/README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
RNG = np.random.default_rng(7)
X = RNG.standard_normal((200, 2)).astype("f4")
CLASSES = (X[:, 0] > 0).astype(int)


def run(example: str, target: str, **given: Any) -> list[str]:
    """Runs it with what it takes for given; the lines that it prints."""
    printed: list[str] = given.pop("printed", [])
    assert '"localhost:50051"' in example
    names = {"__name__": "example", "print": printed.append, **given}
    exec(compile(example.replace("localhost:50051", target), "README.md", "exec"), names)
    return printed


def test_there_are_the_examples_that_are_tested() -> None:
    assert ["train" in EXAMPLES[0], "watch" in EXAMPLES[1], "asyncio" in EXAMPLES[2]] == [True, True, True]
    assert len(EXAMPLES) == 3


def test_it_trains_and_infers(target: str) -> None:
    run(EXAMPLES[0], target, x=X, classes=CLASSES, unseen=X)


@pytest.mark.parametrize("number", [1, 2], ids=["plain", "asyncio"])
def test_it_follows(target: str, number: int) -> None:
    printed: list[str] = []
    with TrainingClient(target) as client:
        session = client.create(network(2, [2], sgd(0.01), seed=1))

        def train_until_seen() -> None:
            while not printed:
                session.train(X, np.stack([X[:, 0], X[:, 1]], axis=1))
            session.delete()

        trainer = threading.Thread(target=train_until_seen)
        trainer.start()
        try:
            run(EXAMPLES[number], target, session_id=session.session_id, printed=printed)
        finally:
            printed.append("end")
            trainer.join()
    assert re.fullmatch(r"step [0-9]+: error [0-9.]+", printed[0])
