"""Locks between real runs on real API servers: one holder, no stale writes, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.core.ports import Clock
from orchestrator.delivery import FleetConnection, SystemClock
from orchestrator.errors import LockedError
from orchestrator.execution.leases import LEASE_SECONDS, LeaseLock, LockLost
from orchestrator.execution.locks import Locks
from tests.cluster.conftest import ControlPlanes
from tests.cluster.execution.conftest import JumpingClock, Witness

SYSTEM = "orchestrator-system"


class Operator:
    """One run's locks, with a clock and an identity of its own."""

    def __init__(self, connection: FleetConnection, clusters: list[str], name: str, clock: Clock) -> None:
        self.clock = clock
        self.writers = {cluster: connection.writer(cluster) for cluster in clusters}
        self.locks = Locks(self.writers, name, self.clock)
        self.name = name

    async def acquire(self, model: str, *, wait: float | None = None) -> Any:
        keys = [(cluster, model) for cluster in self.writers]
        return await self.locks.acquire(keys, wait=wait, stop=asyncio.Event())

    def lease(self, cluster: str, model: str) -> LeaseLock:
        """A lock that nobody renews: its holder may be dead."""
        return LeaseLock(self.writers[cluster], model, self.name, self.clock)


@pytest.fixture
async def operators(connection: FleetConnection, control_planes: ControlPlanes) -> AsyncIterator[Any]:
    made: list[Operator] = []

    def make(name: str, skew: timedelta = timedelta(), clock: Clock | None = None) -> Operator:
        made.append(Operator(connection, control_planes.clusters, name, clock or JumpingClock(skew)))
        return made[-1]

    yield make
    for operator in made:
        await operator.locks.release()


def lease_of(witness: Witness, model: str) -> dict[str, Any] | None:
    return witness.get("lease", f"lock.{model}", "-n", SYSTEM)


def holders(witnesses: dict[str, Witness], model: str) -> list[str | None]:
    leases = [lease_of(witness, model) for witness in witnesses.values()]
    return [lease and lease["spec"].get("holderIdentity") for lease in leases]


async def test_a_lock_is_a_lease_in_every_cluster_and_is_gone_afterwards(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    one = operators("one@here pid 1 run R1")
    assert await one.acquire(model) == {}
    for witness in witnesses.values():
        lease = lease_of(witness, model)
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == "one@here pid 1 run R1"
        assert lease["spec"]["leaseDurationSeconds"] == 30
        assert lease["metadata"]["labels"] == {"orchestrator.dev/record": "lock", "orchestrator.dev/model": model}
    assert await one.locks.release() == ()
    assert holders(witnesses, model) == [None, None, None]


async def test_the_second_is_refused_and_told_who_and_since_when_and_keeps_nothing(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    """One held lock of three is enough, and the two others are free again at once."""
    one, two = operators("one@here pid 1 run R1"), operators("two@there pid 2 run R2")
    held = list(witnesses)[1]
    assert await one.lease(held, model).take() is None
    since = lease_of(witnesses[held], model)["spec"]["acquireTime"]  # type: ignore[index]
    with pytest.raises(LockedError) as refused:
        await two.acquire(model)
    assert refused.value.exit_code == 4
    assert f"{model} in {held} is locked by one@here pid 1 run R1 since {since}" in refused.value.message
    assert holders(witnesses, model) == [None, "one@here pid 1 run R1", None]


async def test_renewing_keeps_the_lease_ours(operators: Any, witnesses: dict[str, Witness], model: str) -> None:
    cluster, witness = next(iter(witnesses.items()))
    one = operators("one")
    lock = one.lease(cluster, model)
    await lock.take()
    before = lease_of(witness, model)
    await lock.renew()
    after = lease_of(witness, model)
    assert before is not None
    assert after is not None
    assert after["spec"]["renewTime"] > before["spec"]["renewTime"]
    assert after["spec"]["acquireTime"] == before["spec"]["acquireTime"]
    await lock.release()
    assert lease_of(witness, model) is None


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)], ids=["an hour behind", "an hour ahead"])
async def test_a_dead_holder_is_replaced_after_its_lease_was_watched_whatever_its_clock_said(
    operators: Any, witnesses: dict[str, Witness], model: str, skew: timedelta
) -> None:
    cluster = next(iter(witnesses))
    dead, heir = operators("dead", skew), operators("heir")
    assert await dead.lease(cluster, model).take() is None
    began = heir.clock.elapsed()
    assert await heir.lease(cluster, model).take() is None
    assert heir.clock.elapsed() - began >= LEASE_SECONDS
    lease = lease_of(witnesses[cluster], model)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "heir"
    assert lease["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)], ids=["an hour behind", "an hour ahead"])
async def test_a_living_holder_is_never_replaced_whatever_its_clock_says(
    operators: Any, witnesses: dict[str, Witness], model: str, skew: timedelta
) -> None:
    """By its own times its lease looks long expired, or not yet begun; that it is renewed is what counts."""
    cluster = next(iter(witnesses))
    alive, other = operators("alive", skew), operators("other")
    lock = alive.lease(cluster, model)
    assert await lock.take() is None
    other.clock.on_sleep = lock.renew
    holder = await other.lease(cluster, model).take()
    assert holder is not None
    assert holder.identity == "alive"
    await lock.ensure()


async def test_a_dead_holders_lock_that_looks_fresh_is_taken_once_it_was_waited_for(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    cluster = next(iter(witnesses))
    dead, heir = operators("dead"), operators("heir")
    assert await dead.lease(cluster, model).take() is None
    with pytest.raises(LockedError):
        await heir.acquire(model)
    assert await heir.acquire(model, wait=300) == {}
    assert holders(witnesses, model)[0] == "heir"


async def test_waiting_ends_when_the_holder_releases(operators: Any, witnesses: dict[str, Witness], model: str) -> None:
    one, two = operators("one", clock=SystemClock()), operators("two", clock=SystemClock())
    assert await one.acquire(model) == {}
    waiting = asyncio.create_task(two.acquire(model, wait=60))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await one.locks.release()
    assert await asyncio.wait_for(waiting, 30) == {}
    assert holders(witnesses, model) == ["two"] * 3


async def test_a_laptop_that_slept_finds_its_lock_lost_and_leaves_the_new_holders_alone(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    cluster = next(iter(witnesses))
    sleeper, heir = operators("sleeper"), operators("heir", timedelta(hours=1))
    lock = sleeper.lease(cluster, model)
    await lock.take()
    await lock.ensure()
    assert await heir.lease(cluster, model).take() is None
    sleeper.clock.jumped += 3600
    with pytest.raises(LockLost, match="heir"):
        await lock.ensure()
    with pytest.raises(LockLost):
        await lock.ensure()
    await lock.release()
    assert holders(witnesses, model)[0] == "heir"


async def test_a_laptop_that_slept_while_nobody_came_renews_before_it_writes(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    cluster, witness = next(iter(witnesses.items()))
    sleeper = operators("sleeper")
    lock = sleeper.lease(cluster, model)
    await lock.take()
    before = lease_of(witness, model)
    sleeper.clock.jumped += 3600
    await lock.ensure()
    assert lease_of(witness, model)["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]  # type: ignore[index]
    await lock.release()


async def test_a_lease_that_somebody_deleted_is_lost(operators: Any, witnesses: dict[str, Witness], model: str) -> None:
    cluster, witness = next(iter(witnesses.items()))
    one = operators("one")
    lock = one.lease(cluster, model)
    await lock.take()
    witness("delete", "lease", f"lock.{model}", "-n", SYSTEM)
    one.clock.jumped += 60
    with pytest.raises(LockLost):
        await lock.ensure()


async def test_a_lock_released_but_not_yet_deleted_is_free(
    operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    """The releaser was killed between its two requests."""
    cluster, witness = next(iter(witnesses.items()))
    await operators("gone").lease(cluster, model).take()
    witness("patch", "lease", f"lock.{model}", "-n", SYSTEM, "--type=merge", "-p", '{"spec":{"holderIdentity":null}}')
    uid = witness.get("lease", f"lock.{model}", "-n", SYSTEM)["metadata"]["uid"]  # type: ignore[index]
    assert await operators("next").lease(cluster, model).take() is None
    lease = lease_of(witness, model)
    assert lease is not None
    assert lease["metadata"]["uid"] != uid
    assert lease["spec"]["holderIdentity"] == "next"


PROCESS = """
import asyncio, json, sys
from pathlib import Path
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import SystemClock, connect
from orchestrator.errors import LockedError
from orchestrator.execution.locks import Locks

async def main(kubeconfig, clusters, model, name):
    fleet = Fleet(name="test", clusters=tuple(Cluster(name=each, region="r") for each in clusters))
    async with connect(fleet, kubeconfig=Path(kubeconfig)) as connection:
        locks = Locks({each: connection.writer(each) for each in clusters}, name, SystemClock())
        keys = [(each, model) for each in clusters]
        try:
            await locks.acquire(keys, wait=None, stop=asyncio.Event())
        except LockedError as error:
            print("refused", error.message, flush=True)
            return
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await locks.release()

asyncio.run(main(*json.loads(sys.argv[1])))
"""


def start_process(control_planes: ControlPlanes, model: str, name: str) -> subprocess.Popen[str]:
    arguments = json.dumps([str(control_planes.kubeconfig), control_planes.clusters, model, name])
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(orchestrator.__file__).parents[1],
    )


async def test_of_many_processes_at_once_at_most_one_holds_all_locks(
    control_planes: ControlPlanes, witnesses: dict[str, Witness], model: str
) -> None:
    processes = [start_process(control_planes, model, f"process {number}") for number in range(4)]
    try:
        said = [process.stdout.readline().strip() for process in processes]  # type: ignore[union-attr]
        held = [line for line in said if line == "held"]
        assert len(held) <= 1
        assert all(line == "held" or line.startswith("refused") for line in said)
        if held:
            name = f"process {said.index('held')}"
            assert holders(witnesses, model) == [name] * 3
    finally:
        for process in processes:
            process.communicate("\n", timeout=30)
    assert holders(witnesses, model) == [None, None, None]


async def test_a_killed_processs_lock_expires(
    control_planes: ControlPlanes, operators: Any, witnesses: dict[str, Witness], model: str
) -> None:
    with start_process(control_planes, model, "killed") as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        process.send_signal(signal.SIGKILL)
    assert holders(witnesses, model) == ["killed"] * 3
    heir = operators("heir")
    with pytest.raises(LockedError, match="killed"):
        await heir.acquire(model)
    assert await heir.acquire(model, wait=300) == {}
    assert holders(witnesses, model) == ["heir"] * 3
