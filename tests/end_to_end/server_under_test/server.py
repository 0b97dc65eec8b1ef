# SPDX-License-Identifier: Apache-2.0
"""A backpropd that ends as a test has it end, and how it is asked."""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.request

import grpc
from backpropd.replica import Anchor
from backpropd.replica.anchor import AnchorReader
from backpropd.v1 import training_service_pb2 as rpc
from backpropd.v1 import training_service_pb2_grpc as stubs

PATIENCE_SECONDS = 60
_DEATH_SECONDS = 2
"""From the end of a connection until it is known whether its server is gone."""
_CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


ANY_ADDRESS = "127.0.0.1:0"


def _command(backpropd: str, data_dir: pathlib.Path, address: str) -> list[str]:
    return [backpropd, f"--grpc-address={address}", "--http-address=127.0.0.1:0", f"--data-dir={data_dir}"]


def start_and_kill(backpropd: str, data_dir: pathlib.Path, address: str, seconds: float) -> None:
    """A server that gets no further than it does in so long."""
    with subprocess.Popen(_command(backpropd, data_dir, address), stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.kill()


class DiedError(Exception):
    """The server did, before it served."""


class Server:
    """A server on a data directory, from its start to its end.

    failpoint: where it dies by itself, place:times (server/store/failpoint.h).
    reads_log: until it serves it is read in any case.
    """

    def __init__(
        self,
        backpropd: str,
        data_dir: pathlib.Path,
        address: str = ANY_ADDRESS,
        *,
        flags: tuple[str, ...] = (),
        failpoint: str | None = None,
        reads_log: bool = True,
    ) -> None:
        self.data_dir = data_dir
        command = [*_command(backpropd, data_dir, address), *flags]
        fate = {} if failpoint is None else {"BACKPROP_FAILPOINT": failpoint}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | fate)
        atexit.register(self._process.kill)  # where a check fails
        assert self._process.stderr is not None
        self.log: list[str] = []
        for line in self._process.stderr:
            self.log.append(line)
            if '"serving"' in line:
                break
        else:
            if failpoint is not None and self._end_by_signal() == signal.SIGKILL:
                raise DiedError
            raise AssertionError(f"backpropd did not serve: {''.join(self.log)}")
        self._rest = threading.Thread(target=lambda: self.log.extend(self._process.stderr or ()), daemon=True)
        if reads_log:
            self._rest.start()
        serving = json.loads(line)
        self.address = serving["grpc_address"]
        self.http_address = serving["http_address"]
        self._channel = grpc.insecure_channel(self.address, options=_CHANNEL)
        self.stub = stubs.TrainingServiceStub(self._channel)
        self.is_over = threading.Event()
        if failpoint is not None:
            threading.Thread(target=self._await_death, daemon=True).start()

    def _await_death(self) -> None:
        if self._end_by_signal() == signal.SIGKILL:
            self.is_over.set()

    def _end_by_signal(self) -> int:
        return -self._process.wait()

    def ends(self) -> bool:
        """Whether that explains why a call failed."""
        return self.is_over.wait(_DEATH_SECONDS)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def metrics(self) -> str:
        """The page that Prometheus reads."""
        with urllib.request.urlopen(f"http://{self.http_address}/metrics") as page:
            return page.read().decode()

    def kill(self) -> None:
        """SIGKILL. What fails from here on does so for that."""
        self.is_over.set()
        self._process.kill()
        self._end()

    def sleep(self, seconds: float) -> None:
        """SIGSTOP for so long."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.is_over.set()
        self._process.terminate()
        return self._end()

    def _end(self) -> int:
        status = self._process.wait(PATIENCE_SECONDS)
        if self._rest.is_alive():
            self._rest.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return status

    def close(self) -> None:
        """Lets go of the connection, which nobody may use any more."""
        self._channel.close()

    def sessions(self) -> dict[str, rpc.Session]:
        """All that it has, by id."""
        found: dict[str, rpc.Session] = {}
        request = rpc.ListSessionsRequest()
        while True:
            page = self.stub.ListSessions(request)
            found.update({each.session_id: each for each in page.sessions})
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    def anchor(self, session: rpc.Session) -> Anchor:
        """Weights and state."""
        return self.anchor_of(session.session_id, session.layout.state_count)

    def anchor_of(self, session_id: str, state_count: int) -> Anchor:
        """Weights and state of a session whose layout is known."""
        reader = AnchorReader(with_state=True, state_count=state_count)
        for chunk in self.stub.GetWeights(rpc.GetWeightsRequest(session_id=session_id, with_state=True)):
            reader.add(chunk)
        return reader.finish()
