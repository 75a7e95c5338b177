"""Opens connections to a thousand clusters no faster than this machine can shake hands.

A handshake costs a millisecond of a core on either side. Ten thousand begun at once would all take longer than the
time-out of one, and clusters that are well would pass for unreachable. So they begin one handful at a time, the next
when the event loop comes round to it: a busy machine begins fewer, and a silent cluster holds up nobody.
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from typing import Any, Final

import aiohttp

_HANDFUL: Final = 8
_PAUSE: Final = 0.004
"""Seconds between two handfuls on a loop with nothing else to do."""
_FILES: Final = 65_536


class PacedConnector(aiohttp.TCPConnector):
    """A connector of which each new connection waits for its turn; that wait is no part of the connecting time-out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns: deque[asyncio.Future[None]] = deque()
        self._pump: asyncio.TimerHandle | None = None
        self._begun = 0

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - as aiohttp has it
        await self._turn()
        return await super()._create_connection(req, traces, timeout)

    async def _turn(self) -> None:
        if self._pump is None:
            self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)
            self._begun = 0
        if self._begun < _HANDFUL and not self._turns:
            self._begun += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        await turn

    def _let_go(self) -> None:
        self._pump, self._begun = None, 0
        while self._turns and self._begun < _HANDFUL:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                self._begun += 1
        if self._turns:
            self._pump = asyncio.get_running_loop().call_later(_PAUSE, self._let_go)


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
