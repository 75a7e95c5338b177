"""TLS contexts, one per distinct trust and client certificate.

Never loads the system's authorities (19 ms and 0.8 MB each time) unless a kubeconfig names none. Leaves no key on disk.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from orchestrator.core.text import printable
from orchestrator.delivery.entries import ClientCertificate, Server
from orchestrator.errors import Unauthenticated, Unreachable

_PREFIX = "orchestrator-"
_IN_MEMORY = "/proc/self/fd/"


class TlsContexts:
    """Builds contexts and shares them between clusters whose trust and certificate are the same."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def context(self, server: Server, client: ClientCertificate | None = None) -> ssl.SSLContext:
        """The context for a server and our certificate.

        Raises `Unreachable` (code `certificate`) when the authorities cannot be read, `Unauthenticated` when our own
        certificate cannot.
        """
        key = (
            server.insecure,
            _digest(server.authorities),
            client and _digest(client.certificate + b"\0" + client.key),
        )
        if key not in self._contexts:
            self._contexts[key] = _build(server, client)
        return self._contexts[key]


def system_context() -> ssl.SSLContext:
    """A context that trusts what the system trusts."""
    return _build(Server(url=""), None)


@lru_cache(maxsize=4096)
def _digest(content: bytes | None) -> bytes | None:
    return None if content is None else hashlib.sha256(content).digest()


def _build(server: Server, client: ClientCertificate | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    # As Go, and so kubectl, judges certificates: the authority of a kubeconfig is trusted even when it is an
    # intermediate one, and a name counts only as a subject alternative name.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    # Python 3.13 made strict RFC 5280 checks a default of its own contexts; authorities of older managed clusters
    # fail them for form alone (no key usage). Everything else stays verified.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if server.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif server.authorities is None:
        context.load_default_certs()
    else:
        _trust(context, server.authorities)
    if client is not None:
        _present(context, client)
    return context


def _trust(context: ssl.SSLContext, authorities: bytes) -> None:
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise Unreachable("the certificate authority of the kubeconfig is no PEM", code="certificate") from error
    if not context.get_ca_certs() and not context.cert_store_stats()["x509"]:
        raise Unreachable("the certificate authority of the kubeconfig holds no certificate", code="certificate")


def _present(context: ssl.SSLContext, client: ClientCertificate) -> None:
    # OpenSSL reads keys from files only.
    try:
        with _private_file(client.key + b"\n" + client.certificate) as name:
            # Without a password OpenSSL would ask the terminal for one.
            context.load_cert_chain(name, password="")
    except ssl.SSLError as error:
        raise Unauthenticated(
            f"the client certificate cannot be used: {printable(error.reason or 'unreadable', 80)}"
        ) from None
    except ValueError:
        raise Unauthenticated("the client certificate cannot be used: unreadable") from None
    except OSError as error:
        raise Unauthenticated(
            f"the client certificate cannot be loaded: {printable(error.strerror or 'unreadable', 80)}"
        ) from None


@contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """A file that nobody else may open, gone at the end: in memory where the system can do that.

    There a full or read-only disk cannot keep us from a cluster, and no key ever touches a disk.
    """
    descriptor, name = _memory_file() or tempfile.mkstemp(prefix=_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield name
    finally:
        if not name.startswith(_IN_MEMORY):
            Path(name).unlink()


def _memory_file() -> tuple[int, str] | None:
    if not hasattr(os, "memfd_create") or not Path(_IN_MEMORY).is_dir():
        return None
    try:
        descriptor = os.memfd_create(_PREFIX)
    except OSError:
        # A system that forbids it: a sandbox's filter of system calls.
        return None
    return descriptor, f"{_IN_MEMORY}{descriptor}"
