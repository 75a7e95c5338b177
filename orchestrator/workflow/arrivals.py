"""Looks at many clusters at once, of which some answer much later than the others, or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from orchestrator.core.snapshot import ClusterSnapshot

QUIET_SECONDS: Final = 1.0
"""Once somebody has answered, and so long nobody else does, those that are left are taken to be late."""


class Arrivals:
    """One look at each of some clusters, all of them begun at once."""

    def __init__(self, looks: dict[str, asyncio.Task[ClusterSnapshot]]) -> None:
        self._looks = looks

    async def prompt(self) -> dict[str, ClusterSnapshot]:
        """What those answered that are not late; everybody's answer while none of them can be trusted."""
        arrived: asyncio.Queue[asyncio.Task[ClusterSnapshot]] = asyncio.Queue()
        for task in self._looks.values():
            task.add_done_callback(arrived.put_nowait)
        has_answer = False
        for _ in self._looks:
            try:
                async with asyncio.timeout(QUIET_SECONDS if has_answer else None):
                    task = await arrived.get()
            except TimeoutError:
                break
            has_answer = has_answer or task.result().failure is None
        return {name: task.result() for name, task in self._looks.items() if task.done()}

    async def everybody(self) -> dict[str, ClusterSnapshot]:
        """What every one answered, or why it did not."""
        answers = await asyncio.gather(*(asyncio.shield(task) for task in self._looks.values()))
        return dict(zip(self._looks, answers, strict=True))


@asynccontextmanager
async def looking(names: Iterable[str], look: Callable[[str], Awaitable[ClusterSnapshot]]) -> AsyncIterator[Arrivals]:
    """Look at clusters by name; what has not answered by the end is not waited for any more."""
    tasks = {name: asyncio.ensure_future(look(name)) for name in names}
    try:
        yield Arrivals(tasks)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
