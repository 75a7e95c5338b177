"""What goes wrong below HTTP, as errors of ours: a stable code, the cause in words, whether the request had left."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from orchestrator.core.text import printable
from orchestrator.errors import Unauthenticated, Unreachable

# Codes of X.509 verification, from OpenSSL's x509_vfy.h.
_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, (62, 64)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class NotSent(Unreachable):
    """The request never left, so repeating it harms nothing."""


FAULTS: Final = (aiohttp.ClientError, OSError, ValueError)
"""What the HTTP library raises, and what it lets through from below: `ssl.SSLError` and `TimeoutError` are OSErrors."""


def fault(error: BaseException, *, seconds: float | None = None) -> Unreachable:
    """The error for one of the `FAULTS`; `seconds` is how long an answer was waited for, where that is to be told."""
    if isinstance(error, aiohttp.ClientError):
        return _client_fault(error)
    if isinstance(error, TimeoutError):
        told = "in time" if seconds is None else f"within {seconds:g} s"
        return Unreachable(f"no complete answer {told}", code="timeout")
    if isinstance(error, ssl.SSLError):
        return _tls_fault(error)
    if isinstance(error, OSError):
        return Unreachable("the connection was lost before the answer came", code="connection-lost")
    # The library checks addresses and headers as it sends them; its words may quote a secret.
    return NotSent("an address or a header cannot be sent", code="address")


def _client_fault(error: aiohttp.ClientError) -> Unreachable:
    for kind, explain in _CAUSES:
        if isinstance(error, kind):
            return explain(error)
    if isinstance(error.__cause__, ssl.SSLError):
        return _tls_fault(error.__cause__)
    return Unreachable("the connection was lost before the answer came", code="connection-lost")


def _tls_fault(error: BaseException) -> Unreachable:
    reason = printable(getattr(error, "reason", None) or "no TLS", 100)
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        # In TLS 1.3 a server judges our certificate after the handshake, when a request may be under way already.
        return Unauthenticated(f"the server refuses our client certificate ({reason})")
    return NotSent(f"the TLS handshake fails ({reason})", code="tls")


def _certificate(error: Any) -> NotSent:
    code = getattr(error.certificate_error, "verify_code", None)
    if code == _EXPIRED:
        cause = "has expired"
    elif code == _NOT_YET:
        cause = "is not valid yet"
    elif code in _WRONG_NAMES:
        cause = "is for another name"
    else:
        detail = printable(getattr(error.certificate_error, "verify_message", "no details"), 100)
        cause = f"is signed by an unknown authority ({detail})"
    return NotSent(f"the server's certificate {cause}", code="certificate")


def _name(error: Any) -> NotSent:
    why = printable(error.os_error.strerror or "unknown", 100)
    return NotSent(f"the name {printable(error.host, 100)} cannot be resolved: {why}", code="dns")


def _connection(error: Any) -> NotSent:
    number = error.os_error.errno
    if number == errno.ECONNREFUSED:
        return NotSent("the connection is refused", code="connection-refused")
    if number in _NO_ROUTE:
        return NotSent("there is no route to the server", code="no-route")
    if number == errno.ETIMEDOUT:
        return NotSent("no connection in time", code="timeout")
    return NotSent(
        f"the connection fails: {printable(error.os_error.strerror or 'aborted', 200)}", code="connection-failed"
    )


# The first that fits; subclasses stand before their bases.
_CAUSES: tuple[tuple[type[aiohttp.ClientError], Callable[[Any], Unreachable]], ...] = (
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (aiohttp.ClientConnectorDNSError, _name),
    (aiohttp.ClientConnectorSSLError, lambda error: _tls_fault(error.os_error)),
    (aiohttp.ClientProxyConnectionError, lambda _: NotSent("the proxy cannot be reached", code="proxy")),
    (
        aiohttp.ClientHttpProxyError,
        lambda error: NotSent(f"the proxy does not connect us (status {error.status})", code="proxy"),
    ),
    (aiohttp.ClientConnectorError, _connection),
    (aiohttp.ConnectionTimeoutError, lambda _: NotSent("no connection in time", code="timeout")),
    (aiohttp.ServerTimeoutError, lambda _: Unreachable("no complete answer in time", code="timeout")),
    (aiohttp.ClientPayloadError, lambda _: Unreachable("the answer ended too early", code="truncated")),
    (aiohttp.ClientResponseError, lambda _: Unreachable("the server does not speak HTTP", code="not-http")),
    (aiohttp.InvalidURL, lambda _: NotSent("the server's address cannot be used", code="address")),
)
