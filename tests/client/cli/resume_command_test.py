#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`backprop train` and `backprop watch` while their server is killed and started again on the same data."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import numpy
from command_fixture import BACKPROPD, PATIENCE_SECONDS, CommandTest, main

EPOCHS = 300


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Wire:
    """A connection's way to the server, which can be cut."""

    def __init__(self, server: str) -> None:
        host, port = server.split(":")
        self.server = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.ends: list[socket.socket] = []
        self.silent = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(self.server)
                self.ends += [near, far]
                threading.Thread(target=self.carry, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self.carry, args=(far, near, True), daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with source, contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                while answers and self.silent.is_set():
                    time.sleep(0.01)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """What the server answers meanwhile is lost."""
        self.silent.set()
        time.sleep(0.2)
        ends, self.ends = self.ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.silent.clear()


class ResumeTest(CommandTest):
    """A server of each test's own, at one address for all of its lives."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"127.0.0.1:{free_port()}"
        self.begin(self.folder / "data")

    def begin(self, data: pathlib.Path | None) -> None:
        """Starts the server; returns when it serves."""
        command = [BACKPROPD, f"--grpc-address={self.address}", "--http-address=127.0.0.1:0"]
        self.server = subprocess.Popen(command + ([f"--data-dir={data}"] if data else []), stderr=subprocess.PIPE,
                                       text=True)
        self.addCleanup(self.end, self.server, signal.SIGKILL)
        for line in self.server.stderr:
            if json.loads(line)["message"] == "serving":
                return
        self.fail("backpropd did not serve")

    def end(self, server: subprocess.Popen, how: signal.Signals) -> None:
        if server.returncode is None:
            server.send_signal(how)
            server.communicate(timeout=PATIENCE_SECONDS)

    def restart(self, how: signal.Signals) -> None:
        self.end(self.server, how)
        self.begin(self.folder / "data")

    def training(self, output: str, *arguments: str) -> list[str]:
        return ["--json", "train", *self.idx_data, "--epochs", str(EPOCHS), "--seed", "7", "--optimiser", "adam",
                "--keep-session", "--output", str(self.folder / output), *arguments]

    def start(self, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def read_to_epoch(self, process: subprocess.Popen, epoch: int) -> list[dict]:
        """What it says up to the end of that epoch."""
        said = []
        for line in process.stdout:
            said.append(json.loads(line))
            if said[-1].get("epoch", 0) >= epoch and said[-1]["event"] == "epoch":
                return said
        self.fail(process.stderr.read())

    def ended(self, process: subprocess.Popen) -> tuple[int, list[dict], str]:
        said = [json.loads(line) for line in process.stdout]
        complained = process.stderr.read()
        return process.wait(timeout=PATIENCE_SECONDS), said, complained

    def weights(self, name: str) -> bytes:
        return numpy.load(self.folder / name).tobytes()

    def expect_as_uninterrupted(self, how: signal.Signals, *arguments: str) -> None:
        told = [json.loads(line) for line in self.succeeds(*self.training("whole.npy", *arguments)).splitlines()]
        (whole,) = (entry for entry in told if entry["event"] == "done")
        process = self.start(*self.training("resumed.npy", *arguments))
        self.read_to_epoch(process, EPOCHS // 10)
        self.restart(how)
        self.read_to_epoch(process, EPOCHS // 3)
        self.restart(how)
        status, said, complained = self.ended(process)
        self.assertEqual(status, 0, complained)
        (done,) = (entry for entry in said if entry["event"] == "done")
        self.assertEqual(done["replica"], "identical")
        self.assertEqual((done["digest"], done["steps"]), (whole["digest"], whole["steps"]))
        self.assertEqual(self.weights("resumed.npy"), self.weights("whole.npy"))
        lines = complained.splitlines()
        self.assertEqual(len(lines), 4, complained)
        for broken, resumed in zip(lines[::2], lines[1::2]):
            self.assertRegex(broken, r"^backprop: the server went away \(.*\): looking for it for 60 seconds$")
            self.assertRegex(resumed, r"^backprop: the server was restarted: went on from step [\d,]+, "
                                      r"[\d,]+ samples sent again$")

    def test_kill_9_under_training_changes_no_bit(self) -> None:
        self.expect_as_uninterrupted(signal.SIGKILL)

    def test_nor_does_a_restart_in_good_order(self) -> None:
        self.expect_as_uninterrupted(signal.SIGTERM)

    def test_nor_does_one_while_test_data_is_evaluated_after_each_epoch(self) -> None:
        self.expect_as_uninterrupted(signal.SIGKILL, "--test-images", self.images, "--test-labels", self.labels)

    def test_a_connection_that_is_cut_loses_no_answer(self) -> None:
        told = [json.loads(line) for line in self.succeeds(*self.training("whole.npy")).splitlines()]
        wire = Wire(self.address)
        self.addCleanup(wire.listener.close)
        self.address, server = wire.address, self.address
        process = self.start(*self.training("cut.npy"))
        self.address = server
        said = []
        for cut in (1, 2, 3):
            said += self.read_to_epoch(process, cut * EPOCHS // 10)
            wire.cut()
        status, rest, complained = self.ended(process)
        self.assertEqual(status, 0, complained)
        # What is mended within a second is told at the end, which on a busy machine not all is.
        told_at_once = complained.count("the server is there again")
        summed_up = re.search(r"^backprop: the connection broke (once|\d times), and was there again within a second: "
                              r"[\d,]+ samples sent again$", complained, re.MULTILINE)
        times = {"once": 1, "2 times": 2, "3 times": 3}[summed_up[1]] if summed_up else 0
        self.assertEqual(times + told_at_once, 3, complained)
        self.assertEqual(len(complained.splitlines()), 2 * told_at_once + (times > 0), complained)
        self.assertEqual(sum(entry["event"] == "resumed" for entry in said + rest), 3)
        errors = [[entry["error"] for entry in entries if entry["event"] == "epoch"] for entries in (told, said + rest)]
        self.assertEqual(errors[1], errors[0])
        self.assertEqual(self.weights("cut.npy"), self.weights("whole.npy"))

    def test_a_server_that_stays_away_is_a_failure_in_the_time_that_was_given(self) -> None:
        process = self.start(*self.training("w.npy", "--reconnect-for", "1"))
        self.read_to_epoch(process, 10)
        self.end(self.server, signal.SIGKILL)
        status, _, complained = self.ended(process)
        self.assertEqual(status, 1)
        self.assertRegex(complained, r"^backprop: the server went away .* for 1 seconds\n"
                                     r"backprop: the connection to the server at \S+ broke after ")

    def test_a_session_in_memory_is_not_waited_for_when_its_server_says_goodbye(self) -> None:
        self.end(self.server, signal.SIGKILL)
        self.begin(None)
        process = self.start(*self.training("w.npy"))
        self.read_to_epoch(process, 10)
        self.end(self.server, signal.SIGTERM)
        status, _, complained = self.ended(process)
        self.assertEqual(status, 1)
        self.assertRegex(complained, r"^backprop: the server at \S+ has shut down ")

    def test_an_interrupt_ends_the_looking(self) -> None:
        process = self.start(*self.training("w.npy"))
        self.read_to_epoch(process, 10)
        self.end(self.server, signal.SIGKILL)
        self.assertIn("looking for it", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.ended(process)[0], 1)

    def test_a_watcher_goes_on_over_kill_9(self) -> None:
        self.expect_watcher_to_go_on(signal.SIGKILL, r".+")

    def test_and_over_a_restart_in_good_order(self) -> None:
        self.expect_watcher_to_go_on(signal.SIGTERM, "it shut down")

    def expect_watcher_to_go_on(self, how: signal.Signals, why: str) -> None:
        process = self.start(*self.training("w.npy"))
        session = json.loads(process.stdout.readline())["session_id"]
        steps = EPOCHS * 300
        watcher = self.start("--json", "watch", session, "--until-step", str(steps), "--interval", "0.05")
        self.assertIn("watching", watcher.stdout.readline())
        self.read_to_epoch(process, EPOCHS // 3)
        self.restart(how)
        status, said, complained = self.ended(watcher)
        self.assertEqual(status, 0, complained)
        self.assertEqual(said[-1]["step"], steps)
        self.assertRegex(complained, rf"^backprop: the server went away \({why}\): looking for it for 60 seconds\n"
                                     r"backprop: the server is there again: went on from step [\d,]+\n$")
        self.assertEqual(self.ended(process)[0], 0)


if __name__ == "__main__":
    main()
