#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""While a network is trained, every panel of the dashboard shows something.

Nothing is simulated: backpropd, the backprop command and Prometheus are the
real programs. Arguments: the paths of backpropd, backprop, prometheus, promtool.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error

import yaml
from dashboard import ROOT, queries
from live_server import LiveServer

PROGRAMS: list[str] = []
PROMTOOL = ""

# Long enough for the longest rate() of the panels over scrapes of 1 s.
WATCH_SECONDS = 10.0
RATE_INTERVAL = "5s"
# Labels of which the server decides how many values there are. Any other may
# grow with users or sessions, and has to be thought about first.
BOUNDED_LABELS = {
    "le", "reason", "grpc_type", "grpc_service", "grpc_method", "grpc_code", "version", "grpc", "compiler",
    "blas", "blas_kernels", "instruction_set",
}
METRIC = re.compile(r"\b(?:up|(?:backprop|grpc_server|process)_\w+)\b")


class WatchedTest(unittest.TestCase):
    live: LiveServer
    metrics_before_training: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.live = LiveServer(*PROGRAMS, pathlib.Path(folder.name))
        cls.addClassCleanup(cls.live.close)
        cls.metrics_before_training = cls.live.metrics()
        cls.live.train_for_ever()
        end = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < end:
            cls.live.ask_for_the_unknown()
            time.sleep(0.5)

    def filled_in(self, expression: str) -> str:
        """The expression as Grafana would send it."""
        for variable, value in {
            "job": "backpropd", "instance": self.live.http_address, "__rate_interval": RATE_INTERVAL,
        }.items():
            expression = expression.replace(f"${variable}", value)
        self.assertNotIn("$", expression)
        return expression

    def shows_something(self, expression: str) -> bool:
        return bool(self.live.values(self.filled_in(expression)))

    def test_every_query_of_every_panel_has_data(self) -> None:
        self.assertGreater(len(queries()), 20)
        for query in queries():
            with self.subTest(panel=query.panel, query=query.expression):
                self.assertTrue(self.shows_something(query.expression))

    def test_a_misspelt_metric_has_no_data_and_a_broken_query_is_refused(self) -> None:
        self.assertFalse(self.shows_something("rate(backprop_step_total[$__rate_interval])"))
        with self.assertRaises(urllib.error.HTTPError):
            self.shows_something("sum(rate(backprop_steps_total[$__rate_interval])")

    def test_training_and_errors_are_counted(self) -> None:
        for expression in (
            "rate(backprop_samples_total[5s])", "rate(backprop_received_bytes_total[5s])",
            "rate(backprop_sent_bytes_total[5s])", "backprop_session_weights == 101770",
            "backprop_train_streams == 1", 'backprop_rejections_total{reason="SESSION_NOT_FOUND"}',
            'grpc_server_handled_total{grpc_method="GetSession", grpc_code="NotFound"}',
        ):
            with self.subTest(query=expression):
                self.assertGreater(max(self.live.values(expression), default=0), 0)

    def test_every_alert_is_evaluated_over_metrics_that_exist(self) -> None:
        groups = self.live.prometheus("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertEqual({rule["health"] for rule in rules}, {"ok"})
        text = (ROOT / "deploy/prometheus/alerts.yml").read_text()
        names = {name for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
                 for name in METRIC.findall(rule["expr"])}
        self.assertGreaterEqual(len(names), 5)
        for name in names:
            self.assertNotEqual(self.live.values(f"count({name})"), [], name)

    def test_every_metric_that_the_server_reports_is_on_the_dashboard(self) -> None:
        families = re.findall(r"^# TYPE (\w+) ", self.live.metrics(), re.M)
        self.assertGreater(len(families), 20)
        shown = " ".join(query.expression for query in queries())
        hidden = [family for family in families if not re.search(rf"\b{family}(_bucket|_sum|_count)?\b", shown)]
        self.assertEqual(hidden, [])

    def test_promtool_finds_nothing_to_say_about_the_metrics(self) -> None:
        for text in (self.metrics_before_training, self.live.metrics()):
            done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True,
                                  capture_output=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_no_label_grows_with_users_or_sessions(self) -> None:
        samples = re.findall(r"^\w+\{(.*)\}", self.live.metrics(), re.M)
        labels = set(re.findall(r'(\w+)="', " ".join(samples)))
        self.assertIn("reason", labels)
        self.assertLessEqual(labels, BOUNDED_LABELS)


if __name__ == "__main__":
    PROGRAMS, PROMTOOL = sys.argv[1:4], sys.argv[4]
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
