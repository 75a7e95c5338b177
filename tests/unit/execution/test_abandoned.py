"""Locks of a run that is dead: released at once, and only those that are its own."""

from __future__ import annotations

import copy

from orchestrator.core.objects import SYSTEM_NAMESPACE, ObjectRef
from orchestrator.errors import ClusterError
from orchestrator.execution.abandoned import release_abandoned
from orchestrator.execution.leases import LeaseLock
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster, locks_in

LEASE = ObjectRef("coordination.k8s.io/v1", "Lease", SYSTEM_NAMESPACE, f"lock.{MODEL}")
DEAD, OTHER = "me@here pid 1 run R", "me@here pid 1 run R2"


async def locked_by(holder: str) -> MemoryCluster:
    cluster = MemoryCluster("a")
    assert await LeaseLock(cluster, MODEL, holder, JumpingClock()).take() is None
    return cluster


async def test_a_dead_holders_lock_is_gone_and_the_next_one_has_it_at_once() -> None:
    cluster = await locked_by(DEAD)
    assert await release_abandoned(cluster, MODEL, DEAD)
    assert locks_in(cluster) == []
    assert not await release_abandoned(cluster, MODEL, DEAD), "there is none any more"
    assert await LeaseLock(cluster, MODEL, OTHER, JumpingClock()).take() is None


async def test_a_lock_of_any_other_holder_stays() -> None:
    """Words that begin alike are another run's."""
    cluster = await locked_by(OTHER)
    assert not await release_abandoned(cluster, MODEL, DEAD)
    assert locks_in(cluster)[0]["spec"]["holderIdentity"] == OTHER


async def test_one_that_is_taken_over_meanwhile_stays() -> None:
    """Between our look and our write, and between our write and the deletion."""
    for verb in ("replace", "delete"):
        cluster = await locked_by(DEAD)

        def take_over(
            asked: str, ref: ObjectRef, *, cluster: MemoryCluster = cluster, at: str = verb
        ) -> ClusterError | None:
            if asked == at and ref == LEASE:
                cluster.failing = lambda verb, ref: None
                theirs = copy.deepcopy(cluster.objects[LEASE])
                theirs["metadata"] |= {"resourceVersion": "9999", "uid": "uid-of-theirs"}
                theirs["spec"]["holderIdentity"] = OTHER
                cluster.objects[LEASE] = theirs
            return None

        cluster.failing = take_over
        await release_abandoned(cluster, MODEL, DEAD)
        assert locks_in(cluster)[0]["spec"]["holderIdentity"] == OTHER, verb
