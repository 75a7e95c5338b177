"""Faults before a request leaves: each has its own code, in time, and nothing was sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.delivery import FleetConnection
from orchestrator.errors import Unauthenticated, Unreachable
from tests.faults.behaviours import Script
from tests.faults.certificates import Authority
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect
from tests.faults.server import serving


async def failure(connection: FleetConnection, cluster: str = "c0") -> Unreachable:
    """How the identity of a cluster cannot be had."""
    with pytest.raises(Unreachable) as caught:
        await connection.writer(cluster).identify()
    return caught.value


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def test_refused_connection(connect_to: Connect) -> None:
    """A port where nobody listens is `connection-refused`, soon."""
    began = time.monotonic()
    async with connect_to(closed_port()) as connection:
        error = await failure(connection)
    assert error.code == "connection-refused"
    assert time.monotonic() - began < 4


async def test_black_hole(connect_to: Connect) -> None:
    """A server that accepts and then says nothing costs the connect time-out, not the system's minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        async with connect_to(listener.getsockname()[1]) as connection:
            error = await failure(connection)
    assert error.code == "timeout"
    assert time.monotonic() - began < 5


async def test_unknown_name(connect_to: Connect) -> None:
    """A name that does not exist is `dns`, and is named."""
    server = {"server": "https://no-such-host.invalid:6443"}
    async with connect_to(1, server=server) as connection:
        error = await failure(connection)
    assert error.code == "dns"
    assert "no-such-host.invalid" in error.message


async def test_unknown_authority(connect_to: Connect, tmp_path: Path) -> None:
    """A certificate of somebody else's authority is refused, with the cause."""
    context = Authority("somebody else").issue("127.0.0.1").server_context(tmp_path)
    async with serving(Script(), context) as server, connect_to(server.port) as connection:
        error = await failure(connection)
        assert server.requests == []
    assert error.code == "certificate"
    assert "unknown authority" in error.message


async def test_expired_certificate(connect_to: Connect, authority: Authority, tmp_path: Path) -> None:
    """An expired certificate is refused, with the cause."""
    context = authority.issue("127.0.0.1", days=-1).server_context(tmp_path)
    async with serving(Script(), context) as server, connect_to(server.port) as connection:
        error = await failure(connection)
    assert (error.code, "has expired" in error.message) == ("certificate", True)


@pytest.mark.parametrize("name", ["10.0.0.1", "elsewhere.example"])
async def test_certificate_for_another_name(
    connect_to: Connect, authority: Authority, tmp_path: Path, name: str
) -> None:
    """A certificate for another host or address is refused, with the cause."""
    context = authority.issue(name).server_context(tmp_path)
    async with serving(Script(), context) as server, connect_to(server.port) as connection:
        error = await failure(connection)
    assert (error.code, "another name" in error.message) == ("certificate", True)


async def test_tls_server_name(connect_to: Connect, authority: Authority, tmp_path: Path) -> None:
    """With tls-server-name the certificate must be for that name, whatever the address."""
    context = authority.issue("kubernetes.example").server_context(tmp_path)
    async with serving(Script(), context) as server:
        async with connect_to(server.port, server={"tls-server-name": "kubernetes.example"}) as connection:
            assert (await connection.writer("c0").identify()).uid
        async with connect_to(server.port, server={"tls-server-name": "other.example"}) as connection:
            assert (await failure(connection)).code == "certificate"


async def test_no_tls_at_all(connect_to: Connect) -> None:
    """A server that speaks plain HTTP where TLS is due is `tls`."""

    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server, or so.\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    async with server, connect_to(server.sockets[0].getsockname()[1]) as connection:
        error = await failure(connection)
    assert error.code == "tls"


async def test_client_certificate_refused(connect_to: Connect, authority: Authority, tmp_path: Path) -> None:
    """A server that demands a certificate we do not have does not know us."""
    context = authority.issue("127.0.0.1").server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem.decode())

    # asyncio's server hangs up without the TLS alert that real servers send first; a blocking socket sends it.
    def refuse(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                with accepted.dup() as connection, suppress(OSError):
                    try:
                        context.wrap_socket(accepted, server_side=True).close()
                    finally:
                        # Closing with the client's request unread would reset the connection, alert and all.
                        while connection.recv(65536):
                            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        async with connect_to(listener.getsockname()[1]) as connection:
            error = await failure(connection)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert isinstance(error, Unauthenticated)
    assert "certificate" in error.message


async def test_bad_context_is_its_own_error(connect_to: Connect, serve: Serve) -> None:
    """A context that the kubeconfig does not have harms no other cluster."""
    async with serve(Script()) as server, connect_to(server.port, absent=("lost",)) as connection:
        bad, good = await asyncio.gather(failure(connection, "lost"), connection.writer("c0").identify())
    assert (bad.code, "'lost'" in bad.message) == ("context", True)
    assert good.uid
