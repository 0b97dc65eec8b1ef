# SPDX-License-Identifier: Apache-2.0
"""Why a call did not get through, from gRPC's words to those that a user can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConnectionFault:
    """One way in which a call does not get through."""

    meaning: str
    """What it means and what to do, as a clause."""
    lasting: bool
    """Whether another attempt ends in the same way."""


UNTRUSTED = ConnectionFault(
    "the server's certificate is not vouched for by an authority that is trusted here, or has expired: "
    "name its authority's certificate, tls=Tls(ca=…)",
    lasting=True,
)
WRONG_NAME = ConnectionFault(
    "the server's certificate is for another name than the one asked for: name it in target, or as authority",
    lasting=True,
)
NO_TLS = ConnectionFault("the server at that address does not speak TLS", lasting=True)
HTTP1 = ConnectionFault("what answers at that address speaks no gRPC, or expects TLS (tls=True)", lasting=True)
TLS_FILES = ConnectionFault(
    "TLS cannot be set up: tls.certificate and tls.key do not belong together, or a file holds no valid certificate",
    lasting=True,
)
NO_ROUTE = ConnectionFault("what answers at that address leads to no backpropd", lasting=True)
TOO_LARGE = ConnectionFault("a proxy takes no message or stream of this size", lasting=True)
REFUSED = ConnectionFault("a proxy did not let the call pass: does it want a token in metadata?", lasting=True)
CLOSED = ConnectionFault(
    "the server closed the connection while it was made: it may expect TLS (tls=…), or a client's certificate that "
    "it knows",
    lasting=False,
)
NOBODY_ANSWERS = ConnectionFault("nobody answers at that address", lasting=False)
UNKNOWN_NAME = ConnectionFault("the name in the address is not known", lasting=False)
NO_BACKEND = ConnectionFault("a proxy answers, but reaches no backpropd", lasting=False)
CUT = ConnectionFault(
    "the stream was cut on its way, as proxies do with streams that are silent, large or last long", lasting=False
)

# The texts of gRPC 1.51 with OpenSSL, and of 1.85 with BoringSSL; the first that fits holds.
_TEXTS = (
    ("certificate verify failed", UNTRUSTED),
    ("certificate_verify_failed", UNTRUSTED),
    ("is not in peer certificate", WRONG_NAME),
    ("hostname verification check failed", WRONG_NAME),
    ("wrong version number", NO_TLS),
    ("wrong_version_number", NO_TLS),
    ("http1.x server", HTTP1),
    ("connection refused", NOBODY_ANSWERS),
    ("dns resolution failed", UNKNOWN_NAME),
    ("errors resolving", UNKNOWN_NAME),
    ("empty address list", TLS_FILES),
    ("failed to create security handshaker", TLS_FILES),
    ("http2 header with status: 401", REFUSED),
    ("http2 header with status: 403", REFUSED),
    ("http2 header with status: 404", NO_ROUTE),
    ("http2 header with status: 413", TOO_LARGE),
    ("http2 header with status: 502", NO_BACKEND),
    ("http2 header with status: 503", NO_BACKEND),
    ("http2 header with status: 504", NO_BACKEND),
    ("rst_stream", CUT),
)
# An open stream may end with these too: they tell something only while a connection is made.
_ENDS = ("socket closed", "endpoint read failed", "broken pipe", "connection reset", "unwrap failed")


def fault_in(text: str) -> ConnectionFault | None:
    """What the details of a call mean that no backpropd answered; None if that is not known."""
    lower = text.lower()
    for known, fault in _TEXTS:
        if known in lower:
            return fault
    if "failed to connect to all addresses" not in lower:
        return None
    return CLOSED if any(end in lower for end in _ENDS) else NOBODY_ANSWERS
