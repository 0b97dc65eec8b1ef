#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""backpropd is killed at random moments under load, and loses nothing that it had acknowledged.

What it must have afterwards is known from what was sent and answered
(crash/oracle.py). A few sessions are trained by the Python client, which resumes
by itself (crash/resumer.py). A round before whose kill too little was trained is void and
repeated. The seed decides what is asked for and when it is killed; the machine
decides how far it got until then. Needs the Python that client_python_test
makes.

With --failpoints it dies by itself instead, once at each place that
server/store/failpoint.h names (crash/failpoints.py); a place that it does not come to
fails the test.
"""

from __future__ import annotations

import argparse
import pathlib
import secrets
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

from crash.failpoints import PLACES, Failpoints  # noqa: E402
from crash.kills import RandomKills  # noqa: E402

GIVEN = argparse.Namespace()


class CrashTest(unittest.TestCase):
    def test_what_was_acknowledged_survives(self) -> None:
        data_dir = pathlib.Path(tempfile.mkdtemp(prefix="crash_test_", dir=GIVEN.data_dir))
        try:
            self._crash(data_dir)
        except BaseException:
            print(f"the data directory is kept: {data_dir}", flush=True)
            raise
        shutil.rmtree(data_dir)

    def _crash(self, data_dir: pathlib.Path) -> None:
        if GIVEN.failpoints is not None:
            print(f"--seed {GIVEN.seed} --failpoints {' '.join(GIVEN.failpoints)}", flush=True)
            Failpoints(GIVEN.backpropd, data_dir, GIVEN.seed).run(GIVEN.failpoints)
        else:
            print(f"--seed {GIVEN.seed} --kills {GIVEN.kills} --sessions {GIVEN.sessions}", flush=True)
            RandomKills(GIVEN.backpropd, data_dir, GIVEN.seed, GIVEN.sessions).run(GIVEN.kills)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of an earlier run, to repeat it")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument(
        "--failpoints", nargs="*", choices=list(PLACES), metavar="PLACE", help="only these; left out: all there are"
    )
    parser.add_argument("--data-dir", help="where to make the server's; it is left there when the test fails")
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
