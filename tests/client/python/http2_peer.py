# SPDX-License-Identifier: Apache-2.0
"""The far end of one HTTP/2 connection that answers nothing but pings: a proxy on whose other side nobody trains.

RFC 9113, by hand, for no library that speaks gRPC counts its peer's pings.
"""

from __future__ import annotations

import contextlib
import socket
import threading

_PREFACE = 24
_HEADER = 9  # length (3 bytes), type, flags, stream (4 bytes)
_SETTINGS, _PING, _ACK = 4, 6, 1


class Http2Peer:
    """Listens on a free port of the loopback until close()."""

    def __init__(self) -> None:
        self.pings = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._connection:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._connection, _ = self._listener.accept()
            with self._connection, self._connection.makefile("rb") as received:
                self._send(_SETTINGS, 0, b"")
                received.read(_PREFACE)
                while len(head := received.read(_HEADER)) == _HEADER:
                    payload = received.read(int.from_bytes(head[:3], "big"))
                    if head[4] & _ACK:
                        continue
                    if head[3] == _SETTINGS:
                        self._send(_SETTINGS, _ACK, b"")
                    elif head[3] == _PING:
                        self._send(_PING, _ACK, payload)
                        self.pings += 1

    def _send(self, kind: int, flags: int, payload: bytes) -> None:
        assert self._connection
        self._connection.sendall(len(payload).to_bytes(3, "big") + bytes((kind, flags)) + bytes(4) + payload)
