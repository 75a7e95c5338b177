"""A TLS server on loopback that answers as it is told, and misbehaves below HTTP as no library's server can.

Real sockets, real TLS. What to do for each request is a `Behaviour`; the usual ones are in `behaviours.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import orjson


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    raw: bytes = field(repr=False)
    """Head and body, as they came."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> dict[str, object]:
        parsed = orjson.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


class Connection:
    """One client's connection, for a behaviour to write to or to break."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._gone = asyncio.ensure_future(self._until_closed())
        self.is_open = True

    async def send(self, data: bytes) -> None:
        """Send now; ConnectionResetError when the client is gone."""
        # asyncio takes data for a closed TLS connection without a word and without a pause.
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)

    async def until_gone(self) -> None:
        """Wait for the client to hang up."""
        await asyncio.shield(self._gone)

    async def _until_closed(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()

    def close(self) -> None:
        """End in good order, after what was sent."""
        self.is_open = False

    def reset(self) -> None:
        """Break off: the peer gets a TCP reset."""
        self.is_open = False
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Seen, Connection], Awaitable[None]]


class FaultServer:
    """Serves one behaviour, and remembers what it was asked."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[Seen] = []
        self.connections = 0
        """How many are open now."""
        self.opened = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def asked(self, method: str, path: str) -> list[Seen]:
        """The requests of this method and path, in order."""
        return [seen for seen in self.requests if (seen.method, seen.path) == (method, path)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.opened += 1
        connection = Connection(writer)
        try:
            while connection.is_open and (seen := await read_request(reader)):
                self.requests.append(seen)
                await _answer_while_connected(self.behaviour(seen, connection), connection)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def end(self) -> None:
        """End every behaviour that still runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _answer_while_connected(answering: Awaitable[None], connection: Connection) -> None:
    """Stop an answer without end when the client hangs up, as a server would."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(connection.until_gone())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            await answer
        else:
            connection.is_open = False
    finally:
        for task in (answer, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task


async def read_request(reader: asyncio.StreamReader) -> Seen | None:
    """The next request; None when the client hangs up between requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body, head + body)


@asynccontextmanager
async def serving(
    behaviour: Behaviour, tls: ssl.SSLContext | None, host: str = "127.0.0.1"
) -> AsyncIterator[FaultServer]:
    """Serve on a free port of the loopback."""
    fault_server = FaultServer(behaviour)
    server = await asyncio.start_server(fault_server.serve, host, 0, ssl=tls, limit=16 * 1024 * 1024)
    fault_server.port = server.sockets[0].getsockname()[1]
    try:
        yield fault_server
    finally:
        server.close()
        await fault_server.end()
