"""The run of a restore: what is lifted, locked and refused before anything is brought back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event
from orchestrator.core.holds import Hold, Lift, RestoreRecord
from orchestrator.core.objects import ObjectRef
from orchestrator.core.plan import ClusterPlan, Plan
from orchestrator.core.takedown import Restoration
from orchestrator.core.verdict import Readiness, Reason, Verdict
from orchestrator.errors import ClusterError, Forbidden, LockedError, RefusedError
from orchestrator.execution import DarkPorts, RunOptions, RunOutcome, bring_back
from tests.unit.execution.doubles import MODEL, WORKLOAD, SilentProber, idle, plan_of, wave_of
from tests.unit.execution.world import World, verdicts

DIGEST = "d" * 64
LIFT = Lift(digest=DIGEST, order="directive", reference="no. 17", actor="")
TOMBSTONE = ObjectRef("v1", "ConfigMap", "orchestrator-system", f"lift.{DIGEST[:16]}")
HOLD = Hold(name="directive", model=MODEL, digest=DIGEST)
RECORD = RestoreRecord(model=MODEL, ref=WORKLOAD, uid="u", before={"/spec/replicas": 3})


class _NoProver:
    """Is asked only where something goes dark again."""

    async def survey(self, writer: Any) -> Any:
        raise AssertionError("nothing was to go dark again")

    async def prove(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("nothing was to go dark again")


async def _dark(world: World) -> None:
    """What a takedown leaves, in every cluster."""
    for cluster in world.clusters.values():
        await cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 0},
                              "metadata": {"name": WORKLOAD.name, "namespace": WORKLOAD.namespace}})  # fmt: skip
        await cluster.create(HOLD.to_config_map())
        await cluster.create(RECORD.to_secret())
        cluster.requests.clear()


def _part(world: World, name: str, **changed: Any) -> ClusterPlan:
    back = Restoration(lift=LIFT, holds=(HOLD,), guard=None, records=(RECORD,))
    return world.part(name, **idle(restoration=back, soak_due=True, **changed))


def _plan(*waves: Any) -> Plan:
    return replace(plan_of(*waves), action="restore", lift=LIFT)


async def _bring_back(world: World, plan: Plan) -> RunOutcome:
    ports = DarkPorts(
        writers=world.clusters,
        verifier=world.verifier,
        prober=SilentProber(),
        guard_prover=_NoProver(),
        checks={},
        journal=world.journal,
        clock=world.clock,
        tell=world.hear,
    )
    options = RunOptions(run="R", holder="me@here pid 1 run R", stop=world.stop)
    return await asyncio.wait_for(bring_back(plan, ports, options), 20)


def _number(world: World, name: str) -> int:
    return int(world.clusters[name].objects[WORKLOAD]["spec"]["replicas"])


async def test_a_cluster_without_the_lift_stays_dark_and_the_others_go_on() -> None:
    """The lift may not be written in one cluster: nothing is brought back there, and the run says where."""
    world = World()
    await _dark(world)

    def failing(verb: str, ref: ObjectRef) -> ClusterError | None:
        return Forbidden("configmaps is forbidden") if ref == TOMBSTONE else None

    world.clusters["b"].failing = failing
    outcome = await _bring_back(world, _plan(wave_of("all", *(_part(world, name) for name in "abc"))))
    assert verdicts(outcome) == {"a": Verdict.VERIFIED, "b": Verdict.FAILED, "c": Verdict.VERIFIED}
    assert [_number(world, name) for name in "abc"] == [3, 0, 3]
    assert outcome.error is not None
    assert outcome.error.code == "lift-incomplete"
    assert "b: " in outcome.error.message
    assert HOLD.object_name in {ref.name for ref in world.clusters["b"].objects}
    assert HOLD.object_name not in {ref.name for ref in world.clusters["a"].objects}


async def test_a_cluster_with_nothing_to_bring_back_gets_the_lift_as_well() -> None:
    world = World()
    await _dark(world)
    world.clusters["b"].objects.clear()
    empty = ClusterPlan(cluster=world.clusters["b"].cluster, items=())
    outcome = await _bring_back(world, _plan(wave_of("all", _part(world, "a"), empty)))
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}
    assert TOMBSTONE in world.clusters["b"].objects


async def test_the_lift_is_everywhere_before_anything_is_scaled() -> None:
    """Also in the clusters of later waves."""
    world = World()
    await _dark(world)
    await _bring_back(world, _plan(wave_of("one", _part(world, "a")), wave_of("two", _part(world, "b"))))
    sent = [str(event.data.get("object")) for event in world.journal.events if event.type == "sending"]
    lifts = [index for index, name in enumerate(sent) if "lift." in name]
    scales = [index for index, name in enumerate(sent) if name == str(WORKLOAD)]
    assert len(lifts) == 2
    assert max(lifts) < min(scales)


async def test_a_damaged_tombstone_is_written_anew_and_a_sound_one_stays() -> None:
    world = World("ab")
    await _dark(world)
    await world.clusters["a"].create({**LIFT.to_config_map(), "data": {"digest": "nonsense"}})
    sound = await world.clusters["b"].create({**LIFT.to_config_map(), "note": "the first"})
    await _bring_back(world, _plan(wave_of("all", _part(world, "a"), _part(world, "b"))))
    assert world.clusters["a"].objects[TOMBSTONE]["data"]["digest"] == DIGEST
    assert world.clusters["b"].objects[TOMBSTONE] == sound


async def test_a_lock_of_somebody_else_refuses_before_anything_is_lifted() -> None:
    world = World("a")
    await _dark(world)
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"lock.{MODEL}", "namespace": "orchestrator-system"},
        "spec": {"holderIdentity": "somebody@else", "leaseDurationSeconds": 3601},
    }
    await world.clusters["a"].create(lease)
    with pytest.raises(LockedError):
        await _bring_back(world, _plan(wave_of("all", _part(world, "a"))))
    assert TOMBSTONE not in world.clusters["a"].objects


async def test_a_refused_item_refuses_the_run() -> None:
    """No room: nothing is locked, lifted or scaled."""
    world = World("a")
    await _dark(world)
    short = (Reason(code="capacity", message="short by 2 cpu"),)
    with pytest.raises(RefusedError) as refused:
        await _bring_back(world, _plan(wave_of("all", _part(world, "a", refusals=short))))
    assert refused.value.code == "capacity"
    assert world.writes() == {}


async def test_an_unproven_wave_keeps_the_later_ones_dark() -> None:
    """What cannot be judged opens no gate; nothing of the second wave is scaled."""
    world = World("ab")
    await _dark(world)
    world.verifier.says["a"] = Readiness.UNKNOWN
    outcome = await _bring_back(world, _plan(wave_of("one", _part(world, "a")), wave_of("two", _part(world, "b"))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED, "b": Verdict.NOT_RUN}
    assert _number(world, "b") == 0


async def test_an_interruption_leaves_what_a_later_run_needs() -> None:
    """Stopped while replicas are written: the hold and the records stay, and the item says that it was interrupted."""
    world = World("a")
    await _dark(world)

    def stop(event: Event) -> None:
        if event.data.get("verb") == "scale":
            world.stop.set()

    world.on_event = stop
    outcome = await _bring_back(world, _plan(wave_of("all", _part(world, "a"))))
    assert outcome.interrupted
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    names = {ref.name for ref in world.clusters["a"].objects}
    assert {HOLD.object_name, RECORD.object_name} <= names
