"""Credential plugins in front of a server: refreshed once, and never replaced by an anonymous request."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Unauthenticated, Unreachable
from tests.faults.behaviours import KUBE_SYSTEM, UID, Script, reply, status
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect
from tests.faults.server import Connection, Seen

V1 = "client.authentication.k8s.io/v1"
NAMESPACE = reply(200, {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": UID}})


def plugin(tmp_path: Path, body: str) -> dict[str, Any]:
    """A user whose credential plugin is this shell script."""
    path = tmp_path / "login"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"exec": {"apiVersion": V1, "command": "./login", "interactiveMode": "Never"}}


def counting(tmp_path: Path) -> str:
    """Prints token-1, token-2, … and so tells how often it was run."""
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "token-N"}})
    return (
        f"echo >> {tmp_path}/runs\nN=$(wc -l < {tmp_path}/runs | tr -d ' ')\necho '{answer}' | sed s/token-N/token-$N/"
    )


async def only_second(seen: Seen, connection: Connection) -> None:
    """Know `token-2` alone."""
    known = seen.headers.get("authorization") == "Bearer token-2"
    await (NAMESPACE if known else status(401, "Unauthorized"))(seen, connection)


async def test_refused_token_is_renewed_once(serve: Serve, connect_to: Connect, tmp_path: Path) -> None:
    """401 makes the plugin run once more, and the request goes out again."""
    script = Script()
    script.on("GET", KUBE_SYSTEM, only_second)
    user = plugin(tmp_path, counting(tmp_path))
    async with serve(script) as server, connect_to(server.port, server.port, user=user) as connection:
        await asyncio.gather(*(connection.writer(name).identify() for name in ("c0", "c1")))
        tokens = [seen.headers["authorization"] for seen in server.requests]
    assert sorted(set(tokens)) == ["Bearer token-1", "Bearer token-2"]
    assert (tmp_path / "runs").read_text().count("\n") == 2


async def test_token_that_stays_refused(serve: Serve, connect_to: Connect, tmp_path: Path) -> None:
    """When the new token is refused as well, that is the cluster's error, after two requests."""
    script = Script()
    script.on("GET", KUBE_SYSTEM, status(401, "Unauthorized"))
    user = plugin(tmp_path, counting(tmp_path))
    async with serve(script) as server, connect_to(server.port, user=user) as connection:
        with pytest.raises(Unauthenticated):
            await connection.writer("c0").identify()
        assert len(server.requests) == 2


@pytest.mark.parametrize("body", ["exit 1", "exec sleep 1000", "echo nonsense", "echo '{}'"])
async def test_failing_plugin_sends_nothing(serve: Serve, connect_to: Connect, tmp_path: Path, body: str) -> None:
    """A plugin that fails, hangs or lies means no request at all, and an end in time; calls that wait share it."""
    user = plugin(tmp_path, body)
    began = time.monotonic()
    async with serve(Script()) as server, connect_to(server.port, user=user) as connection:
        calls = [connection.writer("c0").version() for _ in range(5)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes)
        assert server.opened == 0
    assert time.monotonic() - began < 9


async def test_impersonation_goes_with_every_request(serve: Serve, connect_to: Connect) -> None:
    """The headers of `as` and its groups arrive, also on watches and writes."""
    user = {"token": "t", "as": "jane", "as-groups": ["a"]}
    async with serve(Script()) as server, connect_to(server.port, user=user) as connection:
        await connection.writer("c0").identify()
        headers = server.requests[0].headers
    assert (headers["impersonate-user"], headers["impersonate-group"]) == ("jane", "a")


async def test_proxy_of_the_kubeconfig(serve: Serve, connect_to: Connect) -> None:
    """A proxy gets CONNECT with its password, and never sees our token."""
    heads: list[bytes] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        target = heads[-1].split(b" ")[1].decode()
        there_reader, there_writer = await asyncio.open_connection(*target.split(":"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    address = f"http://user:pa55@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy, serve(Script()) as server:
        async with connect_to(server.port, server={"proxy-url": address}) as connection:
            assert (await connection.writer("c0").identify()).uid == UID
        await asyncio.sleep(0.1)
    assert heads[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"proxy-authorization: basic dxnlcjpwytu1" in heads[0].lower()
    assert b"t0ken" not in heads[0]


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


async def test_proxy_that_refuses(serve: Serve, connect_to: Connect) -> None:
    """A proxy that does not connect us is named as the cause, without its password."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = f"http://user:pa55@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy, serve(Script()) as server, connect_to(server.port, server={"proxy-url": address}) as connection:
        with pytest.raises(Unreachable) as caught:
            await connection.writer("c0").identify()
    assert caught.value.code == "proxy"
    assert "pa55" not in str(caught.value)
