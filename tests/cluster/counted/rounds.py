"""Counts what a command asks of a cluster, and how much of it in turn: the longest chain of round trips.

Requests are held before a real API server until nobody has asked anything for a while, then let through all at once.
Whatever is asked after that rests on one of those answers, or might as well have been asked with them: so the number
of a round is the number of round trips in turn, on a fast machine and on a busy one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.faults.proxy import ApiServer, is_watch, is_write
from tests.faults.server import Behaviour, Connection, Seen

QUIET = 1.5
"""Seconds without a request after which a round is over."""


@dataclass(frozen=True)
class Counted:
    """One request, and in which round it came; the first round is 1."""

    round: int
    seen: Seen

    @property
    def is_write(self) -> bool:
        """Whether it would change something."""
        return is_write(self.seen)

    def __str__(self) -> str:
        query = self.seen.query
        extra = "".join(f" {word}" for word in ("watch", "dryRun") if word in query)
        return f"{self.round:2} {self.seen.method:6} {self.seen.path}{extra}"


class Rounds:
    """Holds requests and lets them through round by round; after `held` rounds nothing is held any more."""

    def __init__(self, api_server: ApiServer, held: int) -> None:
        self._held = held
        self._api_server = api_server
        self._round = 1
        self._waiting: list[asyncio.Event] = []
        self._under_way = 0
        self._quiet: asyncio.TimerHandle | None = None
        self.counted: list[Counted] = []

    def __call__(self, seen: Seen) -> Behaviour | None:
        """What the proxy does with a request."""
        return self._pass

    async def _pass(self, seen: Seen, connection: Connection) -> None:
        self.counted.append(Counted(self._round, seen))
        if self._round > self._held:
            await self._api_server.pass_on(seen, connection)
            return
        turn = asyncio.Event()
        self._waiting.append(turn)
        self._begin_anew()
        await turn.wait()
        if is_watch(seen):
            await self._api_server.pass_on(seen, connection)
            return
        self._under_way += 1
        try:
            await self._api_server.pass_on(seen, connection)
        finally:
            self._under_way -= 1
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Count the quiet time from now, while something waits and no answer is still to come."""
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        if self._waiting and not self._under_way:
            self._quiet = asyncio.get_running_loop().call_later(QUIET, self._let_through)

    def _let_through(self) -> None:
        waiting, self._waiting, self._quiet = self._waiting, [], None
        self._round += 1
        for turn in waiting:
            turn.set()
