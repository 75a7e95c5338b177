"""Follows a list: lists, then watches without end, and says so whenever it may have missed something.

The list is consistent; the watch starts at its version, resumes where it was cut, and pauses with full jitter after
every connection that brought nothing. A connection on which neither event nor bookmark comes for a while is dead,
whatever the network says; then, and when the server no longer knows the version, everything is listed anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Any, TypeAlias

import orjson

from orchestrator.core.objects import dig
from orchestrator.core.ports import Change, ChangeType, Listing
from orchestrator.delivery.channel import Call, ClusterChannel
from orchestrator.delivery.retries import Backoff
from orchestrator.delivery.transport import ANSWER_LIMIT
from orchestrator.errors import ClusterError, Gone, Overloaded, Unauthenticated, Unreachable, WrongCluster

# How long the server keeps a watch open; spread, so that many watches do not all come back at once.
_SERVER_SECONDS = (240, 290)
_CHANGES = {"ADDED": ChangeType.ADDED, "MODIFIED": ChangeType.MODIFIED, "DELETED": ChangeType.DELETED}

ListNow = Callable[[], Awaitable[Listing]]
Changes: TypeAlias = AsyncGenerator[Change, None]


@dataclass(slots=True)
class _Position:
    """How far a watch has come."""

    version: str
    progressed: bool = False
    """Whether the connection brought anything."""


class _Gap(Exception):
    """Something may have been missed: list anew."""


async def follow(list_now: ListNow, channel: ClusterChannel, watch: Call) -> Changes:
    """Hand out the list and every change after it; `LISTED` again after each gap.

    Raises what `list_now` raises when that is final (forbidden, not served, another cluster) or has lasted for longer
    than the time-outs' patience; and `Forbidden` when watching is not permitted.
    """
    backoff = Backoff()
    has_listed = False
    while True:
        listing = await _list_patiently(list_now, channel, backoff, may_log_in=has_listed)
        has_listed = True
        yield Change(ChangeType.LISTED, items=listing.items)
        position = _Position(listing.resource_version)
        async with aclosing(_watch(channel, watch, position, backoff)) as changes:
            async for change in changes:
                yield change


async def _list_patiently(list_now: ListNow, channel: ClusterChannel, backoff: Backoff, *, may_log_in: bool) -> Listing:
    clock, began = channel.clock, channel.clock.elapsed()
    while True:
        try:
            return await list_now()
        except ClusterError as error:
            if not _may_pass(error, may_log_in=may_log_in):
                raise
            pause = backoff.pause()
            if clock.elapsed() - began + pause >= channel.timeouts.patience:
                raise
        await clock.sleep(pause)


def _may_pass(error: ClusterError, *, may_log_in: bool) -> bool:
    if isinstance(error, WrongCluster):
        return False
    if isinstance(error, Unauthenticated):
        # Whoever was known before may only be waiting for a new token.
        return may_log_in
    return isinstance(error, Unreachable | Overloaded | Gone)


async def _watch(channel: ClusterChannel, call: Call, position: _Position, backoff: Backoff) -> Changes:
    """The changes since a position, over as many connections as it takes; ends when the list is needed anew."""
    while True:
        position.progressed = False
        is_lost = False
        try:
            async with aclosing(_connection(channel, call, position)) as changes:
                async for change in changes:
                    yield change
        except (_Gap, Gone):
            is_lost = True
        except (Unreachable, Overloaded):
            # A watch that failed before it brought anything may be failing for good: only a list can tell.
            is_lost = not position.progressed
        if position.progressed:
            backoff.reset()
        else:
            await channel.clock.sleep(backoff.pause())
        if is_lost:
            return


async def _connection(channel: ClusterChannel, call: Call, position: _Position) -> Changes:
    """The changes that one connection brings."""
    seconds = SystemRandom().randint(*_SERVER_SECONDS)
    watching = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": position.version,
        "timeoutSeconds": str(seconds),
    }
    async with channel.stream(replace(call, query=(*call.query, *watching.items()))) as chunks:
        lines = _Lines(chunks)
        while True:
            try:
                async with asyncio.timeout(channel.timeouts.silence):
                    line = await lines.next()
            except TimeoutError:
                raise _Gap from None
            if line is None:
                return
            change = _read(line, position)
            if change is not None:
                yield change


def _read(line: bytes, position: _Position) -> Change | None:
    """The change that a line tells, None for a bookmark; moves the position. Raises when the watch is of no use."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreachable("the watch sends what is not JSON", code="not-json") from error
    kind, obj = dig(event, "type"), dig(event, "object")
    version = dig(obj, "metadata", "resourceVersion")
    if kind == "ERROR":
        raise _watch_error(obj)
    if kind not in (*_CHANGES, "BOOKMARK") or not isinstance(version, str):
        raise _Gap
    position.version, position.progressed = version, True
    return None if kind == "BOOKMARK" else Change(_CHANGES[kind], obj)


def _watch_error(status: Any) -> ClusterError | _Gap:
    if dig(status, "code") == 410:
        return _Gap()
    return Overloaded("the API server ends the watch with an error")


class _Lines:
    """Lines of any length, up to the limit of every answer, out of chunks that are cut anywhere."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._ready: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self._size = 0

    async def next(self) -> bytes | None:
        """The next line; None at the end, where a line that was cut is dropped: it will come again."""
        while not self._ready:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return None
            self._take(chunk)
        return self._ready.popleft()

    def _take(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            line = b"".join((*self._begun, part))
            self._begun, self._size = [], 0
            if line.strip():
                self._ready.append(line)
        self._begun.append(rest)
        self._size += len(rest)
        if self._size > ANSWER_LIMIT:
            raise Unreachable("the watch sends a line without end", code="too-large")
