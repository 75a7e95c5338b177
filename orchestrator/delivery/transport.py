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
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

import aiohttp
from yarl import URL

from orchestrator import __version__
from orchestrator.core.dispatch import check_permission
from orchestrator.core.limits import limited
from orchestrator.delivery.faults import NotSent, client_fault, tls_fault
from orchestrator.delivery.pacing import PacedConnector, Turns, allow_many_files
from orchestrator.delivery.resolver import ThreadResolver
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.errors import Unreachable

ANSWER_LIMIT = 64 * 1024 * 1024
_KEEPALIVE_SECONDS = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True)
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
        async with self._response(request) as (response, end):
            async with asyncio.timeout_at(end):
                body = await _read(response)
            return Answer(response.status, response.headers, body)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """Send and hand out the answer's body as it comes, for status 200; else the whole answer and no chunks.

        Raises `Unreachable` when the connection fails, also while the body is read.
        """
        async with self._response(request) as (response, end):
            async with asyncio.timeout_at(end):
                body = b"" if response.status == 200 else await _read(response)
            yield Answer(response.status, response.headers, body), response.content.iter_any()

    @asynccontextmanager
    async def _response(self, request: Request) -> AsyncIterator[tuple[aiohttp.ClientResponse, float]]:
        """The beginning of the answer, and until when, on the loop's clock, one that has an end must be complete."""
        try:
            response, end = await self._open(request)
            try:
                yield response, end
            except BaseException:
                response.close()
                raise
            await response.release()
        except aiohttp.ClientError as error:
            raise client_fault(error) from error
        except TimeoutError as error:
            raise Unreachable("no complete answer in time", code="timeout") from error
        except ssl.SSLError as error:
            raise tls_fault(error) from error
        except OSError as error:
            raise Unreachable("the connection was lost before the answer came", code="connection-lost") from error
        except ValueError as error:
            # The library checks addresses and headers as it sends them; its words may quote a secret.
            raise NotSent("an address or a header cannot be sent", code="address") from error

    async def _open(self, request: Request) -> tuple[aiohttp.ClientResponse, float]:
        await self._turns.turn()
        # A stream has no end, but its beginning must come as soon as any other answer's.
        async with limited(request.timeout or self._timeouts.request) as opening:
            if self._session.closed:
                raise NotSent("the connections to the fleet are closed", code="closed")
            if request.method != "GET":
                check_permission()
            self._opening.add(opening)
            try:
                response = await self._session.request(
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
            return response, cast(float, opening.when())


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
