# SPDX-License-Identifier: Apache-2.0
"""How the clients reach a server: plain, or through a proxy with TLS and a token."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The same for the pings by which gRPC measures a connection: keepalive's wait
    # behind them, and gRPC's own 60 s came on top of keepalive's.
    ("grpc.http2.ping_timeout_ms", 10_000),
    # gRPC would ask no more after two pings while the client itself has nothing
    # to say, as one that watches never has.
    ("grpc.http2.max_pings_without_data", 0),
    # Weights and dense deltas of large networks are above gRPC's 4 MiB.
    ("grpc.max_receive_message_length", -1),
    # Resuming a stream is this package's business: gRPC can't.
    ("grpc.enable_retries", 0),
)
"""A server that vanished without a word is noticed after 70 s."""

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""What is sent with every call."""

_KEY = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[ -~]*")
# What gRPC or HTTP/2 say themselves.
_RESERVED = {
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
}


@dataclass(frozen=True)
class Tls:
    """TLS, and whom it trusts; the files are PEM.

    backpropd itself speaks plain text: it is a proxy in front of it that speaks TLS.
    """

    ca: str | os.PathLike[str] | None = None
    """Certificates of the authorities that may vouch for the server. None: those that
    grpcio brings along, or that GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names."""
    certificate: str | os.PathLike[str] | None = None
    """The client's own, if the server asks for one (mutual TLS) ..."""
    key: str | os.PathLike[str] | None = None
    """... and its private key, without a passphrase."""


def credentials_of(tls: Tls | bool, credentials: grpc.ChannelCredentials | None) -> grpc.ChannelCredentials | None:
    """What a channel is made with; None: plain text.

    Raises:
        ValueError: what is given doesn't belong together, or a file holds something else.
        OSError: a file can't be read.

    """
    if tls is False:
        return credentials
    if credentials is not None:
        raise ValueError("tls and credentials are two ways to say the same: give one of them.")
    files = Tls() if tls is True else tls
    if (files.certificate is None) != (files.key is None):
        raise ValueError("tls.certificate and tls.key belong together: give both, or neither.")
    return grpc.ssl_channel_credentials(
        root_certificates=_read_pem("tls.ca", files.ca, b"-----BEGIN CERTIFICATE-----"),
        private_key=_read_pem("tls.key", files.key, b"PRIVATE KEY-----"),
        certificate_chain=_read_pem("tls.certificate", files.certificate, b"-----BEGIN CERTIFICATE-----"),
    )


def channel_options(authority: str | None, options: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The options of a channel: ours, where `options` doesn't say otherwise."""
    named = {"grpc.default_authority": authority} if authority else {}
    # Merged here: of two with one name gRPC takes the first.
    return list({**dict(CHANNEL_OPTIONS), **named, **dict(options)}.items())


def checked_metadata(metadata: Sequence[tuple[str, str | bytes]]) -> Metadata:
    """The metadata as it is sent, its keys in lower case.

    Raises:
        ValueError: gRPC would refuse a pair. The text never shows a value, which may be a secret.

    """
    pairs = tuple((key.lower(), value) for key, value in metadata)
    for key, value in pairs:
        if not _KEY.fullmatch(key):
            begin = _KEY.match(key)
            raise ValueError(
                f"A metadata key may have letters, digits, '-', '_' and '.' only, but the one that begins "
                f"'{begin[0] if begin else ''}' has others, or is empty."
            )
        if key.startswith("grpc-") or key in _RESERVED:
            raise ValueError(f"The metadata key '{key}' is one that gRPC or HTTP sets itself.")
        if key.endswith("-bin") != isinstance(value, bytes):
            raise ValueError(f"The value of metadata key '{key}': bytes for keys that end in -bin, str for others.")
        if isinstance(value, str) and (not _VALUE.fullmatch(value) or value != value.strip(" ")):
            raise ValueError(
                f"The value of metadata key '{key}' may have printable ASCII only (is a line's end or an accent in "
                f"it?), and no space at its ends."
            )
    return pairs


def _read_pem(name: str, path: str | os.PathLike[str] | None, mark: bytes) -> bytes | None:
    if path is None:
        return None
    text = Path(path).read_bytes()
    if mark not in text:
        raise ValueError(f"{name}: {os.fspath(path)} is no such PEM file: {mark.decode()} is not in it.")
    if b"ENCRYPTED" in text:
        raise ValueError(
            f"{name}: the key in {os.fspath(path)} has a passphrase, and nobody can be asked for it; take it off with "
            f"openssl pkey -in OLD -out NEW"
        )
    return text
