"""What a kubeconfig says about one context: which server, trusted how, and who we are there.

Values only; secrets are kept out of every representation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client certificate with its key, both PEM."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where an API server is, and how it proves itself."""

    url: str
    """`https://host:port/prefix`, without a trailing slash."""
    authorities: bytes | None = None
    """PEM of the certificate authorities; the system's when absent."""
    insecure: bool = False
    """Whether the kubeconfig says not to verify the server's certificate."""
    tls_server_name: str | None = None
    """Name to verify and to send as SNI, in place of the host."""
    proxy_url: str | None = field(default=None, repr=False)
    """Proxy of this cluster; may hold a password."""
    compress: bool = True
    """Whether answers may come compressed."""
    plugin_config: Any = field(default=None, hash=False)
    """The cluster's configuration for credential plugins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSpec:
    """A credential plugin."""

    command: str
    """A name to look up in PATH, or a path; a relative path is already resolved against its kubeconfig."""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"
    install_hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who we are."""

    certificate: ClientCertificate | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    """Read again and again; what it holds beats `token`, as in kubectl."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    plugin: ExecSpec | None = None
    impersonation: tuple[tuple[str, str], ...] = ()
    """Headers `Impersonate-…`, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A way into one cluster."""

    name: str
    file: Path
    """The kubeconfig that names it."""
    server: Server
    user: User
