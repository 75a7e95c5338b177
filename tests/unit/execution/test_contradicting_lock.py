"""An API server that contradicts itself about a lock costs its own cluster, and refuses nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import Conflict, LockedError
from orchestrator.execution.locks import Locks
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster


async def acquire(*clusters: MemoryCluster, identity: str = "us") -> dict[str, str]:
    """Codes of the clusters whose lock could not be asked for."""
    locks = Locks({one.cluster.name: one for one in clusters}, identity, JumpingClock())
    failures = await locks.acquire([(one.cluster.name, MODEL) for one in clusters], wait=None, stop=asyncio.Event())
    return {cluster: error.code for (cluster, _), error in failures.items()}


def refuse_creates(cluster: MemoryCluster) -> None:
    cluster.failing = lambda verb, ref: Conflict("it exists") if (verb, ref.kind) == ("create", "Lease") else None


async def test_a_lock_that_exists_and_is_not_there_fails_its_own_cluster_only() -> None:
    """Nobody is seen to hold it, so this is no other run, for which all clusters would be left alone."""
    broken = MemoryCluster("broken")
    refuse_creates(broken)
    assert await acquire(MemoryCluster("a"), broken) == {"broken": "lock-contradiction"}


async def test_a_lock_that_somebody_holds_still_refuses_the_run() -> None:
    held = MemoryCluster("held")
    assert await acquire(held, identity="them") == {}
    refuse_creates(held)
    with pytest.raises(LockedError, match="them"):
        await acquire(MemoryCluster("a"), held)
