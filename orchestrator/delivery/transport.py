"""HTTP to API servers: one session for all clusters, each request with its own cluster's TLS context and proxy.

The only file, with `faults.py`, that knows which HTTP library talks to API servers. It sends one request, follows no
redirect (that would carry our credentials elsewhere), and raises every fault as an error of ours: `NotSent` where the
request never left.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from orchestrator import __version__
from orchestrator.core.dispatch import check_permission
from orchestrator.core.limits import limited
from orchestrator.delivery.faults import FAULTS, NotSent, fault
from orchestrator.delivery.pacing import PacedConnector, Turns, allow_many_files
from orchestrator.delivery.resolver import ThreadResolver
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.errors import Unreachable

ANSWER_LIMIT = 64 * 1024 * 1024
_KEEPALIVE_SECONDS = 75.0


# Neither is frozen: to freeze the fields of what is made for each request costs more than to fill them.
@dataclass(slots=True, kw_only=True)
class Request:
    """One request to one server."""

    method: str
    url: str
    """Complete and already quoted."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None
    """None for plain http."""
    server_hostname: str | None = None
    """Name to verify instead of the host."""
    proxy: str | None = field(default=None, repr=False)
    timeout: float | None
    """Seconds to the end of its answer, from when its turn has come (`pacing`); None for a stream."""


@dataclass(slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    """Whatever the case of a name; in lower case it is found in any."""
    body: bytes = field(repr=False)


class Transport:
    """Sends requests; to be closed. A write whose permission has run out is not sent: `TooLate`."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._resolver = ThreadResolver(timeouts.connect)
        self._opening: set[asyncio.Timeout] = set()
        self._turns = Turns()
        allow_many_files()
        # API servers drop connections idle for 90 s: ours go first, so that no request meets a closing one. How many
        # requests a cluster gets at once is limited by its channel, so that waiting costs no time-out here.
        connector = PacedConnector(
            limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, ttl_dns_cache=300, resolver=self._resolver
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": f"orchestrator/{__version__}"},
            skip_auto_headers=("Content-Type",),
        )
        # What may be repeated is our own decision (`retries`): the library would repeat a PUT or DELETE and not say so.
        self._session._retry_connection = False
        self._connecting = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)

    async def close(self) -> None:
        """Close every connection, also those that are being opened: whoever waits for one gets an error."""
        for opening in self._opening:
            # One that is expiring of itself needs no help.
            with suppress(RuntimeError):
                opening.reschedule(0)
        await self._session.close()
        await self._resolver.close()

    async def exchange(self, request: Request) -> Answer:
        """Send and read the whole answer. Raises `Unreachable` when there is none that is complete."""
        await self._turns.turn()
        try:
            async with self._limit(request) as opening:
                response = await self._send(request, opening)
                try:
                    return Answer(response.status, response.headers, await _read(response))
                except BaseException:
                    response.close()
                    raise
        except FAULTS as error:
            raise fault(error) from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """Send and hand out the answer's body as it comes, for status 200; else the whole answer and no chunks.

        Raises `Unreachable` when the connection fails, also while the body is read.
        """
        await self._turns.turn()
        try:
            # A stream has no end, but its beginning must come as soon as any other answer's.
            async with self._limit(request) as opening:
                response = await self._send(request, opening)
            try:
                async with asyncio.timeout_at(opening.when()):
                    body = b"" if response.status == 200 else await _read(response)
                yield Answer(response.status, response.headers, body), response.content.iter_any()
            finally:
                response.close()
        except FAULTS as error:
            raise fault(error) from error

    def _limit(self, request: Request) -> AbstractAsyncContextManager[asyncio.Timeout]:
        return limited(request.timeout or self._timeouts.request)

    async def _send(self, request: Request, opening: asyncio.Timeout) -> aiohttp.ClientResponse:
        """The beginning of the answer; `opening` is what ends it when everything is closed."""
        if self._session.closed:
            raise NotSent("the connections to the fleet are closed", code="closed")
        if request.method != "GET":
            check_permission()
        self._opening.add(opening)
        try:
            return await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers=request.headers,
                ssl=request.tls or True,
                server_hostname=request.server_hostname,
                proxy=request.proxy,
                allow_redirects=False,
                timeout=self._connecting,
            )
        finally:
            self._opening.discard(opening)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, unpacked; raises `Unreachable` (code `too-large`) beyond the limit, packed or not."""
    length = response.content_length
    if length is not None and length <= ANSWER_LIMIT and "Content-Encoding" not in response.headers:
        return await response.read()
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) > ANSWER_LIMIT:
            raise _too_large()
    if response.headers.get("Content-Encoding", "").lower() != "gzip":
        return bytes(kept)
    if len(kept) > 256 * 1024:
        return await asyncio.to_thread(_unpack, bytes(kept))
    return _unpack(bytes(kept))


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(packed, ANSWER_LIMIT + 1)
    except zlib.error as error:
        raise Unreachable("the answer is damaged: its compression is broken", code="truncated") from error
    if len(body) > ANSWER_LIMIT:
        raise _too_large()
    if not unpacker.eof:
        raise Unreachable("the answer ended too early", code="truncated")
    return body


def _too_large() -> Unreachable:
    return Unreachable(f"the answer is larger than {ANSWER_LIMIT // 1024 // 1024} MiB", code="too-large")
