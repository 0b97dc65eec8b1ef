#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backpropd does not serve where OpenBLAS computes wrongly, and says of which it
computes with where it does.

Arguments: backpropd, and the faulty OpenBLAS (faulty_blas.cc).
"""

import json
import os
import re
import subprocess
import sys
import unittest
import urllib.request

BACKPROPD, FAULTY_BLAS = sys.argv[1:3]
# As faulty_blas.cc calls them, with the routine.
CALLS = {"NN": "sgemm", "NT": "sgemm", "TN": "sgemm", "N": "sgemv", "T": "sgemv"}


class WrongBlasTest(unittest.TestCase):
    def start(self, fault: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [BACKPROPD, "--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0", "--drain-seconds=0"],
            stderr=subprocess.PIPE, text=True,
            env=os.environ | {"LD_PRELOAD": FAULTY_BLAS, "FAULTY_BLAS": fault},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def first_line(self, process: subprocess.Popen) -> dict[str, str]:
        assert process.stderr
        self.addCleanup(process.stderr.close)
        return json.loads(process.stderr.readline())

    def assert_refuses(self, fault: str, routine: str) -> None:
        process = self.start(fault)
        line = self.first_line(process)
        self.assertEqual(line["message"], "could not start", line)
        self.assertRegex(line["error"], rf"OpenBLAS [\d.]+ computes wrongly with its kernels for \w+: {routine} of ")
        self.assertIn("OPENBLAS_CORETYPE", line["error"])
        self.assertEqual(process.wait(timeout=60), 1)

    def test_a_fault_of_any_routine_that_is_called_is_found(self) -> None:
        for call, routine in CALLS.items():
            for kind in ("any", "long", "wide"):
                with self.subTest(f"{call}-{kind}"):
                    self.assert_refuses(f"{call}-{kind}", routine)

    def test_what_is_not_the_results_is_looked_at_too(self) -> None:
        for call in ("NN", "NT", "TN"):
            with self.subTest(call):
                self.assert_refuses(f"{call}-gap", "sgemm")

    def test_a_result_that_hangs_on_what_lay_there_is_found(self) -> None:
        for call in ("NN", "TN", "T"):
            with self.subTest(call):
                self.assert_refuses(f"{call}-beta", CALLS[call])

    def test_where_it_computes_rightly_the_log_and_the_metrics_name_it(self) -> None:
        process = self.start("")
        line = self.first_line(process)
        self.assertEqual(line["message"], "serving", line)
        self.assertRegex(line["blas"], r"^OpenBLAS [\d.]+$")
        with urllib.request.urlopen(f"http://{line['http_address']}/metrics") as answer:
            page = answer.read().decode()
        (labels,) = re.findall(r"^backprop_build_info\{(.*)\}", page, re.M)
        for name in ("blas", "blas_kernels", "instruction_set"):
            self.assertNotEqual(line[name], "")
            self.assertIn(f'{name}="{line[name]}"', labels)
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
