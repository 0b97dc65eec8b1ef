#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`backprop bench` measures a real server, agrees with what others count, and leaves nothing behind."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

from breaking_proxy import BreakingProxy  # noqa: E402
from command_fixture import PATIENCE_SECONDS, CommandTest, ServedTest, main  # noqa: E402
from terminal import Screen, Terminal  # noqa: E402

SHORT = ("--seconds", "2")
SMALL = ("--input-size", "6", "--layers", "5:tanh,3:softmax")
WEIGHTS = 101_770  # of 784-128-10
# One by one, or ahead; samples a message; with deltas.
ROWS = [(True, 1, True), (False, 1, True), (False, 32, True), (False, 256, True), (False, 32, False), (False, 256, False)]


class BenchTest(ServedTest):
    def tearDown(self) -> None:
        self.assertEqual(self.sessions(), [], "a session was left behind")

    def metric(self, name: str) -> float:
        """What the server itself counts."""
        page = urllib.request.urlopen(f"http://{self.http_address}/metrics", timeout=PATIENCE_SECONDS).read().decode()
        return float(re.search(rf"^{name} (\S+)$", page, re.M)[1])

    def through_proxy(self) -> BreakingProxy:
        """A proxy that the command reaches the server through, until the test ends."""
        proxy = BreakingProxy(self.address)
        self.addCleanup(proxy.close)
        self.server_address, self.address = self.address, proxy.address
        return proxy

    def past_proxy(self) -> None:
        self.address = self.server_address

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts to measure for long; returns once there is a session and the first row is being measured."""
        process = subprocess.Popen(self.command("--json", "bench", *arguments), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for close in (process.stderr.close, process.stdout.close, process.wait, process.kill):
            self.addCleanup(close)
        self.assertEqual(json.loads(process.stdout.readline())["event"], "measuring")
        return process

    def end(self, process: subprocess.Popen) -> tuple[int, list[dict], str]:
        said, complained = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, [json.loads(line) for line in said.splitlines()], complained


class FiguresTest(BenchTest):
    def test_people_read_what_was_measured_and_a_table(self) -> None:
        said = self.succeeds("bench", *SHORT)
        self.assertLessEqual(max(map(len, said.splitlines())), 80, said)
        server = self.succeeds("server")
        for setting in ("version", "vector instructions", "matrix products", "kernels for"):
            line = re.search(rf"(?m)^{setting} .*$", server)[0]
            self.assertIn(line, said)
        self.assertRegex(said, r"(?m)^network +784-128:relu-10:softmax, 101,770 weights$")
        self.assertRegex(said, r"(?m)^optimiser +sgd, ")
        table = said[said.index("SAMPLES A MESSAGE"):]
        rows = re.findall(r"(?m)^(\d+)(, one by one)? +(yes|no) +([\d,]+) +([\d,]+) B +([\d,]+) B$", table)
        self.assertEqual([(row[1] != "", int(row[0]), row[2] == "yes") for row in rows], ROWS)
        latency = re.search(r"(?m)^An answer, one by one: (\S+) ([mu]s) \(p50\), (\S+) ([mu]s) \(p90\), "
                            r"(\S+) ([mu]s) \(p99\)\.$", table)
        self.assertIsNotNone(latency, table)
        # On the average a sample takes as long as its answer, and a little more.
        median = float(latency[1]) * {"us": 1, "ms": 1000}[latency[2]]
        self.assertLess(median, 2e6 / int(rows[0][3].replace(",", "")))

    def test_what_is_counted_is_what_the_server_counts(self) -> None:
        names = ("backprop_samples_total", "backprop_steps_total", "backprop_received_bytes_total",
                 "backprop_sent_bytes_total")
        before = [self.metric(name) for name in names]
        begin = time.monotonic()
        measuring, *rows, done = self.objects("bench", *SHORT, *SMALL)
        took = time.monotonic() - begin
        samples, steps, received, sent = (self.metric(name) - at for name, at in zip(names, before, strict=True))
        self.assertEqual(measuring["server"], self.objects("server")[0])
        self.assertEqual([(row["one_by_one"], row["samples_per_message"], row["deltas"]) for row in rows], ROWS)
        self.assertLess(sum(row["samples"] for row in rows), samples)
        # What is measured is most of the time.
        seconds = sum(row["seconds"] for row in rows)
        self.assertTrue(1 < seconds < took, (seconds, took))
        for row in rows:
            self.assertAlmostEqual(row["samples_per_second"], row["samples"] / row["seconds"], delta=1)
            self.assertEqual(row["steps"], row["samples"])
            self.assertEqual("latency_us" in row, row["one_by_one"])
        if done["cut_rows"]:
            self.skipTest("this machine was too slow to answer all that was sent")
        # All that travelled, but for what opens the six streams.
        self.assertEqual((done["samples"], done["steps"]), (samples, steps))
        self.assertTrue(0 < received - done["sent_bytes"] < 6 * 50, (received, done))
        self.assertTrue(0 <= sent - done["received_bytes"] < 6 * 50, (sent, done))

    def test_bytes_are_those_of_the_wire_but_for_what_http2_adds(self) -> None:
        proxy = self.through_proxy()
        _, *rows, done = self.objects("bench", *SHORT)
        up, down = proxy.forwarded()
        # Four replicas had an anchor each; gRPC and HTTP/2 add some 14 bytes a message.
        down -= 4 * 4 * WEIGHTS
        self.assertGreater(up, done["sent_bytes"])
        self.assertGreater(down, done["received_bytes"])
        self.assertEqual(len(rows), 6)
        self.assertLess(rows[5]["received_bytes_per_step"], 10)  # an error is 4 bytes
        # 266 numbers of the factors, the error, and what says which steps these are.
        self.assertTrue(267 * 4 <= rows[3]["received_bytes_per_step"] < 267 * 4.2, rows[3])
        self.assertTrue(784 < rows[3]["sent_bytes_per_step"] < 790, rows[3])
        if done["cut_rows"]:
            self.skipTest("this machine was too slow to answer all that was sent")
        self.assertLess(up, 1.1 * done["sent_bytes"] + 100_000)
        self.assertLess(down, 1.1 * done["received_bytes"] + 100_000)

    def test_latencies_are_in_order_and_below_their_sum(self) -> None:
        row = self.objects("bench", *SHORT, *SMALL)[1]
        latency = row["latency_us"]
        self.assertTrue(0 < latency["p50"] <= latency["p90"] <= latency["p99"], latency)
        # Half of the answers take the median or longer, one of a hundred the last.
        self.assertLess(latency["p50"] * row["samples"] / 2, row["seconds"] * 1e6)
        self.assertLess(latency["p99"] * row["samples"] / 101, row["seconds"] * 1e6)

    def test_messages_hold_whole_steps(self) -> None:
        _, *rows, _ = self.objects("bench", *SHORT, *SMALL, "--batch-size", "48")
        self.assertEqual([(row["one_by_one"], row["samples_per_message"], row["deltas"]) for row in rows],
                         [(True, 48, True), (False, 48, True), (False, 288, True), (False, 48, False),
                          (False, 288, False)])
        for row in rows:
            self.assertEqual(row["samples"], 48 * row["steps"])

    def test_every_kind_of_session_can_be_measured(self) -> None:
        for flags in (("--optimiser", "adam", "--standardise", "100"), ("--layers", "1", "--bytes"),
                      ("--layers", "4:relu,1:sigmoid", "--loss", "binary-cross-entropy"),
                      ("--layers", "2", "--loss", "poisson", "--learning-rate", "1e-6"),
                      ("--delta-form", "dense", "--momentum", "0.9")):
            with self.subTest(flags=flags):
                measuring, *rows, done = self.objects("bench", "--seconds", "1", *SMALL[:2], *flags,
                                                      *(() if "--layers" in flags else SMALL[2:]))
                self.assertEqual(done["rows"], len(rows))
                self.assertEqual(len(rows), 6)
                self.assertIn("6 bytes" if "--bytes" in flags else "6 floats", measuring["inputs"])

    def test_what_the_server_takes_no_messages_of_is_left_out_and_told(self) -> None:
        large = ("--seconds", "1", "--input-size", "100000", "--layers", "2:softmax")
        *told, done = self.objects("bench", *large)
        notes = [entry["message"] for entry in told if entry["event"] == "note"]
        self.assertEqual(len(notes), 2)
        self.assertRegex(notes[0], r"^256 samples a message left out: .*--max-message-bytes 16,777,216$")
        self.assertRegex(notes[1], r"^256 samples a message without deltas left out: ")
        self.assertEqual(done["rows"], 4)
        self.assertIn("note: 256 samples a message left out: ", self.succeeds("bench", *large))
        self.assertIn("lower --input-size or --batch-size",
                      self.fails(1, "bench", "--input-size", "6000000", "--layers", "1"))

    def test_a_terminal_has_a_bar_on_standard_error_and_a_table_on_standard_output(self) -> None:
        status, shown, said = Terminal(80).run(self.command("bench", *SHORT), stdout=False)
        self.assertEqual(status, 0, shown)
        self.assertRegex(shown, r"\r256 samples a message \[#*\.*\] +\d+ %  [\d,]+ samples/s")
        self.assertTrue(shown.endswith("\r\x1b[K"), "something was left on the terminal")
        self.assertIn("SAMPLES A MESSAGE", said)
        self.assertNotIn("\x1b", said)
        _, shown, _ = Terminal(80).run(self.command("bench", *SHORT))
        screen = Screen(80)
        screen.show(shown)
        self.assertEqual([line for line in screen.lines if "[" in line], [], "a bar stands in the table")
        self.assertIn("SAMPLES A MESSAGE  DELTAS  SAMPLES/S  SENT A STEP  RECEIVED A STEP", screen.lines)


class TroubleTest(BenchTest):
    """However it ends, tearDown finds no session."""

    def test_an_interrupt_ends_it_with_the_rows_that_are_measured(self) -> None:
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(end=end):
                process = self.start("--seconds", "30", *SMALL)
                self.assertEqual(json.loads(process.stdout.readline())["event"], "row")
                process.send_signal(end)
                status, told, complained = self.end(process)
                self.assertEqual(status, 1)
                self.assertEqual(complained, "backprop: interrupted\n")
                *rows, done, error = [entry["event"] for entry in told]
                self.assertEqual((set(rows) - {"row"}, done, error), (set(), "done", "error"))
                self.assertEqual((told[-2]["rows"], told[-1]["code"]), (1 + len(rows), "CANCELLED"))
                self.assertLess(len(rows), 5, "it went on to the end")

    def test_a_reader_that_goes_away_ends_it_like_an_interrupt(self) -> None:
        process = self.start("--seconds", "6", *SMALL)
        self.assertEqual(len(self.sessions()), 1)
        process.stdout.close()
        self.assertEqual(process.wait(timeout=PATIENCE_SECONDS), 1)
        self.assertEqual(process.stderr.read(), "backprop: interrupted\n")

    def test_an_output_that_takes_nothing_ends_it_too(self) -> None:
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.command("--json", "bench", *SHORT), stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=PATIENCE_SECONDS, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "backprop: interrupted\n"))

    def test_an_interrupt_amid_heavy_steps_leaves_nothing_either(self) -> None:
        # The server may still compute when the stream is gone; until then its session can't be deleted.
        process = self.start("--seconds", "12", "--layers", "4096:relu,2048:relu,10:softmax", "--batch-size", "256")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        status, _, complained = self.end(process)
        self.assertEqual((status, complained), (1, "backprop: interrupted\n"))

    def test_training_that_diverges_says_what_to_do(self) -> None:
        said = self.fails(1, "bench", *SHORT, "--input-size", "4", "--layers", "3", "--learning-rate", "1e30")
        self.assertIn("lower --learning-rate", said)

    def test_a_connection_that_breaks_is_told_and_the_session_deleted_all_the_same(self) -> None:
        proxy = self.through_proxy()
        process = self.start("--seconds", "60")
        self.assertEqual(len(self.sessions()), 1)
        proxy.cut()
        status, told, complained = self.end(process)
        self.assertEqual((status, told[-1]["code"]), (1, "UNAVAILABLE"))
        self.assertNotIn("may be left", complained)

    def test_a_session_that_cannot_be_deleted_is_named(self) -> None:
        proxy = self.through_proxy()
        process = self.start("--seconds", "60")
        self.past_proxy()
        (session,) = self.sessions()
        proxy.close()
        status, _, complained = self.end(process)
        self.assertEqual(status, 1)
        self.assertIn(f". Session {session} may be left: backprop session delete {session}\n", complained)
        self.succeeds("session", "delete", session)

    def test_a_server_that_goes_away_is_a_failure(self) -> None:
        process = self.start("--seconds", "60")
        self.addCleanup(self.start_server)
        self.addCleanup(self.tearDownClass)
        self.server.kill()
        status, told, complained = self.end(process)
        self.assertEqual((status, told[-1]["event"], told[-1]["code"]), (1, "error", "UNAVAILABLE"))
        self.assertIn("Is backpropd running at", complained)
        self.doCleanups()


class UsageTest(CommandTest):
    def test_a_server_that_is_not_there_is_named_with_what_to_do(self) -> None:
        self.assertIn("Is backpropd running at --address 127.0.0.1:1? Start it", self.fails(1, "bench"))

    def test_what_is_wrong_with_a_flag_is_told_before_anybody_is_called(self) -> None:
        for says, *arguments in (("--seconds: '0' is not a number from 1 to 3600", "--seconds", "0"),
                                 ("--seconds: 'x' is not a number", "--seconds", "x"),
                                 ("--input-size: '0' is not a whole number", "--input-size", "0"),
                                 ("--layers: ", "--layers", "3:softmix"),
                                 ("--standardise: say how many samples to learn from", "--standardise"),
                                 ("--session: backprop bench does not know this", "--session", "s")):
            with self.subTest(arguments=arguments):
                self.assertIn(f"backprop: {says}", self.fails(2, "bench", *arguments))

    def test_help_says_what_it_costs_others(self) -> None:
        self.assertIn("It takes compute from other sessions on that server", self.succeeds("bench", "--help"))

    def test_help_tells_of_flags_what_they_do_here(self) -> None:
        said = " ".join(self.succeeds("bench", "--help").split())
        self.assertIn("others may share it [backprop bench]", said)
        self.assertNotIn("shuffling", said)
        self.assertIn("rounded up to whole steps of --batch-size", said)


class RefusalTest(ServedTest):
    def test_what_the_server_refuses_names_the_flag(self) -> None:
        self.assertIn("backprop: --momentum: is 1; must be at least 0", self.fails(2, "bench", "--momentum", "1"))
        self.assertIn("backprop: --layers: layer 1's size must be at least 1", self.fails(2, "bench", "--layers", "0"))
        self.assertEqual(self.sessions(), [])

    def test_what_never_began_is_not_done(self) -> None:
        said = self.run_command("--json", "bench", "--momentum", "1").stdout
        self.assertEqual([json.loads(line)["event"] for line in said.splitlines()], ["error"])


if __name__ == "__main__":
    main()
