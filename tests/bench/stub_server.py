"""Serves stub clusters over TLS, each on a port of its own with a certificate of its own, in a process of its own.

    python tests/bench/stub_server.py SPEC.json

SPEC.json says how many, in which state, how slowly they answer and which of them never do. On stdout comes one JSON
line when all of them listen, and after each line on stdin what they were asked so far. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import socket
import ssl
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.stubs import FIRST_WRITES, Recorded, StubCluster, Watch, parse

RECORDED = Path(__file__).with_name("recorded") / "answers.json"
_REASONS = {200: "OK", 201: "Created", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity"}


@dataclass(frozen=True, slots=True)
class Spec:
    """What to serve."""

    clusters: int
    is_enabled: bool = True
    """Whether the model runs at first."""
    seconds: float = 1.0
    """After how long pods end, or become ready."""
    delay: float = 0.0
    """Seconds added to every answer, as by a long way."""
    silent: int = 0
    """How many of them, the last ones, take connections and never answer."""


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, or a watch."""

    def __init__(self, cluster: StubCluster, delay: float) -> None:
        self._cluster, self._delay = cluster, delay
        self._received = b""
        self._transport: Any = None
        self._watch: Watch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._watch is not None:
            self._cluster.unwatch(self._watch)
            self._watch = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, *lines = self._received[:end].decode("latin-1").split("\r\n")
            fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(fields.get("content-length", 0))
            whole = end + 4 + length
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            method, target, _ = head.split(" ", 2)
            if self._delay:
                loop = asyncio.get_running_loop()
                loop.call_later(self._delay, self._answer, method, target, body, fields.get("content-type", ""))
            else:
                self._answer(method, target, body, fields.get("content-type", ""))

    def _answer(self, method: str, target: str, body: bytes, type_: str) -> None:
        if self._transport.is_closing():
            return
        asked = parse(method, target, body, type_)
        if asked.query.get("watch") == "true":
            self._write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            self._cluster.requests += 1
            self._watch = self._cluster.watch(asked, self._send_event)
            return
        status, answer = self._cluster.answer(asked)
        is_text = isinstance(answer, str)
        content = answer.encode() if is_text else orjson.dumps(answer)
        kind = "text/plain; charset=utf-8" if is_text else "application/json"
        head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Something')}\r\nContent-Type: {kind}\r\n"
        self._write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    def _send_event(self, event: dict[str, Any]) -> None:
        line = orjson.dumps(event) + b"\n"
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay / 2, self._write, b"%x\r\n%b\r\n" % (len(line), line))
        else:
            self._write(b"%x\r\n%b\r\n" % (len(line), line))

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


def certificate() -> tuple[bytes, bytes]:
    """One that vouches for itself, and its key; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30)).add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


async def serve(spec: Spec) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    recorded = Recorded.read(RECORDED.read_bytes())
    clusters, places, kept = [], [], []
    with tempfile.TemporaryDirectory(prefix="stubs-") as folder:
        for number in range(spec.clusters):
            cluster = StubCluster(recorded, str(uuid.uuid4()), is_enabled=spec.is_enabled, seconds=spec.seconds)
            trusted, key = certificate()
            listening = socket.create_server(("127.0.0.1", 0), backlog=128)
            if number < spec.clusters - spec.silent:
                tls = _tls(folder, trusted, key)
                kept.append(await loop.create_server(_protocol(cluster, spec), sock=listening, ssl=tls))
            else:
                kept.append(listening)  # it is never accepted from
            clusters.append(cluster)
            places.append({"port": listening.getsockname()[1], "uid": cluster.uid, "authority": trusted.decode()})
        _say({"clusters": places})
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.readline():
            _say(_seen(clusters))


def _seen(clusters: list[StubCluster]) -> dict[str, Any]:
    """What they were asked, when it began, and when the last of the first writes was answered; in seconds."""
    begun = [one.began for one in clusters if one.began is not None]
    written = [at for one in clusters for at, _ in one.first_writes.values()]
    return {
        "requests": sum(one.requests for one in clusters),
        "writes": sum(one.writes for one in clusters),
        "written": sum(len(one.first_writes) == len(FIRST_WRITES) for one in clusters),
        "seconds": max(written) - min(begun) if begun and written else None,
        "bodies": {name: body for name, (_, body) in clusters[0].first_writes.items()},
    }


def _protocol(cluster: StubCluster, spec: Spec) -> Callable[[], Connection]:
    return lambda: Connection(cluster, spec.delay)


def _tls(folder: str, trusted: bytes, key: bytes) -> ssl.SSLContext:
    file = Path(folder) / "pair.pem"
    file.write_bytes(key + trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve(Spec(**json.loads(Path(sys.argv[1]).read_bytes()))))
