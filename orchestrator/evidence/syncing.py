"""Makes a growing file durable for all who wait at the same time by one write of the disk.

A slow disk so costs a thousand clusters what it costs one, and those who wait for nothing go on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


class GroupSync:
    """How much of a file was appended, and how much of that is on the disk; `note` hears of a disk that refuses."""

    def __init__(self, note: Callable[[Exception], None]) -> None:
        self._note = note
        self._appended = self._durable = 0
        self._syncing: asyncio.Future[None] | None = None

    def append(self) -> None:
        """Something more was written to the file."""
        self._appended += 1

    async def settle(self, file: int) -> None:
        """Return when everything appended so far is on the disk, or was refused by it."""
        appended = self._appended
        while self._durable < appended:
            if self._syncing is None or self._syncing.done():
                # A descriptor of its own: the file may be closed meanwhile, and its number become another file's.
                self._syncing = asyncio.ensure_future(self._sync(os.dup(file), self._appended))
            # Whoever stops waiting leaves the others their wait.
            await asyncio.shield(self._syncing)

    async def _sync(self, file: int, appended: int) -> None:
        try:
            await asyncio.to_thread(os.fsync, file)
        except OSError as error:
            self._note(error)
        finally:
            os.close(file)
            self._durable = max(self._durable, appended)

    def settle_now(self, file: int) -> None:
        """The same without an event loop."""
        try:
            if self._durable < self._appended:
                os.fsync(file)
        except OSError as error:
            self._note(error)
        self._durable = self._appended
