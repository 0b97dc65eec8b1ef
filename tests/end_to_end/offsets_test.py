#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that come twice, too early, in the wrong order and with other samples are answered as the protocol says.

They are drawn (network/unruly.py), and so are the ends of their streams; what is
due is known from a model of the rules (network/offset_rules.py). In the end the
weights are, bit for bit, those of a session that was given each sample once, in
order. A run in which something was not drawn is void, and fails. Needs the
Python that client_python_test makes.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import secrets
import sys
import tempfile
import time
import unittest
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from backpropd.v1 import network_pb2 as pb  # noqa: E402
from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from network.clean import trained_in_one_go  # noqa: E402
from network.unruly import ENDS, Payload, Unruly  # noqa: E402
from server_under_test.demand import demand  # noqa: E402
from server_under_test.server import Server  # noqa: E402

_SPEC = (
    "input_size: 4 layers {size: 3 activation: ACTIVATION_TANH} layers {size: 2}"
    " optimiser {adam {} learning_rate: 0.001}"
)
_LONGEST_STREAM = 600  # messages
_REASONS = ("", "OFFSET_GAP", "SAMPLES_DIFFER", "INVALID_REQUEST")
GIVEN = argparse.Namespace()


def spec_of(batch: int, mode: pb.DurabilityMode) -> pb.SessionSpec:
    """A session with steps of so many samples."""
    spec = text_format.Parse(_SPEC, pb.SessionSpec())
    spec.batch_size = batch
    spec.durability.mode = mode
    return spec


class OffsetsTest(unittest.TestCase):
    def test_each_message_is_answered_by_the_rules(self) -> None:
        print(f"--seed {GIVEN.seed} --messages {GIVEN.messages}", flush=True)
        choice = random.Random(GIVEN.seed)
        with tempfile.TemporaryDirectory(prefix="offsets_test_") as data_dir:
            server = Server(GIVEN.backpropd, pathlib.Path(data_dir))
            for batch, mode in ((1, pb.DURABILITY_MODE_DURABLE), (3, pb.DURABILITY_MODE_MEMORY)):
                self._train(server, spec_of(batch, mode), random.Random(choice.getrandbits(64)))
            demand(server.stop() == 0, "the server did not end as it should")
            server.close()

    def _train(self, server: Server, spec: pb.SessionSpec, choice: random.Random) -> None:
        payload = Payload(choice.getrandbits(32))
        session = server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        client = Unruly(server.address, session, payload, choice)
        began = time.monotonic()
        ends: list[str] = []
        while client.answered + client.cut_off < GIVEN.messages / 2:
            ends = ends or choice.sample(ENDS, len(ENDS))
            client.stream(choice.randint(20, _LONGEST_STREAM), ends.pop())
        client.stream(100, "half-closed")
        seconds = time.monotonic() - began
        self._demand_load(client)
        client.close()
        anchor = server.anchor(session)
        spec.durability.mode = pb.DURABILITY_MODE_MEMORY
        twin = server.stub.CreateSession(rpc.CreateSessionRequest(spec=spec)).session
        clean = trained_in_one_go(server, twin, client.rules.next_offset, payload.samples)
        demand(clean.message() == anchor.message(), f"{client} is not as one that was given each sample once")
        print(
            f"{client.answered} messages answered and {client.cut_off} cut off in {seconds:.0f} s,"
            f" {anchor.next_offset} samples applied; refused: {dict(client.reasons)}; {dict(client.ends)}",
            flush=True,
        )

    def _demand_load(self, client: Unruly) -> None:
        least = GIVEN.messages // 1000
        due: list[tuple[Counter[str], tuple[str, ...], int]] = [
            (client.whims.drawn, client.whims.kinds, least),
            (client.reasons, _REASONS, least),
            (client.ends, ENDS, 2),
        ]
        for counts, names, most in due:
            for name in names:
                demand(counts[name] >= most, f"void: {name!r} came {counts[name]} times only")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of an earlier run, to repeat it")
    parser.add_argument("--messages", type=int, default=20_000)
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
