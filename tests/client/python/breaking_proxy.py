# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on the loopback that counts bytes, and cuts every connection when it is told."""

from __future__ import annotations

import contextlib
import socket
import threading


class BreakingProxy:
    """Forwards to host:port `target` until close(). Its own address is `address`."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []  # guarded by _lock
        self._half_open: set[socket.socket] = set()  # guarded by _lock
        self._muffled = False  # guarded by _lock
        self._bytes = {"up": 0, "down": 0}  # guarded by _lock
        threading.Thread(target=self._accept, daemon=True).start()

    def forwarded(self) -> tuple[int, int]:
        """How many bytes went to the target so far, and how many came from it."""
        with self._lock:
            return self._bytes["up"], self._bytes["down"]

    def cut(self) -> None:
        """Ends the present connections, without a word."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        with self._lock:
            self._muffled = False

    def vanish(self) -> None:
        """Cuts the client's side of the present connections, of which the target is told nothing."""
        with self._lock:
            self._half_open.update(self._sockets[1::2])
            sockets, self._sockets = self._sockets[::2], []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def muffle(self) -> None:
        """Nothing that the target says comes through, until cut()."""
        with self._lock:
            self._muffled = True

    def close(self) -> None:
        """Cuts, and takes no further connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._sockets += self._half_open
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(self._target)
                for each in (ours, theirs):  # else each small message waits for an acknowledgement, 40 ms
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets += [ours, theirs]
                threading.Thread(target=self._forward, args=(ours, theirs, "up"), daemon=True).start()
                threading.Thread(target=self._forward, args=(theirs, ours, "down"), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self._lock:
                    self._bytes[way] += len(data)
                    lost = self._muffled and way == "down"
                if not lost:
                    sink.sendall(data)
        with self._lock:
            if not self._half_open.isdisjoint((source, sink)):
                return
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
