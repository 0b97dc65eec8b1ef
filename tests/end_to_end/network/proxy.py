# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on the loopback that delays, trickles, cuts and half-opens when it is told."""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

_CHUNK = 1 << 16
_NO_LINGER = struct.pack("ii", 1, 0)  # close() sends RST
WAYS = ("up", "down")
"""To the server, and from it."""


class Cut(enum.Enum):
    """How a connection ends."""

    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True)
class Weather:
    """What happens to each chunk of a way, be it none."""

    delay: float = 0
    """Seconds that it is held."""
    piece: int = 0
    """Bytes of the pieces that it is told in; 0: whole."""
    pause: float = 0
    """Seconds after each piece."""


FAIR = Weather()


@dataclass(eq=False)
class Connection:
    """A client's, and the one to the server that it is forwarded on; none where nobody forwards it."""

    client: socket.socket
    server: socket.socket | None
    swallowed: set[str] = field(default_factory=set)
    """Ways on which nothing comes through any more."""
    forwarded: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    cut_after: int | None = None
    """It is cut when so many bytes more have gone cut_way: in the middle of what is said."""
    cut_way: str = "up"
    left: threading.Event = field(default_factory=threading.Event)
    """The client has ended it."""
    over: threading.Event = field(default_factory=threading.Event)
    """It is ended on both sides."""

    def source(self, way: str) -> socket.socket | None:
        """Where what goes this way comes from."""
        return self.client if way == "up" else self.server

    def sink(self, way: str) -> socket.socket | None:
        """Where it goes."""
        return self.server if way == "up" else self.client

    def cut(self, cut: Cut) -> None:
        """Ends it on both sides."""
        self.over.set()
        for each in (self.client, self.server):
            if each is not None:
                with contextlib.suppress(OSError):
                    if cut is Cut.RST:
                        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    else:
                        each.shutdown(socket.SHUT_RDWR)
                # Wakes who reads it: close() alone would not, nor send the RST while he does.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RD)
                each.close()


class Proxy:
    """Forwards to host:port `target` until close(). Its own address is `address`."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self._lock = threading.Lock()
        self._connections: list[Connection] = []  # guarded by _lock
        self._swallows = False  # guarded by _lock
        self.weather = dict.fromkeys(WAYS, FAIR)
        self._begin_accepting()

    def _begin_accepting(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def connections(self) -> list[Connection]:
        """Those that are open and forwarded."""
        with self._lock:
            self._connections = [each for each in self._connections if not each.over.is_set()]
            return [each for each in self._connections if not each.swallowed]

    def swallow_new(self, swallows: bool) -> None:
        """Whether connections are accepted and never answered."""
        with self._lock:
            self._swallows = swallows

    def refuse(self, seconds: float) -> None:
        """Nobody listens for so long; what is connected stays."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # Bound at once, that nobody else takes the port; as long as it does not listen it refuses.
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        time.sleep(seconds)
        self._listener.listen()
        self._begin_accepting()

    def close(self) -> None:
        """Cuts all, and takes no further connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = [each for each in self._connections if not each.over.is_set()]
        for each in left:
            each.cut(Cut.RST)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                try:
                    self._take(client)
                except OSError:  # the server is away
                    client.close()

    def _take(self, client: socket.socket) -> None:
        with self._lock:
            swallows = self._swallows
        server = None if swallows else socket.create_connection(self._target)
        connection = Connection(client, server, set(WAYS) if swallows else set())
        for each in (client, server):
            if each is not None:  # else each small piece waits for an acknowledgement, 40 ms
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.append(connection)
        for way in WAYS:
            if connection.source(way) is not None:
                threading.Thread(target=self._pump, args=(connection, way), daemon=True).start()

    def _pump(self, connection: Connection, way: str) -> None:
        source = connection.source(way)
        assert source is not None
        try:
            while data := source.recv(_CHUNK):
                self._deliver(connection, way, data)
        except OSError:
            pass
        if way == "up":
            connection.left.set()
        # Of what is half open the one side is not told how the other ended.
        if not connection.swallowed and not connection.over.is_set():
            connection.cut(Cut.FIN)

    def _deliver(self, connection: Connection, way: str, data: bytes) -> None:
        time.sleep(self.weather[way].delay)
        while data and way not in connection.swallowed:
            weather = self.weather[way]
            piece = data[: weather.piece or len(data)]
            budget = connection.cut_after if way == connection.cut_way else None
            if budget is not None:
                piece = piece[:budget]
                connection.cut_after = budget - len(piece)
            sink = connection.sink(way)
            assert sink is not None
            sink.sendall(piece)
            connection.forwarded[way] += len(piece)
            if budget is not None and connection.cut_after == 0:
                connection.cut(Cut.RST)
                raise ConnectionResetError
            data = data[len(piece) :]
            time.sleep(weather.pause)
