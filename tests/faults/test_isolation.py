"""A slow or dead cluster costs the others nothing, and itself no more than it must."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest

from orchestrator.delivery import FleetConnection, Timeouts
from orchestrator.errors import ClusterError, Overloaded, Unreachable
from tests.faults.behaviours import KUBE_SYSTEM, UID, Script, hang, reply, reset, slowly, status
from tests.faults.conftest import QUICK, Serve
from tests.faults.fleets import Connect
from tests.faults.test_connecting import closed_port

VERSION = reply(200, {"gitVersion": "v1.37.2"})


def script_of(*behaviours: Any) -> Script:
    script = Script()
    script.on("GET", "/version", *behaviours)
    return script


async def versions(connection: FleetConnection, *names: str) -> float:
    """How long it takes to ask these clusters ten times each, at once."""
    began = time.monotonic()
    for _ in range(10):
        await asyncio.gather(*(connection.writer(name).version() for name in names))
    return time.monotonic() - began


async def test_three_of_ten_in_a_black_hole(serve: Serve, connect_to: Connect) -> None:
    """While three clusters hang, the other seven take no longer than before."""
    patient = Timeouts(connect=60, request=60)
    with ExitStack() as stack:
        holes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
        async with serve(script_of(slowly(0.05, VERSION))) as server:
            async with connect_to(*[server.port] * 7, *holes, timeouts=patient) as connection:
                healthy = [f"c{number}" for number in range(7)]
                await versions(connection, *healthy)
                undisturbed = min([await versions(connection, *healthy) for _ in range(5)])
                dead = [asyncio.create_task(connection.writer(f"c{number}").version()) for number in (7, 8, 9)]
                await asyncio.sleep(0.1)
                disturbed = min([await versions(connection, *healthy) for _ in range(5)])
                assert not any(task.done() for task in dead)
            outcomes = await asyncio.gather(*dead, return_exceptions=True)
    assert all(isinstance(outcome, Unreachable) for outcome in outcomes)
    assert disturbed < 1.2 * undisturbed + 0.5


async def test_dead_name_servers(serve: Serve, connect_to: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty lookups that hang delay neither a lookup that works nor the end."""
    real = socket.getaddrinfo

    def lookup(host: Any, *rest: Any, **more: Any) -> Any:
        # Only a dead name server makes the C library hang, and a test cannot have one.
        if str(host).endswith(".dead.example"):
            time.sleep(12)
        return real("localhost" if host == "alive.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    async with serve(script_of(VERSION)) as server:
        servers = [{"server": f"https://c{number}.dead.example:1"} for number in range(30)]
        alive = {"server": f"https://alive.example:{server.port}", "tls-server-name": "localhost"}
        began = time.monotonic()
        async with connect_to(*[1] * 31, servers=[*servers, alive], timeouts=Timeouts(connect=3)) as connection:
            dead = [asyncio.create_task(connection.writer(f"c{number}").version()) for number in range(30)]
            await asyncio.sleep(0.1)
            assert await connection.writer("c30").version() == "v1.37.2"
            assert not any(task.done() for task in dead)
            for outcome in await asyncio.gather(*dead, return_exceptions=True):
                assert isinstance(outcome, Unreachable)
                assert outcome.code == "dns"
        assert time.monotonic() - began < 11


async def test_dead_cluster_fails_fast_after_a_while(connect_to: Connect) -> None:
    """After two calls that failed in all their attempts, the next ones are told at once, with the same reason."""
    async with connect_to(closed_port(), timeouts=Timeouts(connect=0.5, rest=60)) as connection:
        writer = connection.writer("c0")
        for _ in range(2):
            with pytest.raises(Unreachable):
                await writer.version()
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(Unreachable) as caught:
                await writer.version()
        assert time.monotonic() - began < 3
    assert caught.value.code == "connection-refused"


async def test_recovering_cluster_is_used_again(serve: Serve, connect_to: Connect) -> None:
    """When it answers again, it is asked again as soon as its rest is over."""
    script = script_of(VERSION)
    script.on("GET", KUBE_SYSTEM, reset)
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        for _ in range(3):
            with pytest.raises(Unreachable):
                await writer.version()
        script.on(
            "GET", KUBE_SYSTEM, reply(200, {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": UID}})
        )
        await asyncio.sleep(QUICK.rest + 0.1)
        assert await asyncio.gather(*(writer.version() for _ in range(5))) == ["v1.37.2"] * 5


async def test_restarting_api_server_is_waited_for(serve: Serve, connect_to: Connect) -> None:
    """A cluster that answered before is asked again for as long as a request may take."""
    script = script_of(VERSION)
    async with serve(script) as server, connect_to(server.port, timeouts=Timeouts()) as connection:
        writer = connection.writer("c0")
        await writer.version()
        script.on("GET", "/version", reset, reset, reset, reset, VERSION)
        assert await writer.version() == "v1.37.2"


async def test_cluster_that_turns_us_away_from_the_start(serve: Serve, connect_to: Connect) -> None:
    """429 to the very first requests is waited for as long as for an answer: a plan waits for every cluster's first."""
    script = script_of(VERSION)
    script.on("GET", KUBE_SYSTEM, status(429, headers={"Retry-After": "1"}))
    began = time.monotonic()
    patient = Timeouts(connect=1, request=2, patience=60)
    async with serve(script) as server, connect_to(server.port, timeouts=patient) as connection:
        for _ in range(2):
            with pytest.raises(Overloaded):
                await connection.writer("c0").version()
    assert time.monotonic() - began < 30


async def test_everything_ends_with_the_connection(serve: Serve, connect_to: Connect) -> None:
    """Leaving in the middle of calls closes every socket and ends every call."""
    async with serve(script_of(hang)) as server:
        async with connect_to(server.port) as connection:
            calls = [asyncio.create_task(connection.writer("c0").version()) for _ in range(5)]
            await asyncio.sleep(0.2)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, ClusterError) for outcome in outcomes)
        async with asyncio.timeout(3):
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_no_leak_over_many_connections(serve: Serve, connect_to: Connect) -> None:
    """Forty connections to a fleet, one after the other, leave no task and no socket."""
    async with serve(script_of(VERSION)) as server:
        before = len(asyncio.all_tasks())
        for _ in range(40):
            async with connect_to(server.port) as connection:
                await connection.writer("c0").version()
        async with asyncio.timeout(3):
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) <= before
