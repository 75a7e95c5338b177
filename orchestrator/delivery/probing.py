"""Asks endpoints that are no API servers: what a user of a model would get.

Its own session, no cluster's credentials; certificates are verified with what the system trusts; redirects are handed
out, not followed, because where an endpoint sends its users is part of what it answers.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from orchestrator import __version__
from orchestrator.core.ports import HttpAnswer, HttpRequest
from orchestrator.delivery.faults import FAULTS, NotSent, fault
from orchestrator.delivery.proxies import proxy_for
from orchestrator.delivery.resolver import ThreadResolver
from orchestrator.delivery.tls import system_context

BODY_LIMIT = 1024 * 1024
_CONNECT_SECONDS = 5.0


class HttpProber:
    """Implements `core.ports.Prober`; an async context manager that closes its connections at the end."""

    def __init__(self, environ: Mapping[str, str] | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._resolver = ThreadResolver(_CONNECT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        """Send it, without following redirects; raises `Unreachable` when there is no answer."""
        if not _is_http(request.url):
            raise NotSent("only http and https endpoints can be asked", code="address")
        if self._tls is None:
            self._tls = await asyncio.to_thread(system_context)
        proxy = proxy_for(request.url, named=None, environ=self._environ)
        try:
            async with asyncio.timeout(request.timeout):
                return await self._ask(request, proxy, self._tls)
        except FAULTS as error:
            raise fault(error, seconds=request.timeout) from error

    async def _ask(self, request: HttpRequest, proxy: str | None, tls: ssl.SSLContext) -> HttpAnswer:
        async with self._open_session().request(
            request.method,
            request.url,
            headers={"Accept-Encoding": "identity", **request.headers},
            proxy=proxy,
            ssl=tls,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=request.timeout, sock_connect=_CONNECT_SECONDS),
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) >= BODY_LIMIT:
                    # What is left unread is never read: the connection is closed with it.
                    response.close()
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status, headers, bytes(body[:BODY_LIMIT]))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection per question: a kept one would go on to a backend that is no longer in the endpoint.
            connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False, resolver=self._resolver)
            self._session = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": f"orchestrator/{__version__}"},
            )
        return self._session


def _is_http(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False
