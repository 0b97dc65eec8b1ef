# SPDX-License-Identifier: Apache-2.0
"""The real server, whose program BACKPROPD names; it can be killed and started again where it was."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.request


class RealServer:
    """Serves on a port of the loopback from its construction on.

    Args:
        data_dir: where its sessions survive; None: nowhere.
        flags: further ones.

    """

    def __init__(self, data_dir: pathlib.Path | None = None, *flags: str) -> None:
        self._flags = ["--http-address=127.0.0.1:0", *flags]
        if data_dir is not None:
            self._flags.append(f"--data-dir={data_dir}")
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Starts it, at its earlier address if it had one."""
        command = [os.environ["BACKPROPD"], f"--grpc-address={self.address}", *self._flags]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if '"serving"' in line:
                break
        else:
            raise AssertionError("backpropd did not serve")
        self._rest = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._rest.start()
        said = json.loads(line)
        self.address = said["grpc_address"]
        self._metrics = f"http://{said['http_address']}/metrics"

    def calls(self, method: str) -> int:
        """How many calls of a method it has begun since it was started."""
        with urllib.request.urlopen(self._metrics, timeout=10) as page:
            text = page.read().decode()
        found = re.search(rf'^grpc_server_started_total{{.*grpc_method="{method}".*}} (\d+)$', text, re.MULTILINE)
        return int(found[1]) if found else 0

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._process.terminate()
        return self._end()

    def _end(self) -> int:
        status = self._process.wait(30)
        self._rest.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return status
