"""Watches that break: nothing is missed, nothing hammers the server, nothing is left open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import orjson
import pytest

from orchestrator.core.objects import Resource
from orchestrator.core.ports import Change, ChangeType
from orchestrator.delivery import FleetConnection, Timeouts
from orchestrator.errors import Forbidden, Gone, NotFound, Overloaded, Unauthenticated, Unreachable
from tests.faults.behaviours import Script, dribble, event, hang, pod, pod_list, raw, reply, reset, status, watch
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect
from tests.faults.server import FaultServer

PODS = Resource("", "v1", "pods", "Pod")
PATH = "/api/v1/pods"
ADDED, MODIFIED, DELETED, LISTED = ChangeType.ADDED, ChangeType.MODIFIED, ChangeType.DELETED, ChangeType.LISTED


def follow(connection: FleetConnection) -> AsyncGenerator[Change, None]:
    return connection.writer("c0").follow(PODS, labels="app=x")


async def take(changes: AsyncGenerator[Change, None], count: int, seconds: float = 10) -> list[Change]:
    """The first changes; the watch is closed after them."""
    taken = []
    async with asyncio.timeout(seconds), aclosing(changes):
        async for change in changes:
            taken.append(change)
            if len(taken) == count:
                break
    return taken


def told(changes: list[Change]) -> list[tuple[ChangeType, Any]]:
    return [
        (
            change.type,
            change.object["metadata"]["name"] if change.object else [i["metadata"]["name"] for i in change.items],
        )
        for change in changes
    ]


def watches(server: FaultServer) -> list[dict[str, str]]:
    return [seen.query for seen in server.requests if seen.query.get("watch") == "true"]


def lists(server: FaultServer) -> int:
    return sum(1 for seen in server.asked("GET", PATH) if "watch" not in seen.query)


def script_of(*behaviours: Any, names: tuple[str, ...] = ("a",)) -> Script:
    script = Script()
    script.on("GET", PATH, reply(200, pod_list(5, names)))
    script.on("WATCH", PATH, *behaviours)
    return script


async def closed(server: FaultServer) -> None:
    """Wait until no connection is open."""
    async with asyncio.timeout(3):
        while server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_list_then_events(serve: Serve, connect_to: Connect) -> None:
    """First the list, then each event; the watch starts at the list's version, with bookmarks and a time-out."""
    events = [event("ADDED", pod("b", 6)), event("MODIFIED", pod("b", 7)), event("DELETED", pod("a", 8))]
    async with serve(script_of(watch(*events, then=hang))) as server, connect_to(server.port) as connection:
        changes = await take(follow(connection), 4)
        query = watches(server)[0]
    assert told(changes) == [(LISTED, ["a"]), (ADDED, "b"), (MODIFIED, "b"), (DELETED, "a")]
    assert (query["resourceVersion"], query["allowWatchBookmarks"], query["labelSelector"]) == ("5", "true", "app=x")
    assert 240 <= int(query["timeoutSeconds"]) <= 290


async def test_lines_cut_anywhere(serve: Serve, connect_to: Connect) -> None:
    """Events come whole, however the network cuts them, and however long they are."""
    long = pod("b", 6)
    long["metadata"]["annotations"] = {"note": "x" * 5_000_000}

    data = b"".join(orjson.dumps(event("ADDED", obj)) + b"\n" for obj in (long, pod("c", 7)))
    pieces = [data[start : start + 777_777] for start in range(0, len(data), 777_777)]
    async with serve(script_of(watch(*pieces, then=hang))) as server, connect_to(server.port) as connection:
        changes = await take(follow(connection), 3)
    assert told(changes)[1:] == [(ADDED, "b"), (ADDED, "c")]


async def test_resumes_where_it_was_cut(serve: Serve, connect_to: Connect) -> None:
    """After a clean end, and after a reset in the middle of a line, it goes on from the last version told."""
    bookmark = event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "9"}})
    script = script_of(
        watch(event("ADDED", pod("b", 6)), bookmark),
        watch(event("ADDED", pod("c", 10)), b'{"type":"ADD', then=reset),
        watch(event("ADDED", pod("d", 11)), then=hang),
    )
    async with serve(script) as server, connect_to(server.port) as connection:
        changes = await take(follow(connection), 4)
        assert [query["resourceVersion"] for query in watches(server)] == ["5", "9", "10"]
        assert lists(server) == 1
    assert told(changes)[1:] == [(ADDED, "b"), (ADDED, "c"), (ADDED, "d")]


@pytest.mark.parametrize(
    "expired",
    [
        status(410, "too old", "Expired"),
        watch(event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})),
        watch(event("MYSTERY", pod("x", 1))),
        watch(b'{"type": "ADDED", "object": {}}\n'),
    ],
    ids=["http 410", "error event 410", "unknown event", "event without version"],
)
async def test_lists_anew_after_a_gap(serve: Serve, connect_to: Connect, expired: Any) -> None:
    """When the version is too old, or an event cannot be understood, everything is listed again."""
    script = script_of(expired, watch(event("ADDED", pod("c", 9)), then=hang))
    script.on("GET", PATH, reply(200, pod_list(5, ["a"])), reply(200, pod_list(8, ["b"])))
    async with serve(script) as server, connect_to(server.port) as connection:
        changes = await take(follow(connection), 3)
        assert watches(server)[-1]["resourceVersion"] == "8"
    assert told(changes) == [(LISTED, ["a"]), (LISTED, ["b"]), (ADDED, "c")]


@pytest.mark.parametrize("silent", [watch(then=hang), watch(then=dribble)], ids=["nothing", "bytes without a line"])
async def test_silence_is_a_gap(serve: Serve, connect_to: Connect, silent: Any) -> None:
    """A watch that stays open and says nothing is given up after `silence` and listed anew."""
    script = script_of(silent)
    script.on("GET", PATH, reply(200, pod_list(5, ["a"])), reply(200, pod_list(8, ["created meanwhile"])))
    async with serve(script) as server, connect_to(server.port) as connection:
        began = time.monotonic()
        changes = await take(follow(connection), 2)
    assert told(changes)[1] == (LISTED, ["created meanwhile"])
    assert 0.9 < time.monotonic() - began < 6


@pytest.mark.parametrize(
    "broken",
    [watch(), reset, watch(then=reset), raw(b""), status(500), status(429), watch(b"<html>\n"), reply(200, b"")],
    ids=["clean end", "reset", "reset after head", "hang up", "500", "429", "no JSON", "empty body"],
)
async def test_reconnects_without_hammering(serve: Serve, connect_to: Connect, broken: Any) -> None:
    """Whatever way a watch fails at once, attempts are few, and events come once it works again."""
    async with serve(script_of(broken)) as server, connect_to(server.port) as connection:
        with suppress(TimeoutError, Unreachable, Overloaded):
            await take(follow(connection), 1000, seconds=2.5)
        assert 1 < len(watches(server)) < 25


async def test_list_is_tried_patiently_then_given_up(serve: Serve, connect_to: Connect) -> None:
    """While the list fails, nobody is told anything; after `patience` the reason is raised."""
    script = script_of(hang)
    script.on("GET", PATH, reset)
    async with serve(script) as server, connect_to(server.port) as connection:
        began = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            await take(follow(connection), 1)
    assert caught.value.code == "connection-lost"
    assert 0.5 < time.monotonic() - began < 9


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(403, 'pods is forbidden: User "u" cannot list resource "pods"', "Forbidden"), Forbidden),
        (status(404, "the server could not find the requested resource", "NotFound"), NotFound),
        (status(401, "Unauthorized"), Unauthenticated),
    ],
    ids=["403", "404", "401"],
)
async def test_final_refusals_are_raised_at_once(
    serve: Serve, connect_to: Connect, answer: Any, error: type[Exception]
) -> None:
    """What waiting cannot mend is raised by the first list."""
    script = script_of(hang)
    script.on("GET", PATH, answer)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(error):
            await take(follow(connection), 1, seconds=2.5)


async def test_watch_that_is_not_permitted(serve: Serve, connect_to: Connect) -> None:
    """Where listing is permitted and watching is not, that permission is named, and asked for once."""
    script = script_of(status(403, 'pods is forbidden: User "u" cannot watch resource "pods"', "Forbidden"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Forbidden, match="watch pods"):
            await take(follow(connection), 2)
        assert len(watches(server)) == 1


async def test_expired_lists_for_ever_are_gone(serve: Serve, connect_to: Connect) -> None:
    """A list that expires each time ends in `Gone`, not in silence."""
    script = script_of(hang)
    script.on("GET", PATH, status(410, "too old", "Expired"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Gone):
            await take(follow(connection), 1)


async def test_closing_closes_the_connection(serve: Serve, connect_to: Connect) -> None:
    """Leaving through `aclosing` closes the watch's connection; others of the same cluster stay usable."""
    async with serve(script_of(watch(then=hang))) as server, connect_to(server.port) as connection:
        async with aclosing(follow(connection)) as changes:
            await anext(changes)
            waiting = asyncio.create_task(anext(changes))
            await asyncio.sleep(0.1)
            open_while_watching = server.connections
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
        await connection.writer("c0").list(PODS)
        await asyncio.sleep(0.1)
        assert server.connections < open_while_watching + 1
    await closed(server)


async def test_many_watches_do_not_block_calls(serve: Serve, connect_to: Connect) -> None:
    """A hundred open watches of one cluster leave room for ordinary calls."""
    timeouts = Timeouts(connect=30, request=30)
    async with serve(script_of(watch(then=hang))) as server, connect_to(server.port, timeouts=timeouts) as connection:

        async def watch_on() -> None:
            async with aclosing(follow(connection)) as changes:
                async for _ in changes:
                    pass

        tasks = [asyncio.create_task(watch_on()) for _ in range(100)]
        async with asyncio.timeout(30):
            while len(watches(server)) < 100:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await connection.writer("c0").list(PODS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_break_without_aclosing_leaves_nothing_for_ever(serve: Serve, connect_to: Connect) -> None:
    """Even a consumer that just breaks off leaves no connection open once it is gone."""
    async with serve(script_of(watch(then=hang))) as server:
        async with connect_to(server.port) as connection:
            async for _ in follow(connection):
                break
        await closed(server)
