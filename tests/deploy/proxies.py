# SPDX-License-Identifier: Apache-2.0
"""Real proxies with the settings that deploy/ has for them.

Addresses, certificates and a token are put in, as whoever deploys them does;
what else a test plants there, it says. Everything listens on free ports of the
loopback and writes into one folder.
"""

import pathlib
import re
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
PATIENCE_SECONDS = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Setting:
    """What an operator puts into a proxy's file."""

    backend: str
    """host:port of backpropd."""
    certificate: pathlib.Path
    key: pathlib.Path
    token: str = ""
    """Which clients have to send; none: nobody passes."""
    clients_authority: pathlib.Path | None = None
    """Which has signed the certificates that clients have to have; None: they need none."""


class Proxy:
    """A proxy that runs until close()."""

    def __init__(self, command: list[str], log: pathlib.Path, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            self._wait(port)
        except BaseException:
            self.close()
            raise

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the proxy does not listen: {self._log.read_text()[-2000:]}")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def replaced(text: str, pattern: str, replacement: str) -> str:
    """The text with each place of the pattern replaced; fails if there is none."""
    changed, count = re.subn(pattern, lambda _: replacement, text, flags=re.M)
    if count == 0:
        raise ValueError(f"there is no {pattern!r} in the settings")
    return changed


def nginx_settings() -> str:
    return (DEPLOY / "nginx/backpropd.conf").read_text()


def start_nginx(program: str, folder: pathlib.Path, setting: Setting, plant: Callable[[str], str] = str) -> Proxy:
    """nginx with deploy/nginx/backpropd.conf, which `plant` may change once more."""
    folder.mkdir()
    port = free_port()
    tokens = folder / "tokens.conf"
    tokens.write_text(f'"Bearer {setting.token}" "a client of this test";\n' if setting.token else "")
    text = nginx_settings()
    for pattern, replacement in (
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"server 127\.0\.0\.1:50051;", f"server {setting.backend};"),
        (r"/etc/nginx/server\.crt", str(setting.certificate)),
        (r"/etc/nginx/server\.key", str(setting.key)),
        (r"/etc/nginx/backpropd-tokens\.conf;$", f"{tokens};"),
    ):
        text = replaced(text, pattern, replacement)
    if setting.clients_authority:
        text = replaced(text, r"# ssl_client_certificate .*$", f"ssl_client_certificate {setting.clients_authority};")
        text = replaced(text, r"# ssl_verify_client", "ssl_verify_client")
    (folder / "backpropd.conf").write_text(plant(text))
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log stderr info;\nworker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}include {folder}/backpropd.conf;\n}}\n")
    return Proxy([program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], folder / "log", port)


def envoy_settings() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "envoy/envoy.yaml").read_text())


def http_manager(settings: dict[str, Any]) -> dict[str, Any]:
    """The part of Envoy's settings that speaks HTTP."""
    return settings["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def start_envoy(program: str, folder: pathlib.Path, setting: Setting,
                plant: Callable[[dict[str, Any]], None] = lambda _: None) -> Proxy:
    """Envoy with deploy/envoy/envoy.yaml, which `plant` may change once more."""
    folder.mkdir()
    port = free_port()
    settings = envoy_settings()
    listener = settings["static_resources"]["listeners"][0]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    tls = listener["filter_chains"][0]["transport_socket"]["typed_config"]
    certificate = tls["common_tls_context"]["tls_certificates"][0]
    certificate["certificate_chain"]["filename"] = str(setting.certificate)
    certificate["private_key"]["filename"] = str(setting.key)
    if setting.clients_authority:
        tls["require_client_certificate"] = True
        authority = {"filename": str(setting.clients_authority)}
        tls["common_tls_context"]["validation_context"] = {"trusted_ca": authority}
    if setting.token:
        bearer = {"name": "authorization", "string_match": {"exact": f"Bearer {setting.token}"}}
        rules = http_manager(settings)["http_filters"][0]["typed_config"]["rules"]
        rules["policies"]["tokens"]["principals"].append({"header": bearer})
    host, backend_port = setting.backend.rsplit(":", 1)
    endpoint = settings["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    endpoint["endpoint"]["address"]["socket_address"] = {"address": host, "port_value": int(backend_port)}
    plant(settings)
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [program, "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart"]
    return Proxy(command, folder / "log", port)
