"""All locks of a run: tried at once, all or none, kept fresh, and none left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Final

from orchestrator.core.dispatch import Question
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError, LockedError
from orchestrator.execution.leases import Holder, LeaseLock, LockLost

Key = tuple[str, str]
"""(cluster, model)."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 15.0


class Locks:
    """The locks of one run, one for each (cluster, model) in which something is due."""

    def __init__(self, writers: Mapping[str, ClusterWriter], identity: str, clock: Clock) -> None:
        self._writers = writers
        self._identity = identity
        self._clock = clock
        self._locks: dict[Key, LeaseLock] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def acquire(
        self, keys: Iterable[Key], *, wait: float | None, stop: asyncio.Event
    ) -> Mapping[Key, ClusterError]:
        """Take all locks; returns those that could not be asked for, with the reason: nothing may be sent there.

        Raises `LockedError` when somebody else holds one, after `wait` seconds of trying again: then none is held.
        Returns early, holding none, when `stop` is set.
        """
        self._locks = {
            (cluster, model): LeaseLock(self._writers[cluster], model, self._identity, self._clock)
            for cluster, model in keys
        }
        began, pause = self._clock.elapsed(), _FIRST_PAUSE
        while True:
            failures, refused = await self._try_all(stop)
            if not refused and not stop.is_set():
                return failures
            await self.release()
            left = (wait or 0.0) - (self._clock.elapsed() - began)
            if stop.is_set() or (refused and left <= 0):
                break
            # Full jitter: two runs that refused each other must not meet again.
            await self._pause(min(left, random.uniform(0, pause)), stop)  # noqa: S311 - no secret depends on it
            pause = min(_LONGEST_PAUSE, pause * 2)
        if stop.is_set():
            return {}
        raise _locked(refused)

    async def ensure(self, cluster: str, model: str) -> Question:
        """Return only while our lock is fresh, with the question whether it still is: asked before every write.

        Raises `LockLost` or `ClusterError`.
        """
        lock = self._locks.get((cluster, model))
        if lock is None:
            raise LockLost(f"no lock on {model} is held")
        await lock.ensure()
        return lock.is_fresh

    async def release(self) -> tuple[tuple[Key, ClusterError], ...]:
        """Release all; returns those that could not be: they expire by themselves."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        left = await asyncio.gather(*(_release(lock) for lock in self._locks.values()))
        return tuple((key, error) for key, error in zip(self._locks, left, strict=True) if error is not None)

    async def _try_all(self, stop: asyncio.Event) -> tuple[dict[Key, ClusterError], list[Holder]]:
        """Try every lock at once, and stop trying as soon as one is refused."""
        takes = {asyncio.create_task(lock.take(), name=f"lock {key}"): key for key, lock in self._locks.items()}
        stopping = asyncio.create_task(stop.wait(), name="stop while locking")
        failures: dict[Key, ClusterError] = {}
        refused: list[Holder] = []
        pending = set(takes)
        try:
            while pending and not refused and not stop.is_set():
                done, _ = await asyncio.wait({*pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
                finished = [take for take in pending if take in done]
                for take in finished:
                    try:
                        holder = take.result()
                    except ClusterError as error:
                        failures[takes[take]] = error
                        continue
                    if holder is None:
                        self._keep(takes[take])
                    else:
                        refused.append(holder)
                pending.difference_update(finished)
        finally:
            for task in (*pending, stopping):
                task.cancel()
            await asyncio.gather(*pending, stopping, return_exceptions=True)
        return failures, refused

    def _keep(self, key: Key) -> None:
        self._keepers.append(asyncio.create_task(self._locks[key].keep(), name=f"keep lock {key}"))

    async def _pause(self, seconds: float, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._clock.sleep(seconds)), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _release(lock: LeaseLock) -> ClusterError | None:
    try:
        await lock.release()
    except ClusterError as error:
        return error
    return None


def _locked(refused: list[Holder]) -> LockedError:
    first, *others = sorted(refused)
    more = f" (and {len(others)} more)" if others else ""
    return LockedError(
        f"{first.model} in {first.cluster} is locked by {printable(first.identity, 200)} "
        f"since {printable(first.since, 40)}{more}",
        hint="let that run end, or wait for it with --wait-lock 5m; a dead holder's lock expires within a minute",
    )
