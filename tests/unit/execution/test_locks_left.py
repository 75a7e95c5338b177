"""No lock stays behind: not by a request that was on its way when its run was stopped, or refused elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.errors import LockedError
from orchestrator.execution.locks import Locks
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster, locks_in

SECONDS = 0.3
"""How long a slow API server takes to carry out what it was sent."""


class SlowServer(MemoryCluster):
    """Carries out every write that reached it, whether or not anybody waits for the answer."""

    def __init__(self, name: str, *slow: str) -> None:
        super().__init__(name)
        self._slow = slow
        self.sent = asyncio.Event()
        self.under_way: set[asyncio.Task[JsonObject]] = set()

    async def create(self, obj: JsonObject, *, dry_run: bool = False) -> JsonObject:
        return await self._carry_out("create", super().create(obj))

    async def replace(self, obj: JsonObject) -> JsonObject:
        return await self._carry_out("replace", super().replace(obj))

    async def _carry_out(self, verb: str, write: Any) -> JsonObject:
        async def later() -> JsonObject:
            await asyncio.sleep(SECONDS if verb in self._slow else 0)
            done: JsonObject = await write
            return done

        task = asyncio.ensure_future(later())
        self.under_way.add(task)
        self.sent.set()
        return await asyncio.shield(task)

    async def everything_arrived(self) -> None:
        """Until nothing is under way to it any more."""
        await asyncio.wait(self.under_way)


def locks_on(*clusters: MemoryCluster) -> Locks:
    return Locks({one.cluster.name: one for one in clusters}, "me@here pid 1 run R", JumpingClock())


async def test_a_run_that_is_stopped_while_its_lock_is_on_its_way_leaves_none() -> None:
    cluster, stop = SlowServer("a", "create"), asyncio.Event()
    locks = locks_on(cluster)
    taking = asyncio.create_task(locks.acquire([("a", MODEL)], wait=None, stop=stop))
    await cluster.sent.wait()
    stop.set()
    assert await taking == {}
    assert await locks.release() == ()
    await cluster.everything_arrived()
    assert locks_in(cluster) == []


async def test_a_run_that_is_refused_elsewhere_while_its_lock_is_on_its_way_leaves_none() -> None:
    slow, held = SlowServer("a", "create"), MemoryCluster("b")
    lease = ObjectRef("coordination.k8s.io/v1", "Lease", "orchestrator-system", f"lock.{MODEL}")
    held._store(lease, {"apiVersion": lease.api_version, "kind": "Lease",
                        "metadata": {"name": lease.name, "namespace": lease.namespace},
                        "spec": {"holderIdentity": "another", "leaseDurationSeconds": 7200}})  # fmt: skip
    with pytest.raises(LockedError, match="another"):
        await locks_on(slow, held).acquire([("a", MODEL), ("b", MODEL)], wait=None, stop=asyncio.Event())
    await slow.everything_arrived()
    assert locks_in(slow) == []


async def test_a_run_that_ends_while_a_renewal_is_on_its_way_leaves_none() -> None:
    """The renewal arrives after the release has been written: it finds another version, and then nothing."""
    cluster = SlowServer("a")
    locks = locks_on(cluster)
    await locks.acquire([("a", MODEL)], wait=None, stop=asyncio.Event())
    cluster._slow = ("replace",)
    lock = locks._locks["a", MODEL]
    renewing = asyncio.create_task(lock.renew())
    cluster.sent.clear()
    await cluster.sent.wait()
    cluster._slow = ()
    renewing.cancel()
    assert await locks.release() == ()
    await cluster.everything_arrived()
    assert locks_in(cluster) == []
