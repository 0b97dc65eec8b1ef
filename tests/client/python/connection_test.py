# SPDX-License-Identifier: Apache-2.0
"""What stands between a client and its server: channels, TLS, metadata, and what fails there."""

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from as_plain import client_of
from backpropd import (
    NO_RETRY,
    AccessDeniedError,
    BackpropdError,
    ServerUnavailableError,
    Tls,
    TrainingClient,
    UnreachableError,
)
from backpropd.aio import AsyncTrainingClient
from backpropd.backoff import is_passing
from backpropd.call_errors import error_from_call
from backpropd.connection import CHANNEL_OPTIONS, channel_options
from backpropd.v1 import network_pb2 as pb
from backpropd.v1 import training_service_pb2 as rpc
from fake_server import FakeServer
from http2_peer import Http2Peer

X = np.zeros((6, 3), dtype="f4")
Y = np.zeros(6, dtype=int)
METADATA: list[tuple[str, str | bytes]] = [
    ("Authorization", "Bearer abc="),
    ("x-a", "1"),
    ("x-a", "2"),
    ("b-bin", b"\0"),
]
SENT = [("authorization", "Bearer abc="), ("x-a", "1"), ("x-a", "2"), ("b-bin", b"\0")]
METHODS = {method.name for method in rpc.DESCRIPTOR.services_by_name["TrainingService"].methods}
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"


class Noting(grpc.ServerInterceptor):  # type: ignore[type-arg]  # no generic at run time
    """Notes the metadata of each method's calls."""

    def __init__(self) -> None:
        self.noted: dict[str, list[tuple[str, str | bytes]]] = {}

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        """Lets every call pass."""
        method = handler_call_details.method.rsplit("/", 1)[1]
        self.noted[method] = [tuple(pair) for pair in handler_call_details.invocation_metadata]
        return continuation(handler_call_details)

    def check(self) -> None:
        """Every method of the service was called, with the metadata."""
        assert set(self.noted) == METHODS
        for method, noted in self.noted.items():
            assert [pair for pair in noted if pair in SENT] == SENT, method


@pytest.fixture
def noting() -> Iterator[tuple[Noting, FakeServer]]:
    interceptor = Noting()
    server = FakeServer(interceptor)
    yield interceptor, server
    server.stop()


def test_every_call_carries_the_metadata(kind: str, noting: tuple[Noting, FakeServer], spec: pb.SessionSpec) -> None:
    with client_of(kind, noting[1].target, metadata=METADATA) as client:
        session = client.create(spec)
        client.get(session.session_id)
        assert list(client.list())
        session.update(learning_rate=0.25)
        session.train_step(X[0], [0.0, 1.0])
        session.predict(X)
        session.evaluate(X, Y)
        replica = session.replica()
        training = threading.Timer(0.2, session.train, (X, Y))
        training.start()
        with session.watch(replica) as watch:
            next(iter(watch))
        training.join()
        session.create_checkpoint("one")
        assert list(session.checkpoints())
        session.update_checkpoint("one", pinned=True)
        session.rewind("one")
        session.delete_checkpoint("one")
        session.delete()
        client.server_info()
    noting[0].check()


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("", "s3cret"), "is empty"),
        ((":path", "s3cret"), "letters, digits"),
        (("two words", "s3cret"), "begins 'two'"),
        (("authorization: Bearer s3cret", "x"), "begins 'authorization'"),
        (("grpc-timeout", "s3cret"), "gRPC or HTTP sets itself"),
        (("TE", "s3cret"), "gRPC or HTTP sets itself"),
        (("a", "s3cret\n"), "printable ASCII"),
        (("a", "s3cret "), "no space at its ends"),
        (("a", b"s3cret"), "bytes for keys that end in -bin"),
        (("a-bin", "s3cret"), "bytes for keys that end in -bin"),
    ],
)
@pytest.mark.parametrize("make", [TrainingClient, AsyncTrainingClient])
def test_metadata_that_cannot_be_sent_is_refused_at_once(make: Any, pair: tuple[str, str | bytes], says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        make("localhost:1", metadata=[("good", "x"), pair])
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("make", [TrainingClient, AsyncTrainingClient])
def test_tls_files_that_cannot_be_are_refused_at_once(make: Any, tmp_path: pathlib.Path) -> None:
    certificate, key, locked = tmp_path / "crt", tmp_path / "key", tmp_path / "locked"
    certificate.write_bytes(CERTIFICATE)
    key.write_bytes(KEY)
    locked.write_bytes(KEY.replace(b"BEGIN", b"BEGIN ENCRYPTED"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        make("localhost:1", tls=Tls(ca="/nowhere"))
    for tls, says in (
        (Tls(ca=key), "tls.ca: "),
        (Tls(certificate=certificate), "belong together"),
        (Tls(key=key), "belong together"),
        (Tls(certificate=certificate, key=certificate), "tls.key: "),
        (Tls(certificate=certificate, key=locked), "openssl pkey"),
    ):
        with pytest.raises(ValueError, match=says):
            make("localhost:1", tls=tls)
    with pytest.raises(ValueError, match="give one of them"):
        make("localhost:1", tls=True, credentials=grpc.ssl_channel_credentials())


class Broken(grpc.RpcError):
    """A call as gRPC ends it when no backpropd answered."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        """As grpc.Call has it."""
        return self._code

    def details(self) -> str:
        """As grpc.Call has it."""
        return self._details

    def trailing_metadata(self) -> tuple[()]:
        """As grpc.Call has it."""
        return ()


CONNECTING = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:443: "


# The texts are those of gRPC 1.85, to nginx 1.22, Envoy 1.40 and a backpropd.
@pytest.mark.parametrize(
    ("details", "says", "kind"),
    [
        (
            CONNECTING + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL "
            "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK",
            "not vouched for",
            UnreachableError,
        ),
        (
            CONNECTING + "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification Check "
            "failed.",
            "another name",
            UnreachableError,
        ),
        (
            CONNECTING + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL "
            "routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate verification context: OK",
            "does not speak TLS",
            UnreachableError,
        ),
        (
            CONNECTING + "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 80) "
            "(Trying to connect an http1.x server (HTTP status 400))",
            "expects TLS",
            UnreachableError,
        ),
        (CONNECTING + "Failed to create security handshaker.", "do not belong together", UnreachableError),
        (CONNECTING + "Socket closed", "closed the connection", ServerUnavailableError),
        (CONNECTING + "Unwrap failed (TSI_DATA_CORRUPTED)", "client's certificate", ServerUnavailableError),
        (CONNECTING + "Failed to connect to remote host: Connection refused", "nobody", ServerUnavailableError),
        ("errors resolving x.invalid:1: [Domain name not found]", "not known", ServerUnavailableError),
        ("Socket closed", "^Socket closed$", ServerUnavailableError),
    ],
)
def test_what_grpc_says_of_a_connection_becomes_what_to_do(details: str, says: str, kind: type[BackpropdError]) -> None:
    error = error_from_call(Broken(grpc.StatusCode.UNAVAILABLE, details))
    assert type(error) is kind
    assert is_passing(error) == (kind is ServerUnavailableError)
    assert error.code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(BackpropdError, match=says):
        raise error
    assert details in str(error)


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", ServerUnavailableError),
        (grpc.StatusCode.UNKNOWN, "Received http2 header with status: 504", ServerUnavailableError),
        (grpc.StatusCode.UNAUTHENTICATED, "nginx knows no such token", AccessDeniedError),
        (grpc.StatusCode.PERMISSION_DENIED, "RBAC: access denied", AccessDeniedError),
        (grpc.StatusCode.UNAUTHENTICATED, "Received http2 header with status: 401", AccessDeniedError),
        (grpc.StatusCode.UNIMPLEMENTED, "Received http2 header with status: 404", UnreachableError),
        (grpc.StatusCode.UNKNOWN, "Received http2 header with status: 413", UnreachableError),
    ],
)
def test_what_a_proxy_cuts_is_tried_again_and_what_it_refuses_is_not(
    code: grpc.StatusCode, details: str, kind: type
) -> None:
    error = error_from_call(Broken(code, details))
    assert type(error) is kind
    assert details in str(error)
    assert is_passing(error) == (kind is ServerUnavailableError)


def test_own_options_count_before_the_packages() -> None:
    options = dict(channel_options("name", [("grpc.keepalive_time_ms", 1), ("x", 2)]))
    assert options["grpc.keepalive_time_ms"] == 1
    assert options["grpc.default_authority"] == "name"
    assert options["x"] == 2
    assert options["grpc.enable_retries"] == 0
    assert dict(channel_options(None, [])) == dict(CHANNEL_OPTIONS)


# gRPC's own default stops after two pings while a client has nothing to say, as a watcher never has: then a peer that
# vanishes is never noticed.
def test_a_silent_stream_is_asked_again_and_again_whether_its_peer_lives() -> None:
    peer = Http2Peer()
    with TrainingClient(peer.target, retry=NO_RETRY, options=[("grpc.keepalive_time_ms", 100)]) as client:
        _watch = client.stub.WatchDeltas(rpc.WatchDeltasRequest(session_id="s"))
        patience = time.monotonic() + 30
        while peer.pings < 6 and time.monotonic() < patience:
            time.sleep(0.02)
    peer.close()
    assert peer.pings >= 6
