#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A person with `buf curl` and nothing else can train.

Everything is typed as JSON; the schema comes from the server's reflection.
Arguments: the paths of backpropd and buf.
"""

import base64
import json
import struct
import subprocess
import sys
import unittest

BACKPROPD = ""
BUF = ""


class BufCurlTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = subprocess.Popen(
            [BACKPROPD, "--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True,
        )
        assert self.server.stderr is not None
        for line in self.server.stderr:
            entry = json.loads(line)
            if entry["message"] == "serving":
                self.address = entry["grpc_address"]
                return
        self.fail("backpropd did not serve")

    def tearDown(self) -> None:
        self.server.terminate()
        self.assertEqual(self.server.wait(timeout=20), 0)
        self.server.stderr.close()

    def call(self, method: str, request: dict, *flags: str,
             service: str = "backprop.v1.TrainingService") -> subprocess.CompletedProcess:
        """Runs buf curl on a method of a service."""
        return subprocess.run(
            [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *flags,
             "--data", json.dumps(request), f"http://{self.address}/{service}/{method}"],
            capture_output=True, text=True, timeout=60, check=False,
        )

    def answer(self, method: str, request: dict, *flags: str) -> dict:
        """The answer of a call that must succeed."""
        done = self.call(method, request, *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def create(self) -> str:
        """y = 2·x₀ − x₁ + ½, learning rate ½; returns the session's id."""
        weights = base64.b64encode(struct.pack("<3f", 2, -1, 0.5)).decode()
        made = self.answer("CreateSession", {
            "spec": {
                "inputSize": 2,
                "layers": [{"size": 1}],
                "optimiser": {"sgd": {}, "learningRate": 0.5},
            },
            "initial": {"weights": weights},
        })
        self.assertEqual(made["session"]["layout"]["weightCount"], "3")
        return made["session"]["sessionId"]

    def check_step(self, *flags: str) -> None:
        """One step by hand: δ = y − d = −2, E = 2, ΔW = −½·δ·x = x."""
        session = self.create()
        step = self.answer("TrainStep", {
            "sessionId": session,
            "samples": [{"inputs": [1, 3], "targets": [1.5]}],
        }, *flags)
        self.assertEqual(step["step"], "1")
        self.assertEqual(step["error"], 2)
        self.assertEqual(step["outputs"], [-0.5])
        self.assertEqual(step["deltas"], [{"weights": [1, 3], "bias": [1]}])
        predicted = self.answer("Predict", {"sessionId": session, "values": [1, 3]}, *flags)
        self.assertEqual(predicted, {"step": "1", "outputs": [10.5]})

    def test_a_step_typed_by_hand_shows_error_outputs_and_delta(self) -> None:
        self.check_step()

    def test_reflection_answers_in_both_versions(self) -> None:
        for version in ("grpc-v1", "grpc-v1alpha"):
            with self.subTest(version=version):
                self.check_step("--reflect-protocol", version)

    def test_health_is_asked_in_both_versions_of_reflection(self) -> None:
        for version in ("grpc-v1", "grpc-v1alpha"):
            with self.subTest(version=version):
                asked = self.call("Check", {"service": "backprop.v1.TrainingService"},
                                  "--reflect-protocol", version, service="grpc.health.v1.Health")
                self.assertEqual(asked.returncode, 0, asked.stderr)
                self.assertEqual(json.loads(asked.stdout), {"status": "SERVING"})

    def test_a_refusal_says_which_field_is_wrong(self) -> None:
        refused = self.call("TrainStep", {
            "sessionId": self.create(), "samples": [{"inputs": [1], "targets": [1.5]}],
        })
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("invalid_argument", refused.stderr)
        self.assertIn("samples[0].inputs", refused.stderr)


if __name__ == "__main__":
    BACKPROPD, BUF = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
