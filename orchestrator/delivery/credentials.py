"""Who we are to an API server: static credentials, token files, and credential plugins.

A source either gives the credential that the kubeconfig asks for or raises `Unauthenticated`: no request ever goes out
anonymously because a source failed. Secrets are kept out of representations and messages.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from orchestrator.core.limits import left_out
from orchestrator.core.objects import dig
from orchestrator.core.ports import Clock
from orchestrator.delivery.entries import ClientCertificate, ExecSpec, Server, User
from orchestrator.delivery.exec_plugin import ExecRunner, plugin_failure
from orchestrator.delivery.files import read_file
from orchestrator.delivery.sharing import SingleFlight
from orchestrator.errors import Unauthenticated

_FILE_SECONDS = 60.0
_FAILURE_SECONDS = 10.0
_TOKEN_FILE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Credential:
    """What is shown to an API server."""

    authorization: str | None = field(default=None, repr=False)
    """Value of the header `Authorization`."""
    certificate: ClientCertificate | None = None


class CredentialSource(Protocol):
    """Gives the credential to use now."""

    async def current(self) -> Credential:
        """The credential; raises `Unauthenticated` when there is none."""
        ...

    async def renewed(self, refused: Credential) -> Credential | None:
        """Another credential than the one that was refused with 401, or None when there is no other."""
        ...


class StaticSource:
    """A token, a user name, a certificate, or nothing: what stands in the kubeconfig."""

    def __init__(self, user: User) -> None:
        authorization = None
        if user.token:
            authorization = f"Bearer {user.token}"
        elif user.username:
            pair = f"{user.username}:{user.password or ''}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self._credential = Credential(authorization, user.certificate)

    async def current(self) -> Credential:
        """The one credential there is."""
        return self._credential

    async def renewed(self, refused: Credential) -> Credential | None:
        """None: it never changes."""
        return None


class TokenFileSource:
    """A token in a file that somebody else renews; read again when it is a minute old, or was refused."""

    def __init__(self, user: User, clock: Clock) -> None:
        self._user, self._clock = user, clock
        self._token: str | None = None
        self._read_at = 0.0

    async def current(self) -> Credential:
        """The token last read; the kubeconfig's own where the file was never readable, as in kubectl."""
        if self._token is None or self._clock.elapsed() - self._read_at >= _FILE_SECONDS:
            self._read()
        token = self._token or self._user.token
        if token is None:
            raise Unauthenticated(f"the token file {self._user.token_file} cannot be read or holds no token")
        return Credential(f"Bearer {token}", self._user.certificate)

    async def renewed(self, refused: Credential) -> Credential | None:
        """What the file holds now, when that is another token."""
        self._read()
        credential = await self.current()
        return credential if credential != refused else None

    def _read(self) -> None:
        if self._user.token_file is None:
            return
        try:
            token = read_file(self._user.token_file, _TOKEN_FILE_LIMIT).decode("ascii").strip()
        except (OSError, ValueError):
            # As in kubectl, the token that was read last stays in use.
            return
        if token and token.isprintable():
            self._token, self._read_at = token, self._clock.elapsed()


class PluginSource:
    """What a credential plugin prints: kept until it expires or is refused, and asked for once for all who wait."""

    def __init__(self, run: Callable[[], Awaitable[dict[str, Any]]], user: User, spec: ExecSpec, clock: Clock) -> None:
        self._run_plugin, self._spec, self._clock = run, spec, clock
        self._certificate = user.certificate
        self._credential: Credential | None = None
        self._renew_at: datetime | None = None
        self._failure: tuple[float, Unauthenticated] | None = None
        self._refresh = SingleFlight(self._ask)

    async def current(self) -> Credential:
        """The credential in hand while it lasts, else a new one."""
        if self._credential is not None and not (self._renew_at and self._clock.now() >= self._renew_at):
            return self._credential
        return await self._refreshed()

    async def renewed(self, refused: Credential) -> Credential | None:
        """A new credential, or the one that somebody else renewed meanwhile."""
        if self._credential is not None and self._credential != refused:
            return self._credential
        self._credential = None
        renewed = await self._refreshed()
        return renewed if renewed != refused else None

    async def _refreshed(self) -> Credential:
        # The plugin has a time limit of its own, and its cluster is not to blame for it.
        with left_out():
            return await self._refresh()

    async def _ask(self) -> Credential:
        # A failing plugin is not run again for every request that waits for it: it may take half a minute to fail.
        if self._failure and self._clock.elapsed() - self._failure[0] < _FAILURE_SECONDS:
            known = self._failure[1]
            raise Unauthenticated(known.message, hint=known.hint)
        try:
            answer = await self._run_plugin()
            self._credential, self._renew_at = self._read(answer.get("status") or {})
        except Unauthenticated as error:
            self._failure = (self._clock.elapsed(), error)
            raise
        self._failure = None
        return self._credential

    def _read(self, status: Any) -> tuple[Credential, datetime | None]:
        token, certificate, key = (dig(status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
        texts = [value for value in (token, certificate, key) if value is not None]
        if not texts or not all(isinstance(value, str) and value for value in texts):
            raise plugin_failure(self._spec, "gave neither a token nor a client certificate")
        if (certificate is None) != (key is None):
            raise plugin_failure(self._spec, "gave a client certificate without its key, or the reverse")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise plugin_failure(self._spec, "gave a token that no header may carry")
        pair = ClientCertificate(certificate.encode(), key.encode()) if certificate else self._certificate
        return Credential(f"Bearer {token}" if token else None, pair), self._expiry(dig(status, "expirationTimestamp"))

    def _expiry(self, text: Any) -> datetime | None:
        if text is None:
            return None
        try:
            expires = datetime.fromisoformat(text)
            lifetime = expires - self._clock.now()
        except (TypeError, ValueError):
            raise plugin_failure(self._spec, "gave an expiry that is no time") from None
        if lifetime <= timedelta():
            # Our clock is ahead of the plugin's: only a 401 tells when it really expires, or it would be run each time.
            return None
        # A little early, so that no request leaves with a token that expires under way; but never so early that a
        # short-lived one is asked for each time.
        return expires - min(timedelta(seconds=60), lifetime / 10)


class Credentials:
    """The credential sources of all clusters; those with the same plugin share one."""

    def __init__(self, runner: ExecRunner, clock: Clock) -> None:
        self._runner, self._clock = runner, clock
        self._plugins: dict[tuple[ExecSpec, Server | None, ClientCertificate | None], PluginSource] = {}

    def source(self, user: User, server: Server) -> CredentialSource:
        """Where the credential of a user for a server comes from; what is static beats a plugin, as in kubectl."""
        if server.url.startswith("http:"):
            # As kubectl: nothing that proves who we are is sent where anybody can read it.
            return StaticSource(User())
        if user.token_file is not None:
            return TokenFileSource(user, self._clock)
        if user.plugin is None or user.token or user.username:
            return StaticSource(user)
        key = (user.plugin, server if user.plugin.provide_cluster_info else None, user.certificate)
        if key not in self._plugins:
            self._plugins[key] = PluginSource(lambda: self._runner.run(*key[:2]), user, user.plugin, self._clock)
        return self._plugins[key]
