"""Time limits and stopwatches that leave out what is our own doing: the time in which we kept a request waiting.

Requests to a thousand clusters wait for their turn. A limit says how long a cluster may take, so it must not run while
the cluster has not been asked yet, or clusters that are well would pass for unreachable.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol, TypeAlias

from orchestrator.core.ports import Clock


class _Running(Protocol):
    def pause(self) -> None: ...

    def resume(self) -> None: ...


_Around: TypeAlias = tuple[_Running, ...]

_running: ContextVar[_Around] = ContextVar("running", default=())
"""The limits and stopwatches around what is being done."""


def limited(seconds: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
    """Like `asyncio.timeout`, but what is `left_out` within it does not count. Raises `TimeoutError`."""
    return _Limit(asyncio.timeout(seconds))


def timed(clock: Clock) -> AbstractContextManager[Stopwatch]:
    """A stopwatch that does not count what is `left_out` within the block."""
    return Stopwatch(clock)


def left_out() -> AbstractContextManager[None]:
    """What is waited for in this block counts for no limit and no stopwatch around it."""
    return _LeftOut()


def unmeasured() -> AbstractContextManager[None]:
    """What is made in this block outlives the limits around it, and keeps nothing of them alive."""
    return _Unmeasured()


# Every request passes all of these, and a context manager that is a generator costs several times as much as a class.


class Stopwatch:
    """Seconds since it was made, less those that are left out."""

    __slots__ = ("_began", "_clock", "_outer", "_paused", "_waits")

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

    def __enter__(self) -> Stopwatch:
        self._outer = _measured_by(self)
        return self

    def __exit__(self, *_: object) -> None:
        _running.reset(self._outer)


class _Limit:
    __slots__ = ("_left", "_outer", "_timeout", "_waits")

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._waits = 0
        self._left: float | None = None

    async def __aenter__(self) -> asyncio.Timeout:
        await self._timeout.__aenter__()
        self._outer = _measured_by(self)
        return self._timeout

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _running.reset(self._outer)
        await self._timeout.__aexit__(kind, error, trace)

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


class _LeftOut:
    __slots__ = ("_around",)

    def __enter__(self) -> None:
        self._around = _running.get()
        for one in self._around:
            one.pause()

    def __exit__(self, *_: object) -> None:
        for one in self._around:
            one.resume()


class _Unmeasured:
    __slots__ = ("_outer",)

    def __enter__(self) -> None:
        self._outer = _running.set(())

    def __exit__(self, *_: object) -> None:
        _running.reset(self._outer)


def _measured_by(one: _Running) -> Token[_Around]:
    return _running.set((*_running.get(), one))
