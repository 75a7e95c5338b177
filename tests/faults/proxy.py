"""A TLS proxy in front of a real API server, in a thread of its own, that fails as it is told.

What is not made to fail goes through with the proxy's own client certificate, over kept connections on both sides, and
watches as they come. A `Mutate` decides for each request; it may be changed at any time.
"""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from tests.faults.certificates import Pair
from tests.faults.server import Behaviour, Connection, Seen, serving

T = TypeVar("T")
Mutate = Callable[[Seen], Behaviour | None]
"""What to do with a request instead of passing it on; None to pass it on."""

_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"})
_OURS = _HOP_BY_HOP | {"host", "authorization"}


def is_watch(seen: Seen) -> bool:
    """Whether a request opens a watch."""
    return seen.query.get("watch") == "true"


def is_review(seen: Seen) -> bool:
    """Whether a request asks who somebody is, or what is permitted: it is created, but never kept."""
    return seen.path.startswith(_REVIEWS)


def is_write(seen: Seen) -> bool:
    """Whether a request would change something: no dry-run, and no review."""
    return seen.method != "GET" and "dryRun" not in seen.query and not is_review(seen)


@dataclass(frozen=True)
class Whole:
    """A complete answer of the API server."""

    status: int
    headers: dict[str, str]
    """Without those that speak of one connection only."""
    body: bytes

    def head(self, *more: str) -> bytes:
        """The status line and the headers, with further ones."""
        lines = [f"HTTP/1.1 {self.status} Something", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")

    @property
    def data(self) -> bytes:
        """As it goes over the wire."""
        return self.head(f"Content-Length: {len(self.body)}") + self.body


class ApiServer:
    """The real API server behind the proxy."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def answer(self, seen: Seen) -> Whole:
        """Its whole answer to a request."""
        async with self._request(seen) as answer:
            return Whole(answer.status, _end_to_end(answer), await answer.read())

    async def pass_on(self, seen: Seen, connection: Connection) -> None:
        """Answer as it does, and when it does."""
        async with self._request(seen) as answer:
            head = Whole(answer.status, _end_to_end(answer), b"")
            length = answer.headers.get("Content-Length")
            if length is not None:
                await connection.send(head.head(f"Content-Length: {length}"))
                async for chunk in answer.content.iter_any():
                    await connection.send(chunk)
                return
            await connection.send(head.head("Transfer-Encoding: chunked"))
            async for chunk in answer.content.iter_any():
                await connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await connection.send(b"0\r\n\r\n")

    def _request(self, seen: Seen) -> Any:
        headers = {name: value for name, value in seen.headers.items() if name not in _OURS}
        url = URL(self._url + seen.target, encoded=True)
        return self._session.request(seen.method, url, headers=headers, data=seen.body or None, allow_redirects=False)


def _end_to_end(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}


class FaultProxy:
    """The proxy as its test sees it."""

    def __init__(self, api_server: ApiServer) -> None:
        self.api_server = api_server
        self.port = 0
        self.requests: list[Seen] = []
        """What it was asked since it was last told what to do."""
        self._mutate: Mutate = _nothing

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def do(self, mutate: Mutate | None) -> None:
        """From now on do this; None to pass everything on."""
        self._mutate, self.requests = mutate or _nothing, []

    async def behave(self, seen: Seen, connection: Connection) -> None:
        """Whatever it was told to do with a request."""
        self.requests.append(seen)
        try:
            await (self._mutate(seen) or self.api_server.pass_on)(seen, connection)
        except aiohttp.ClientError:
            connection.reset()


def _nothing(seen: Seen) -> Behaviour | None:
    return None


@dataclass(frozen=True)
class Upstream:
    """How to reach an API server: out of a kubeconfig's `cluster` and `user`."""

    url: str
    tls: ssl.SSLContext

    @classmethod
    def of(cls, cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> Upstream:
        """With the client certificate of that user, which everybody who asks the proxy is then served with."""
        tls = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority").decode())
        pair = folder / "client.pem"
        pair.write_bytes(_pem(user, "client-certificate") + b"\n" + _pem(user, "client-key"))
        pair.chmod(0o600)
        tls.load_cert_chain(pair)
        return cls(cluster["server"], tls)


def _pem(part: dict[str, Any], name: str) -> bytes:
    if data := part.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(part[name]).read_bytes()


class ProxyThread:
    """An event loop of its own for proxies, so that tests which wait for a command do not stop them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxies", daemon=True)
        self._thread.start()

    @contextmanager
    def proxy(self, upstream: Upstream, certificate: Pair, folder: Path) -> Iterator[FaultProxy]:
        """A proxy that presents this certificate."""
        ready: concurrent.futures.Future[FaultProxy] = concurrent.futures.Future()
        over = asyncio.Event()
        tls = certificate.server_context(folder)
        running = self._start(_run_proxy(upstream, tls, ready, over))
        try:
            yield ready.result(timeout=30)
        finally:
            self._loop.call_soon_threadsafe(over.set)
            running.result(timeout=30)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _run_proxy(
    upstream: Upstream, tls: ssl.SSLContext, ready: concurrent.futures.Future[FaultProxy], over: asyncio.Event
) -> None:
    connector = aiohttp.TCPConnector(ssl=upstream.tls, limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=("Content-Type", "User-Agent")
    ) as session:
        proxy = FaultProxy(ApiServer(upstream.url, session))
        async with serving(proxy.behave, tls) as server:
            proxy.port = server.port
            ready.set_result(proxy)
            await over.wait()
