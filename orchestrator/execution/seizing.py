"""The locks of a takedown: taken over from whoever holds them, never waited for, and no condition of going on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from orchestrator.core.dispatch import Question
from orchestrator.core.holds import Hold
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError
from orchestrator.execution.darkness import Lifted
from orchestrator.execution.keeping import is_lifted
from orchestrator.execution.leases import FRESH_SECONDS, LeaseLock, answered
from orchestrator.execution.locks import Key

WRITE_SECONDS: Final = 15.0
"""How long a write that another run had sent may still be under way: one request's time-out."""


class SeizedLocks:
    """The locks of one takedown, by (cluster, model)."""

    def __init__(self, writers: Mapping[str, ClusterWriter], identity: str, clock: Clock) -> None:
        self._writers = writers
        self._identity = identity
        self._clock = clock
        self._locks: dict[Key, LeaseLock] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._seizing: dict[Key, float] = {}
        """When the seizing of a lock began that is still under way."""

    async def seize(self, cluster: str, model: str) -> str | None:
        """Take one lock at once; who held it, in words. Raises `ClusterError`: the takedown goes on without it."""
        lock = self._locks[cluster, model] = LeaseLock(self._writers[cluster], model, self._identity, self._clock)
        self._seizing[cluster, model] = self._clock.elapsed()
        try:
            holder = await lock.seize()
        finally:
            del self._seizing[cluster, model]
        self._keepers.append(asyncio.create_task(lock.keep(), name=f"keep lock {cluster} {model}"))
        return printable(holder.identity, 200) if holder is not None else None

    async def ensure(self, cluster: str, hold: Hold) -> Question:
        """Return before any write of a takedown, lock or no lock; raise `Lifted` where its order was lifted meanwhile.

        With the question whether that is still known, as a write may wait.
        A machine that slept finds its lock lost. That somebody else works on the model is no reason to stop, save when
        they restore it: then a tombstone lies in the cluster.
        """
        begun = self._seizing.get((cluster, hold.model))
        if begun is not None and self._is_recent(begun):
            # It was looked for a lift just before; a takedown's first records are kept while it takes the lock.
            return partial(self._is_recent, begun)
        try:
            lock = self._locks.get((cluster, hold.model))
            if lock is not None:
                await lock.ensure()
                return lock.is_fresh
        except ClusterError:
            pass
        looked = self._clock.elapsed()
        try:
            is_over = await answered(is_lifted(self._writers[cluster], hold))
        except ClusterError:
            return lambda: True
        if is_over:
            raise Lifted(hold.name)
        return partial(self._is_recent, looked)

    def _is_recent(self, moment: float) -> bool:
        return self._clock.elapsed() - moment <= FRESH_SECONDS

    async def release(self) -> tuple[tuple[Key, ClusterError], ...]:
        """Release all that are still ours; returns those that could not be: they expire by themselves."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        left = await asyncio.gather(*(_released(lock) for lock in self._locks.values()))
        return tuple((key, error) for key, error in zip(self._locks, left, strict=True) if error is not None)


async def _released(lock: LeaseLock) -> ClusterError | None:
    try:
        await lock.release()
    except ClusterError as error:
        return error
    return None
