#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stranger may do to either port, and that the server stays up, small and of use.

Each test is one attack, bounded in time and bytes, against a server of its own.
Survival and memory are demanded; how well others are served meanwhile is
printed. Needs the Python that client_python_test makes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import re
import socket
import sys
import tempfile
import time
import unittest
import urllib.request
from typing import Iterator

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "client/python/src"))

import grpc  # noqa: E402
from backpropd.v1 import training_service_pb2 as rpc  # noqa: E402
from server_under_test.server import Server  # noqa: E402

GIVEN = argparse.Namespace()
MIB = 1 << 20
_PROBES = 20
_PROBE_SECONDS = 1.0
_SERVICE = "/backprop.v1.TrainingService/"


def _as_it_is(message: bytes) -> bytes:
    return message


def peak_bytes(pid: int) -> int:
    """The most memory that the process had at once."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """The peak begins anew from what the process has now."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class HostileTest(unittest.TestCase):
    def setUp(self) -> None:
        data_dir = tempfile.TemporaryDirectory(prefix="hostile_test_")
        self.addCleanup(data_dir.cleanup)
        self._data_dir = pathlib.Path(data_dir.name)

    def _serve(self, *flags: str, reads_log: bool = True) -> Server:
        server = Server(GIVEN.backpropd, self._data_dir, flags=flags, reads_log=reads_log)
        self.addCleanup(server.close)
        return server

    @contextlib.contextmanager
    def _grows_by_at_most(self, server: Server, most: int) -> Iterator[None]:
        forget_peak(server.pid)
        before = peak_bytes(server.pid)
        yield
        grown = peak_bytes(server.pid) - before
        print(f"{self._testMethodName}: {grown / MIB:.1f} MiB more at the peak", flush=True)
        self.assertLessEqual(grown, most)

    def _http(self, server: Server) -> socket.socket:
        host, port = server.http_address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)))
        self.addCleanup(connection.close)
        return connection

    def _probe(self, server: Server) -> None:
        slowest = 0.0
        for _ in range(_PROBES):
            began = time.monotonic()
            with urllib.request.urlopen(f"http://{server.http_address}/readyz", timeout=60) as page:
                self.assertEqual(page.read(), b"ready\n")
            slowest = max(slowest, time.monotonic() - began)
        print(f"{self._testMethodName}: the slowest of {_PROBES} probes took {slowest * 1000:.0f} ms", flush=True)

    def test_header_lines_without_end(self) -> None:
        server = self._serve()
        line = b"A: " + b"a" * 8000 + b"\r\n"
        with self._grows_by_at_most(server, 16 * MIB):
            for _ in range(16):
                flood = self._http(server)
                flood.sendall(b"GET / HTTP/1.1\r\n")
                with contextlib.suppress(ConnectionError):
                    for _ in range(4096):
                        flood.sendall(line)
                    self.fail("32 MB of headers were taken")
        self._probe(server)
        self.assertEqual(server.stop(), 0)

    def test_slow_connections(self) -> None:
        server = self._serve()
        slow = [self._http(server) for _ in range(500)]
        with self._grows_by_at_most(server, 16 * MIB):
            for connection in slow:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"GET /readyz HTTP/1.1\r\n")
            self._probe(server)
        self.assertEqual(server.stop(), 0)

    def test_ranges_without_end(self) -> None:
        server = self._serve()
        connection = self._http(server)
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nRange: bytes=0-" + b",0-" * 2600 + b"\r\n\r\n")
        received = 0
        while piece := connection.recv(65536):
            received += len(piece)
        self.assertLess(received, MIB)
        self.assertEqual(server.stop(), 0)

    def test_little_that_unfolds_to_much(self) -> None:
        server = self._serve()
        options = [("grpc.max_send_message_length", -1)]
        channel = grpc.insecure_channel(server.address, options=options, compression=grpc.Compression.Gzip)
        self.addCleanup(channel.close)
        train_step = channel.unary_unary(f"{_SERVICE}TrainStep", _as_it_is, _as_it_is)
        with self._grows_by_at_most(server, 25 * MIB):
            for _ in range(4):
                with self.assertRaises(grpc.RpcError) as raised:
                    train_step(bytes(256 * MIB))
                self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(server.stop(), 0)

    def test_a_log_that_nobody_reads(self) -> None:
        server = self._serve("--log-level=debug", reads_log=False)
        invalid = b"\x0a\x02\xff\xfe"  # a session_id that is no UTF-8
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        get_session = channel.unary_unary(f"{_SERVICE}GetSession", _as_it_is, _as_it_is)
        with self._grows_by_at_most(server, 25 * MIB):
            for _ in range(8000):
                with self.assertRaises(grpc.RpcError):
                    get_session(invalid, timeout=60)
        server.stub.ListSessions(rpc.ListSessionsRequest(), timeout=60)
        dropped = re.search(r"^backprop_log_lines_dropped_total (\d+)", server.metrics(), re.M)
        assert dropped is not None
        self.assertGreater(int(dropped[1]), 0)
        self.assertEqual(server.stop(), 0)

    def test_text_that_is_no_text(self) -> None:
        server = self._serve()
        channel = grpc.insecure_channel(server.address)
        self.addCleanup(channel.close)
        with self.assertRaises(grpc.RpcError):
            channel.unary_unary(f"{_SERVICE}GetSession", _as_it_is, _as_it_is)(b"\x0a\x02\xff\xfe")
        self.assertEqual(server.stop(), 0)
        said = [json.loads(line)["message"] for line in server.log]
        self.assertEqual(said, ["sessions are there", "serving", "draining", "stopped"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backpropd", required=True, help="the program")
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
