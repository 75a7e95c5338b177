"""A takedown that comes between the steps of a restore: what the first one found is never lost.

Held still at the very moment at which it matters; random moments are tried in tests/cluster/test_two_operators.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event
from orchestrator.core.holds import Hold, Lift, RestoreRecord, read_restore_record
from orchestrator.core.objects import ObjectRef, ref_of
from orchestrator.core.takedown import Restoration
from orchestrator.core.verdict import Verdict, Want
from orchestrator.execution import DarkPorts, RunOptions, RunOutcome, bring_back
from tests.unit.execution.doubles import MODEL, WORKLOAD, JumpingClock, MemoryCluster, SilentProber, idle, wave_of
from tests.unit.execution.test_darkening import DarkWorld, darkening, replicas_in
from tests.unit.execution.world import codes, verdicts
from tests.unit.planning import route_samples as samples

EARLIER = "d" * 64
LIFT = Lift(digest=EARLIER, order="earlier", reference="no. 17", actor="")
HOLD = Hold(name="earlier", model=MODEL, digest=EARLIER)
RECORD = RestoreRecord(model=MODEL, ref=WORKLOAD, uid="u", before={"/spec/replicas": 3})
SECRET = ref_of(RECORD.to_secret())


class HurriedClock(JumpingClock):
    """Nobody waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class HeldStill(MemoryCluster):
    """Lets the first deletion of a restore record wait on its way to the server until it is let go."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def delete(self, ref: ObjectRef, **options: Any) -> None:
        if ref == SECRET and not self.reached.is_set():
            self.reached.set()
            await self.go.wait()
        await super().delete(ref, **options)


def _world(**options: Any) -> tuple[DarkWorld, HeldStill]:
    world = DarkWorld("a", clock=HurriedClock(), **options)
    cluster = world.clusters["a"] = HeldStill("a")
    cluster._store(WORKLOAD, {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 0},
                              "metadata": {"name": WORKLOAD.name, "namespace": WORKLOAD.namespace}})  # fmt: skip
    for obj in (HOLD.to_config_map(), RECORD.to_secret()):
        cluster._store(ref_of(obj), obj)
    return world, cluster


async def _restore(world: DarkWorld) -> RunOutcome:
    back = Restoration(lift=LIFT, holds=(HOLD,), guard=None, records=(RECORD,))
    item = world.part("a", **idle(restoration=back, soak_due=True))
    ports = DarkPorts(
        writers=world.clusters,
        verifier=world.verifier,
        prober=SilentProber(),
        guard_prover=world.prover,
        checks={},
        journal=world.journal,
        clock=world.clock,
        tell=lambda event: None,
    )
    plan = replace(world.plan(), action="restore", lift=LIFT, waves=(wave_of("all", item),))
    return await asyncio.wait_for(bring_back(plan, ports, RunOptions(run="Q", holder="other run Q")), 20)


def _number_on_record(cluster: MemoryCluster) -> Any:
    return read_restore_record(cluster.objects[SECRET]).before["/spec/replicas"]


@pytest.mark.parametrize("planned", [True, False], ids=["planned while it ran", "planned in the dark"])
async def test_a_record_on_its_way_to_deletion_stays_when_another_order_comes_to_rest_on_it(planned: bool) -> None:
    """The restore looked for holds before the new one came; its deletion arrives last, and deletes nothing."""
    world, cluster = _world()
    restoring = asyncio.create_task(_restore(world))
    await asyncio.wait_for(cluster.reached.wait(), 10)
    assert replicas_in(world, "a") == 3
    records = darkening().records if planned else ()
    item = await world.take_one_dark(world.plan(darkening=darkening(records=records)))
    cluster.go.set()
    outcome = await restoring
    assert (item.verdict, replicas_in(world, "a")) == (Verdict.VERIFIED, 0)
    assert verdicts(outcome) == {"a": Verdict.HELD}
    assert _number_on_record(cluster) == 3


async def test_a_record_that_is_gone_before_the_takedown_looks_is_made_of_what_runs_now() -> None:
    """The plan saw one replica of three, as the restore had just begun; when it is carried out all are back."""
    world, cluster = _world()
    cluster.go.set()
    await _restore(world)
    assert SECRET not in cluster.objects
    early = replace(RECORD, before={"/spec/replicas": 1})
    await world.take_one_dark(world.plan(darkening=darkening(records=(early,))))
    assert (_number_on_record(cluster), replicas_in(world, "a")) == (3, 0)


async def test_a_record_that_somebody_takes_away_meanwhile_is_made_again() -> None:
    """By whatever hand, also one that asks for no version."""
    world, cluster = _world()
    cluster._store(WORKLOAD, {**cluster.objects[WORKLOAD], "spec": {"replicas": 3}})

    def take_away(event: Event) -> None:
        if event.type == "answered" and event.data.get("verb") == "scale":
            cluster.objects.pop(SECRET, None)

    world.on_event = take_away
    item = await world.take_one_dark()
    assert item.verdict is Verdict.VERIFIED
    assert _number_on_record(cluster) == 3


async def test_a_second_run_of_the_same_order_writes_nothing_to_its_records() -> None:
    world, cluster = _world()
    cluster._store(WORKLOAD, {**cluster.objects[WORKLOAD], "spec": {"replicas": 3}})
    await world.take_one_dark()
    version = cluster.objects[SECRET]["metadata"]["resourceVersion"]
    await world.take_one_dark()
    assert cluster.objects[SECRET]["metadata"]["resourceVersion"] == version


async def test_what_was_off_when_its_turn_came_is_no_record_of_running() -> None:
    """Somebody disabled it between plan and execution: a restore must not bring it back."""
    world = DarkWorld("a", clock=HurriedClock())
    cluster = world.clusters["a"]
    cluster._store(WORKLOAD, {**cluster.objects[WORKLOAD], "spec": {"replicas": 0}})
    item = await world.take_one_dark()
    assert (item.want, item.verdict) == (Want.DISABLED, Verdict.VERIFIED)
    assert SECRET not in cluster.objects


@pytest.mark.parametrize("is_open", [False, True], ids=["still cut", "opened by a restore"])
async def test_a_route_that_the_plan_found_cut_is_looked_at_when_its_turn_comes(is_open: bool) -> None:
    """A plan that was made while another order's cut stood has nothing to write there; that proves nothing later."""
    (route,) = samples.objects(samples.HTTP_ROUTE)
    around = samples.objects(samples.BASE, samples.gateways())
    (first,) = samples.plan(route, *around).cuts
    cut = samples.patched(route, first.patch())
    (planned,) = samples.plan(cut, *around).cuts
    assert planned.fields == ()
    world = DarkWorld("a")
    world.clusters["a"]._store(planned.ref, route if is_open else cut)
    item = await world.take_one_dark(world.plan(darkening=darkening(cuts=(planned,))))
    expected = (Verdict.RESIDUE, True) if is_open else (Verdict.VERIFIED, False)
    assert (item.verdict, "route-opened" in codes(item)) == expected, item.reasons
