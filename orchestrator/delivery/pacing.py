"""Begins requests and connections to a thousand clusters no faster than this machine can carry them.

A handshake costs a millisecond of a core on either side, and a request not much less. Ten thousand begun at once would
all take longer than the time-out of one, and clusters that are well would pass for unreachable. So they begin one
handful at a time, the next when the event loop comes round to it: a busy machine begins fewer, and a silent cluster
holds up nobody. Waiting for one's turn is our own business, so no time-out of a read counts it.
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

import aiohttp

_CONNECTIONS: Final = 8
_REQUESTS: Final = 16
_PAUSE: Final = 0.004
"""Seconds between two handfuls on a loop with nothing else to do."""
_FILES: Final = 65_536

_limit: ContextVar[asyncio.Timeout | None] = ContextVar("limit", default=None)
"""What ends the request that is being sent, unless its answer comes before."""


class Turns:
    """Lets a handful begin at once, and whoever comes after them a handful at a time, in order."""

    def __init__(self, handful: int = _REQUESTS) -> None:
        self._handful = handful
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pump: asyncio.TimerHandle | None = None
        self._begun = 0

    async def turn(self) -> None:
        """Wait for one's turn."""
        if self._pump is None:
            self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)
            self._begun = 0
        if self._begun < self._handful and not self._waiting:
            self._begun += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _let_go(self) -> None:
        self._pump, self._begun = None, 0
        while self._waiting and self._begun < self._handful:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._begun += 1
        if self._waiting:
            self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)


class PacedConnector(aiohttp.TCPConnector):
    """A connector of which each new connection waits for its turn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = Turns(_CONNECTIONS)

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - as aiohttp has it
        limit = _limit.get()
        if limit is None or (end := limit.when()) is None:
            await self._turns.turn()
        else:
            loop = asyncio.get_running_loop()
            left = end - loop.time()
            limit.reschedule(None)
            await self._turns.turn()
            # One that is expiring, because everything is being closed, stays so.
            with suppress(RuntimeError):
                limit.reschedule(loop.time() + left)
        return await super()._create_connection(req, traces, timeout)


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Like `asyncio.timeout`, but the time in which a connection waits for its turn is not counted."""
    async with asyncio.timeout(seconds) as limit:
        outer = _limit.set(limit)
        try:
            yield limit
        finally:
            _limit.reset(outer)


def allow_many_files() -> None:
    """Raise our own limit of open files, which is 1,024 on many systems, as far as we may: connections are files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # Then every connection beyond it is an error that says so.
        return
