"""What lies between a request and its first byte: slots, turns, retries, the breaker; against a real HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from orchestrator.core.dispatch import sent_only_while, urgently
from orchestrator.core.fleet import Cluster
from orchestrator.core.ports import Access
from orchestrator.delivery import pacing
from orchestrator.delivery.channel import Call, ClusterChannel, Shared
from orchestrator.delivery.client import KubernetesCluster
from orchestrator.delivery.clock import SystemClock
from orchestrator.delivery.credentials import Credentials
from orchestrator.delivery.entries import Context, Server, User
from orchestrator.delivery.exec_plugin import ExecRunner
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.tls import TlsContexts
from orchestrator.delivery.transport import Transport
from orchestrator.errors import Overloaded, TooLate, Unreachable
from orchestrator.execution import leases
from orchestrator.execution.leases import LeaseLock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def channels(handler: Handler, timeouts: Timeouts | None = None, *, clusters: int = 1) -> AsyncIterator[Any]:
    """Ways to as many clusters, which are all one HTTP server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    context = Context(name="x", file=Path("x"), server=Server(url=f"http://{host}:{port}"), user=User())
    timeouts, clock = timeouts or Timeouts(), SystemClock()
    transport = Transport(timeouts)
    shared = Shared(
        transport=transport,
        tls=TlsContexts(),
        credentials=Credentials(ExecRunner(5, {}), clock),
        timeouts=timeouts,
        clock=clock,
        environ={},
        clusters=clusters,
    )
    try:
        yield [ClusterChannel(lambda: context, shared) for _ in range(clusters)]
    finally:
        await transport.close()
        await runner.cleanup()


def call(method: str, path: str = "/api/v1/x", **more: Any) -> Call:
    return Call(method=method, path=path, access=Access(method.lower(), "", "x"), **more)


def status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": code}, status=code, headers={"Retry-After": "0"})


async def test_a_write_that_is_turned_away_is_repeated_only_while_its_lock_is_fresh() -> None:
    """An API server may turn one user away for a minute, and serve whoever takes the lock over meanwhile."""
    asked = 0
    is_fresh = True

    async def turn_away(request: web.Request) -> web.Response:
        nonlocal asked, is_fresh
        asked += 1
        is_fresh = asked < 2
        return status(429)

    async with channels(turn_away) as (channel,):
        with pytest.raises(TooLate), sent_only_while(lambda: is_fresh):
            await channel.call(call("PATCH", body={}, repeatable=False))
    assert asked == 2


async def test_a_write_that_waits_for_a_slot_is_sent_only_while_its_lock_is_fresh() -> None:
    """Slow answers to reads of the same cluster hold it up; the reads themselves rest on no lock."""
    seen: list[str] = []
    are_all_there, free = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.method)
        if len(seen) == 24:
            are_all_there.set()
        await free.wait()
        return web.json_response({"kind": "X"})

    async with channels(answer) as (channel,):
        is_fresh = True
        with sent_only_while(lambda: is_fresh):
            reads = [asyncio.create_task(channel.call(call("GET"))) for _ in range(30)]
            write = asyncio.create_task(channel.call(call("PATCH", body={})))
            await are_all_there.wait()
            is_fresh = False
            free.set()
            with pytest.raises(TooLate):
                await write
            await asyncio.gather(*reads)
    assert seen == ["GET"] * 30


async def test_a_write_whose_answer_was_lost_before_it_came_too_late_may_have_taken_effect() -> None:
    """Nobody may call it not sent."""
    is_fresh = True

    async def lose(request: web.Request) -> web.Response:
        nonlocal is_fresh
        if request.method != "GET":
            is_fresh = False
        return status(500)

    async def recover() -> None:
        return None

    async with channels(lose) as (channel,):
        unknown = pytest.raises(Overloaded, match="whether the change took effect is not known")
        with unknown, sent_only_while(lambda: is_fresh):
            await channel.call(call("PATCH", body={}), recover)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_a_write_that_was_delivered_is_not_called_unsent_because_it_may_be_repeated_no_more(method: str) -> None:
    """The HTTP library would repeat the first two by itself, over a new connection, and not tell."""
    is_fresh, seen = True, 0

    async def reset(request: web.Request) -> web.Response:
        nonlocal is_fresh, seen
        if request.method == method:
            seen += 1
            is_fresh = False
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"kind": "X"})

    async def recover() -> dict[str, str]:
        return {"kind": "recovered"}

    async with channels(reset) as (channel,):
        await channel.call(call("GET"))
        with sent_only_while(lambda: is_fresh):
            assert await channel.call(call(method, body={}), recover) == {"kind": "recovered"}
    assert seen == 1


async def test_what_is_urgent_waits_for_no_other_request_to_its_cluster() -> None:
    free = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path != "/lock":
            await free.wait()
        return web.json_response({"kind": "X"})

    async with channels(answer) as (channel,):
        reads = [asyncio.create_task(channel.call(call("GET"))) for _ in range(40)]
        await asyncio.sleep(0.1)
        with urgently():
            await asyncio.wait_for(channel.call(call("GET", "/lock")), 30)
        free.set()
        await asyncio.gather(*reads)


async def test_a_failure_is_repeated_however_long_the_request_had_waited_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Time in which the cluster was not asked uses up nothing of what it is given."""
    monkeypatch.setattr(pacing, "_PAUSE", 1.2)
    asked = 0

    async def fail_once(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return status(503) if asked == 1 else web.json_response({"kind": "X"})

    async with channels(fail_once, Timeouts(connect=1, request=1)) as (channel,):
        turns = channel._shared.transport._turns
        while turns._begun < turns._handful:
            await turns.turn()
        assert await channel.call(call("GET")) == {"kind": "X"}
    assert asked == 2


async def test_dry_runs_and_reviews_are_not_too_late_because_of_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent by POST and PATCH, and rest on no lock."""
    monkeypatch.setattr(pacing, "_PAUSE", 0.7)

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"kind": "X"})

    async with channels(answer, Timeouts(connect=0.5, request=0.5), clusters=8) as ways:
        tries = [way.call(call("POST", query=(("dryRun", "All"),), body={})) for way in ways for _ in range(4)]
        assert await asyncio.gather(*tries) == [{"kind": "X"}] * 32


async def test_locks_of_clusters_that_are_well_are_taken_however_much_else_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is waited for among hundreds of other requests is no cluster's fault."""
    monkeypatch.setattr(leases, "ANSWER_SECONDS", 1.0)
    made = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal made
        if request.method == "GET":
            return web.json_response({"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "u"}})
        made += 1
        lease = await request.json()
        lease["metadata"] |= {"uid": "u", "resourceVersion": str(made)}
        return web.json_response(lease)

    async with channels(answer, clusters=80) as ways:
        writers = [KubernetesCluster(Cluster(name=f"c{n}", region="here"), way) for n, way in enumerate(ways)]
        await asyncio.gather(*(writer.identify() for writer in writers))
        monkeypatch.setattr(pacing, "_PAUSE", 0.3)
        reads = [asyncio.create_task(way.call(call("GET"))) for way in ways]
        locks = [LeaseLock(writer, "fable", "us", writer._channel.clock) for writer in writers]
        assert await asyncio.gather(*(lock.take() for lock in locks)) == [None] * len(locks)
        await asyncio.gather(*reads)
    assert made == len(locks)


async def test_a_granted_watch_says_that_the_cluster_answers_again() -> None:
    is_up = False

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_up:
            assert request.transport is not None
            request.transport.abort()
        if "watch" not in request.query:
            return web.json_response({"kind": "X"})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"BOOKMARK"}\n')
        return response

    async with channels(answer, Timeouts(connect=0.2, request=0.2, rest=0.5)) as (channel,):
        for _ in range(2):
            with pytest.raises(Unreachable):
                await channel.call(call("POST", body={}, repeatable=False))
        is_up = True
        await asyncio.sleep(0.6)
        async with channel.stream(call("GET", query=(("watch", "true"),))) as chunks:
            assert await anext(chunks)
            assert await channel.call(call("GET")) == {"kind": "X"}
