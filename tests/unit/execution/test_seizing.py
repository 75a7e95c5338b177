"""A takedown's locks: taken from whoever holds them, at once, and never taken for a reason to wait."""

from __future__ import annotations

import pytest

from orchestrator.core.holds import Hold, Lift
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.errors import Conflict, Forbidden
from orchestrator.execution.darkness import Lifted
from orchestrator.execution.leases import LeaseLock, LockLost
from orchestrator.execution.seizing import SeizedLocks
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster, locks_in

LEASE = ObjectRef("coordination.k8s.io/v1", "Lease", "orchestrator-system", f"lock.{MODEL}")
HOLD = Hold(name="directive", model=MODEL, digest="a" * 64)


def held_by(cluster: MemoryCluster, holder: str | None) -> JsonObject:
    spec = {"holderIdentity": holder} if holder else {}
    labels = {"orchestrator.dev/record": "lock"}
    metadata = {"name": LEASE.name, "namespace": LEASE.namespace, "labels": labels}
    return cluster._store(LEASE, {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": spec})


def holder_in(cluster: MemoryCluster) -> str:
    return str(dig(cluster.objects.get(LEASE), "spec", "holderIdentity"))


async def test_a_free_lock_is_ours_and_was_nobody_s() -> None:
    cluster = MemoryCluster("a")
    assert await LeaseLock(cluster, MODEL, "us", JumpingClock()).seize() is None
    assert holder_in(cluster) == "us"


async def test_a_held_lock_is_ours_at_once_and_its_holder_is_told() -> None:
    cluster = MemoryCluster("a")
    held_by(cluster, "them")
    lock = LeaseLock(cluster, MODEL, "us", JumpingClock())
    holder = await lock.seize()
    assert (holder.identity if holder else None, holder_in(cluster)) == ("them", "us")
    await lock.ensure()


async def test_a_lock_that_is_just_being_released_is_made_anew() -> None:
    """Were it taken over, the releaser's late deletion, bound to the uid, would take ours away."""
    cluster = MemoryCluster("a")
    uid = held_by(cluster, None)["metadata"]["uid"]
    assert await LeaseLock(cluster, MODEL, "us", JumpingClock()).seize() is None
    assert holder_in(cluster) == "us" and cluster.objects[LEASE]["metadata"]["uid"] != uid


async def test_a_lock_that_cannot_be_won_is_an_error_and_no_wait() -> None:
    cluster = MemoryCluster("a")
    held_by(cluster, "them")
    cluster.failing = lambda verb, ref: Conflict("somebody wrote in between") if verb == "replace" else None
    with pytest.raises(LockLost):
        await LeaseLock(cluster, MODEL, "us", JumpingClock()).seize()


async def test_nothing_but_a_lift_stops_what_has_lost_its_lock() -> None:
    """Lost, never taken or unreadable: a takedown goes on; where its order was lifted it must not."""
    cluster = MemoryCluster("a")
    locks = SeizedLocks({"a": cluster}, "us", JumpingClock())
    await locks.ensure("a", HOLD)
    await locks.seize("a", MODEL)
    held_by(cluster, "them")
    cluster.failing = lambda verb, ref: Forbidden("not permitted") if ref.kind == "ConfigMap" else None
    may_be_sent = await locks.ensure("a", HOLD)
    assert may_be_sent(), "what could not be looked for holds up nothing"
    assert await locks.release() == ()
    assert holder_in(cluster) == "them"
    cluster.failing = lambda verb, ref: None
    other = Lift(digest="b" * 64, order="other", reference="R", actor="x").to_config_map()
    await cluster.create(other)
    await SeizedLocks({"a": cluster}, "us", JumpingClock()).ensure("a", HOLD)
    await cluster.create(Lift(digest=HOLD.digest, order="directive", reference="R", actor="x").to_config_map())
    with pytest.raises(Lifted):
        await SeizedLocks({"a": cluster}, "us", JumpingClock()).ensure("a", HOLD)


async def test_no_lock_of_ours_stays_behind() -> None:
    cluster = MemoryCluster("a")
    locks = SeizedLocks({"a": cluster}, "us", JumpingClock())
    assert await locks.seize("a", MODEL) is None
    assert await locks.release() == ()
    assert locks_in(cluster) == []
