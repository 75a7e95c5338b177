"""Time limits and stopwatches that leave out what is our own doing: the time in which we kept a request waiting.

Requests to a thousand clusters wait for their turn. A limit says how long a cluster may take, so it must not run while
the cluster has not been asked yet, or clusters that are well would pass for unreachable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Protocol

from orchestrator.core.ports import Clock


class _Running(Protocol):
    def pause(self) -> None: ...

    def resume(self) -> None: ...


_running: ContextVar[tuple[_Running, ...]] = ContextVar("running", default=())
"""The limits and stopwatches around what is being done."""


class Stopwatch:
    """Seconds since it was made, less those that are left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.elapsed()
        self._waits = 0

    @property
    def seconds(self) -> float:
        """How long what it measures has taken so far."""
        return self._clock.elapsed() - self._began

    def pause(self) -> None:
        """Something is left out from now on; so may be several things at once."""
        if self._waits == 0:
            self._paused = self._clock.elapsed()
        self._waits += 1

    def resume(self) -> None:
        """What was left out is over."""
        self._waits -= 1
        if self._waits == 0:
            self._began += self._clock.elapsed() - self._paused


class _Limit:
    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._waits = 0
        self._left: float | None = None

    def pause(self) -> None:
        if self._waits == 0 and (end := self._timeout.when()) is not None:
            self._left = end - asyncio.get_running_loop().time()
            self._reschedule(None)
        self._waits += 1

    def resume(self) -> None:
        self._waits -= 1
        if self._waits == 0 and self._left is not None:
            self._reschedule(asyncio.get_running_loop().time() + self._left)

    def _reschedule(self, when: float | None) -> None:
        # One that is expiring, because its time was up or everything is being closed, stays so.
        with suppress(RuntimeError):
            self._timeout.reschedule(when)


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Like `asyncio.timeout`, but what is `left_out` within it does not count. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds) as timeout:
        with _measured_by(_Limit(timeout)):
            yield timeout


@contextmanager
def timed(clock: Clock) -> Iterator[Stopwatch]:
    """A stopwatch that does not count what is `left_out` within the block."""
    stopwatch = Stopwatch(clock)
    with _measured_by(stopwatch):
        yield stopwatch


@contextmanager
def left_out() -> Iterator[None]:
    """What is waited for in this block counts for no limit and no stopwatch around it."""
    around = _running.get()
    for one in around:
        one.pause()
    try:
        yield
    finally:
        for one in around:
            one.resume()


@contextmanager
def unmeasured() -> Iterator[None]:
    """What is made in this block outlives the limits around it, and keeps nothing of them alive."""
    with _set(()):
        yield


@contextmanager
def _measured_by(one: _Running) -> Iterator[None]:
    with _set((*_running.get(), one)):
        yield


@contextmanager
def _set(running: tuple[_Running, ...]) -> Iterator[None]:
    outer = _running.set(running)
    try:
        yield
    finally:
        _running.reset(outer)
