"""Real time, for everything that takes a `core.ports.Clock`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall-clock time, UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Seconds on a clock that never goes back and counts suspend."""
        return time.clock_gettime(_SUSPEND_AWARE)

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        await asyncio.sleep(seconds)


# Linux stops CLOCK_MONOTONIC while a laptop sleeps; macOS has no BOOTTIME, but its CLOCK_MONOTONIC goes on.
_SUSPEND_AWARE: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
