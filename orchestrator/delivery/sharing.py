"""One errand for all who want its result at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs an errand once for everybody who asks while it runs; whoever asks later starts it anew.

    The errand is cancelled when the last one who waits for it gives up, so that no task outlives its purpose.
    """

    def __init__(self, errand: Callable[[], Awaitable[T]]) -> None:
        self._errand = errand
        self._task: asyncio.Task[T] | None = None
        self._waiting = 0

    async def __call__(self) -> T:
        """The result of the running errand, or of a new one; raises what the errand raises."""
        if self._task is None or self._task.done() or self._task.cancelling():
            self._task = asyncio.create_task(self._run())
            self._waiting = 0
        task = self._task
        self._waiting += 1
        try:
            return await asyncio.shield(task)
        finally:
            if task is self._task:
                self._waiting -= 1
                if self._waiting == 0 and not task.done():
                    task.cancel()

    async def _run(self) -> T:
        return await self._errand()
