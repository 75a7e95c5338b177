"""A step counts as passed in a cluster only with the record of its soak and checks."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.objects import ObjectRef
from orchestrator.core.records import CatalogueEntry, passed, proof_of
from orchestrator.core.verdict import Readiness, Verdict, Want
from tests.unit.execution.doubles import (
    MODEL,
    MemoryCluster,
    idle,
    item_of,
    plan_of,
    wave_of,
)
from tests.unit.execution.world import World, verdicts


def entry_in(cluster: MemoryCluster) -> CatalogueEntry:
    ref = ObjectRef("v1", "ConfigMap", "orchestrator-system", f"model.{MODEL}")
    return CatalogueEntry.from_config_map(cluster.objects[ref])


async def test_a_soak_that_passed_is_recorded_in_the_cluster() -> None:
    world = World("a")
    await world.run(plan_of(wave_of("s", world.part("a"), soak=7.0)))
    assert world.verifier.soaks == [7.0]
    assert entry_in(world.clusters["a"]).soaked == {"p/s": passed("r1", proof_of(7.0, ()))}


async def test_a_soak_that_did_not_pass_is_not_recorded() -> None:
    world = World("a")
    world.verifier.says["a"] = Readiness.FAILED
    await world.run(plan_of(wave_of("s", world.part("a"), soak=7.0)))
    assert entry_in(world.clusters["a"]).soaked == {}


async def test_an_owed_soak_is_made_up_without_any_other_change() -> None:
    world = World("a")
    outcome = await world.run(plan_of(wave_of("s", world.part("a", **idle(soak_due=True)), soak=7.0)))
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}
    assert world.verifier.soaks == [7.0]
    assert entry_in(world.clusters["a"]).soaked == {"p/s": passed("r1", proof_of(7.0, ()))}
    others = [name for name in world.clusters["a"].writes() if "Lease" not in name and "Namespace" not in name]
    assert others == [f"apply ConfigMap orchestrator-system/model.{MODEL}"]


async def test_a_change_withdraws_the_soak_of_the_same_revision_until_it_has_passed_again() -> None:
    """Killed while drift is mended, the next run must not take the old soak for the new one."""
    world = World("a")
    world.verifier.says["a"] = Readiness.FAILED
    cluster = world.clusters["a"].cluster
    passed = replace(item_of(cluster).entry, soaked={"p/s": "r1", "p/other": "r1"})
    part = world.part("a", entry=passed, entry_changes=False)
    await world.run(plan_of(wave_of("s", part, soak=7.0)))
    assert entry_in(world.clusters["a"]).soaked == {"p/other": "r1"}


async def test_a_check_nobody_knows_is_unverified_and_leaves_no_record() -> None:
    world = World("a")
    outcome = await world.run(plan_of(wave_of("s", world.part("a"), checks=({"nonsense": {}},))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert entry_in(world.clusters["a"]).soaked == {}


async def test_what_was_never_recorded_is_watched_for_the_soak_and_left_unrecorded() -> None:
    """One look at a model that is off proves too little; nothing is locked or written for what never was here."""
    world = World("a")
    part = world.part("a", want=Want.DISABLED, **idle())
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED, soak=3.0)))
    assert (verdicts(outcome), world.verifier.soaks) == ({"a": Verdict.VERIFIED}, [3.0])
    assert world.writes() == {}


async def test_what_was_never_recorded_is_checked_as_well() -> None:
    world = World("a")
    part = world.part("a", want=Want.DISABLED, **idle())
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED, checks=({"nonsense": {}},))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert world.writes() == {}


async def test_what_is_on_record_as_having_soaked_off_is_only_looked_at() -> None:
    world = World("a")
    part = world.part("a", want=Want.DISABLED, **idle())
    (item,) = part.items
    entry = replace(item.entry, soaked={"p/s": passed("disabled", proof_of(3.0, ()))})
    part = world.part("a", want=Want.DISABLED, **idle(entry=entry, previous=entry))
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED, soak=3.0)))
    assert (verdicts(outcome), world.verifier.soaks) == ({"a": Verdict.VERIFIED}, [])
