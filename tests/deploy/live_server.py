# SPDX-License-Identifier: Apache-2.0
"""A real backpropd, a real Prometheus that scrapes it, and clients at work.

Everything listens on free ports and writes into one folder. Whatever was
started here is ended by close(), and nothing else is.
"""

import json
import math
import pathlib
import re
import subprocess
import time
import urllib.parse
import urllib.request
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
PATIENCE_SECONDS = 30.0


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()


class LiveServer:
    """backpropd, training clients and Prometheus, until close()."""

    def __init__(self, backpropd: str, backprop: str, prometheus: str, folder: pathlib.Path) -> None:
        self.backprop = backprop
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        self.started = time.time()
        try:
            serving = self._start("backpropd", [
                backpropd, "--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0",
                f"--data-dir={folder / 'sessions'}",
            ], r'^.*"message": *"serving".*$')
            entry = json.loads(serving)
            self.grpc_address = entry["grpc_address"]
            self.http_address = entry["http_address"]
            listening = self._start("prometheus", [
                prometheus, f"--config.file={self._prometheus_config()}",
                f"--storage.tsdb.path={folder / 'tsdb'}", "--web.listen-address=127.0.0.1:0",
            ], r'msg="Listening on" address=\S+')
            self.prometheus_address = listening.rsplit("=", 1)[1]
        except BaseException:
            self.close()
            raise

    def _prometheus_config(self) -> pathlib.Path:
        """That of deploy/, but for the target, the pace and where its rules lie."""
        source = ROOT / "deploy/prometheus/prometheus.yml"
        config = yaml.safe_load(source.read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(source.parent / name) for name in config["rule_files"]]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [self.http_address]
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        return path

    def _start(self, name: str, command: list[str], ready: str) -> str:
        """Starts a program; returns what its standard error says once it is ready."""
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        self.processes.append(process)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(ready, log.read_text(), re.M):
                return found[0]
            time.sleep(0.05)
        raise RuntimeError(f"{name} is not ready: {log.read_text()[-2000:]}")

    def train_for_ever(self) -> None:
        """784-128-10 on Fashion-MNIST, as quickstart.sh trains it."""
        with (self.folder / "train.log").open("w") as output:
            self.processes.append(subprocess.Popen([
                self.backprop, "--address", self.grpc_address, "train",
                "--images", DATA / "train-images-idx3-ubyte.gz",
                "--labels", DATA / "train-labels-idx1-ubyte.gz",
                "--layers", "128:relu,10:softmax", "--loss", "cross-entropy",
                "--learning-rate", "0.003", "--epochs", "1000", "--samples-per-message", "32",
            ], stdout=output, stderr=output))

    def ask_for_the_unknown(self) -> None:
        """A call that is refused: an error and a rejection to be counted."""
        done = subprocess.run(
            [self.backprop, "--address", self.grpc_address, "session", "describe", "unknown"],
            capture_output=True, timeout=PATIENCE_SECONDS, check=False,
        )
        if done.returncode != 1:
            raise RuntimeError(f"describing an unknown session: {done}")

    def metrics(self) -> str:
        return fetch(f"http://{self.http_address}/metrics")

    def prometheus(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The data of an answer of Prometheus' HTTP API; raises if it refuses."""
        text = fetch(f"http://{self.prometheus_address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(text)["data"]

    def values(self, expression: str) -> list[float]:
        """Every finite value that a query had since the start, all series together."""
        data = self.prometheus("query_range", query=expression, start=self.started, end=time.time(), step="1s")
        found = [float(value) for series in data["result"] for _, value in series["values"]]
        return [value for value in found if math.isfinite(value)]

    def close(self) -> list[int]:
        """Ends what was started, the latest first; returns the exit statuses."""
        statuses = []
        while self.processes:
            process = self.processes.pop()
            process.terminate()
            try:
                statuses.append(process.wait(timeout=PATIENCE_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                statuses.append(process.wait())
        return statuses
