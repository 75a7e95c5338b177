"""What a `FaultServer` may do with a request: answer as an API server does, or fail in every way that servers fail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from tests.faults.server import Behaviour, Connection, Seen

UID = "11111111-2222-3333-4444-555555555555"
KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


def reply(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A complete answer; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    async def behave(seen: Seen, connection: Connection) -> None:
        await connection.send(f"HTTP/1.1 {status} Something\r\n{head}\r\n".encode() + content)

    return behave


def status(code: int, message: str = "no", reason: str = "", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A Kubernetes Status."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return reply(code, body, headers)


def raw(data: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await connection.send(data)
        connection.close()

    return behave


async def reset(seen: Seen, connection: Connection) -> None:
    """Break off instead of answering."""
    connection.reset()


async def hang(seen: Seen, connection: Connection) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def truncated(body: Any) -> Behaviour:
    """Promise the whole body, send half of it, and end."""
    content = orjson.dumps(body)
    return raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content[: len(content) // 2])


def trickle(body: Any, pause: float) -> Behaviour:
    """A good answer, one byte at a time."""
    content = orjson.dumps(body)

    async def behave(seen: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content))
        for byte in content:
            await connection.send(bytes([byte]))
            await asyncio.sleep(pause)

    return behave


def slowly(seconds: float, then: Behaviour) -> Behaviour:
    """The same, later."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await asyncio.sleep(seconds)
        await then(seen, connection)

    return behave


def watch(*events: Any, then: Behaviour | None = None) -> Behaviour:
    """A watch: chunked, one event per line, then a clean end, or whatever comes `then`. Bytes are sent as they are."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for event in events:
            line = event if isinstance(event, bytes) else orjson.dumps(event) + b"\n"
            await connection.send(b"%x\r\n%b\r\n" % (len(line), line))
        if then is None:
            await connection.send(b"0\r\n\r\n")
        else:
            await then(seen, connection)

    return behave


async def dribble(seen: Seen, connection: Connection) -> None:
    """Go on with a chunked answer without ever ending a line."""
    while True:
        await connection.send(b"1\r\n \r\n")
        await asyncio.sleep(0.1)


class Script:
    """Answers per method and path, each list in order, its last entry for ever after; 404 for anything else.

    The identity is answered from the start. A watch is found under the method `WATCH`.
    """

    def __init__(self, uid: str = UID) -> None:
        self._routes: dict[tuple[str, str], list[Behaviour]] = {}
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": uid}}
        self.on("GET", KUBE_SYSTEM, reply(200, namespace))

    def on(self, method: str, path: str, *behaviours: Behaviour) -> None:
        """What comes for a method and path."""
        self._routes[method, path] = list(behaviours)

    async def __call__(self, seen: Seen, connection: Connection) -> None:
        method = "WATCH" if seen.query.get("watch") == "true" else seen.method
        behaviours = self._routes.get((method, seen.path)) or [status(404, "not scripted", "NotFound")]
        behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
        await behaviour(seen, connection)


@dataclass(frozen=True)
class Upstream:
    """A real server, to which requests are passed on."""

    host: str
    port: int
    tls: ssl.SSLContext

    async def stream(self, seen: Seen) -> AsyncGenerator[bytes, None]:
        """Its answer to a request, as it comes."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        try:
            head, _, body = seen.raw.partition(b"\r\n\r\n")
            dropped = (b"connection:", b"authorization:")
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(dropped)]
            writer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            await writer.drain()
            while chunk := await reader.read(65536):
                yield chunk
        finally:
            writer.close()

    async def answer(self, seen: Seen) -> bytes:
        """Its whole answer to a request."""
        return b"".join([chunk async for chunk in self.stream(seen)])

    async def pass_on(self, seen: Seen, connection: Connection) -> None:
        """Behave as it does."""
        async with aclosing(self.stream(seen)) as chunks:
            async for chunk in chunks:
                await connection.send(chunk)
        connection.close()


def relay(upstream: Upstream, mutate: Callable[[Seen], Behaviour | None]) -> Behaviour:
    """Pass every request on to a real server and its answer back, unless `mutate` has something else for it."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await (mutate(seen) or upstream.pass_on)(seen, connection)

    return behave


def pod(name: str, version: int) -> dict[str, Any]:
    """A pod, as small as can be."""
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def pod_list(version: int, names: Iterable[str] = (), token: str = "") -> dict[str, Any]:
    """A list of pods."""
    items = [{key: value for key, value in pod(name, 1).items() if key == "metadata"} for name in names]
    metadata = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}


def event(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    """One event of a watch."""
    return {"type": kind, "object": obj}
