"""Begins requests and connections to a thousand clusters no faster than this machine can carry them.

A handshake costs a millisecond of a core on either side, and a request not much less. Ten thousand begun at once would
all take longer than the time-out of one, and clusters that are well would pass for unreachable. So they begin one
handful at a time, the next when the event loop comes round to it: a busy machine begins fewer, and a silent cluster
holds up nobody. Waiting for one's turn is our own business, so no time limit counts it (`core/limits.py`).
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from typing import Any, Final

import aiohttp

from orchestrator.core.dispatch import check_permission, is_urgent
from orchestrator.core.limits import left_out, unmeasured

_HANDFUL: Final = 2
"""So few that a turn of the loop is short: what arrives on a watch meanwhile waits until the turn is over."""
_PAUSE: Final = 0.0
"""Seconds between two handfuls: the next one begins when the loop has seen to everything that has arrived."""
_FILES: Final = 65_536


class Turns:
    """Lets a handful begin at once, and whoever comes later a handful at a time, in order.

    What is urgent goes first, but for one in four: thousands of locks are renewed all the time.
    """

    def __init__(self, handful: int = _HANDFUL) -> None:
        self._handful = handful
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._pump: asyncio.TimerHandle | None = None
        self._begun = 0

    async def turn(self) -> None:
        """Wait for one's turn."""
        if self._pump is None:
            with unmeasured():
                self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)
            self._begun = 0
        if self._begun < self._handful and not self._waiting and not self._urgent:
            self._begun += 1
            return
        turn = asyncio.get_running_loop().create_future()
        (self._urgent if is_urgent() else self._waiting).append(turn)
        with left_out():
            await turn

    def _let_go(self) -> None:
        self._pump, self._begun = None, 0
        while (self._urgent or self._waiting) and self._begun < self._handful:
            is_for_all = self._waiting and self._begun % 4 == 3
            turn = (self._waiting if is_for_all or not self._urgent else self._urgent).popleft()
            if not turn.done():
                turn.set_result(None)
                self._begun += 1
        if self._urgent or self._waiting:
            self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)


class PacedConnector(aiohttp.TCPConnector):
    """A connector of which each new connection waits for its turn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = Turns()

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - as aiohttp has it
        await self._turns.turn()
        if self.closed:
            raise aiohttp.ClientConnectionError("the connections are closed")
        if req.method != "GET":
            check_permission()
        # The event loop keeps the context in which a connection is made for as long as that lives.
        with unmeasured():
            return await super()._create_connection(req, traces, timeout)


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
