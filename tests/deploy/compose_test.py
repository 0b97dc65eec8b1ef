#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The compose file, the image and what is mounted into them fit together.

Compose's own `config` command checks the file against Compose's schema; it
needs no engine. Arguments: the paths of docker-compose and backpropd.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"

DOCKER_COMPOSE = ""
BACKPROPD = ""


def checked(path: pathlib.Path) -> subprocess.CompletedProcess:
    """What Compose makes of the file at path; fails if its schema is broken."""
    return subprocess.run(
        [DOCKER_COMPOSE, "-f", str(path), "config"],
        capture_output=True, text=True, timeout=240, check=False,
    )


def loaded(path: pathlib.Path) -> Any:
    return yaml.safe_load(path.read_text())


def instruction(name: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile, in order."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.*)$", text, re.M)


def mounts(service: dict) -> dict[str, pathlib.Path]:
    """Of files and folders of the tree: where the container sees which."""
    pairs = (volume.split(":") for volume in service.get("volumes", []))
    return {pair[1]: DEPLOY / pair[0] for pair in pairs if pair[0].startswith(".")}


class ComposeTest(unittest.TestCase):
    def setUp(self) -> None:
        self.services = loaded(COMPOSE)["services"]

    def test_compose_accepts_the_file(self) -> None:
        done = checked(COMPOSE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(yaml.safe_load(done.stdout)["services"]),
                         {"backpropd", "prometheus", "grafana"})

    def test_compose_refuses_planted_faults(self) -> None:
        for fault in ({"imagine": "x"}, {"ports": "50051"}, {"volumes": ["nowhere:/x"]}):
            with self.subTest(fault=fault), tempfile.TemporaryDirectory() as folder:
                content = loaded(COMPOSE)
                content["services"]["backpropd"] |= fault
                path = pathlib.Path(folder) / "compose.yaml"
                path.write_text(yaml.safe_dump(content))
                self.assertNotEqual(checked(path).returncode, 0)

    def test_what_is_mounted_exists(self) -> None:
        found = [path for service in self.services.values() for path in mounts(service).values()]
        self.assertGreater(len(found), 0)
        for path in found:
            self.assertTrue(path.exists(), path)

    def test_images_have_a_fixed_version(self) -> None:
        for name in ("prometheus", "grafana"):
            self.assertRegex(self.services[name]["image"], r":v?\d+\.\d+\.\d+$")

    def test_ports_are_on_loopback(self) -> None:
        for service in self.services.values():
            for port in service["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_prometheus_scrapes_the_server(self) -> None:
        path = mounts(self.services["prometheus"])["/etc/prometheus"] / "prometheus.yml"
        targets = loaded(path)["scrape_configs"][0]["static_configs"][0]["targets"]
        self.assertEqual(targets, ["backpropd:9464"])
        self.assertIn("9464", instruction("EXPOSE")[0].split())

    def test_grafana_reads_prometheus_and_finds_the_dashboard(self) -> None:
        seen = mounts(self.services["grafana"])
        provisioning = seen["/etc/grafana/provisioning"]
        source = loaded(provisioning / "datasources" / "prometheus.yaml")["datasources"][0]
        self.assertEqual(source["url"], "http://prometheus:9090")
        interval = loaded(DEPLOY / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
        self.assertEqual(source["jsonData"]["timeInterval"], interval)
        provider = loaded(provisioning / "dashboards" / "backpropd.yaml")["providers"][0]
        folder = provider["options"]["path"]
        self.assertTrue((seen[folder] / "backpropd.json").is_file())
        home = self.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertEqual(home, f"{folder}/backpropd.json")


class DockerfileTest(unittest.TestCase):
    def test_the_server_is_process_1_and_not_root(self) -> None:
        self.assertEqual(instruction("ENTRYPOINT"), ['["/usr/bin/backpropd"]'])
        self.assertRegex(instruction("USER")[-1], r"^[1-9]\d*:[1-9]\d*$")
        self.assertIn('CMD ["/usr/bin/backpropd", "healthcheck"]', instruction("HEALTHCHECK")[0])

    def test_every_setting_is_one_that_the_server_knows(self) -> None:
        text = (ROOT / "Dockerfile").read_text() + COMPOSE.read_text()
        settings = set(re.findall(r"BACKPROPD_\w+", text))
        self.assertIn("BACKPROPD_GRPC_ADDRESS", settings)
        known = subprocess.run([BACKPROPD, "--help"], capture_output=True, text=True, check=True).stdout
        for setting in settings:
            flag = "--" + setting.removeprefix("BACKPROPD_").lower().replace("_", "-")
            self.assertIn(f"{flag} ", known)


if __name__ == "__main__":
    DOCKER_COMPOSE, BACKPROPD = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
