"""What happened between the plan and its turn: holds, and runs of others that a plan knows nothing of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.objects import ObjectRef
from orchestrator.core.records import HOLD, CatalogueEntry, record
from orchestrator.core.verdict import Reason, State, Verdict, Want
from orchestrator.errors import Forbidden
from tests.unit.execution.doubles import MODEL, MemoryCluster, idle, item_of, plan_of, wave_of
from tests.unit.execution.world import World, codes, verdicts

ENTRY_REF = ObjectRef("v1", "ConfigMap", "orchestrator-system", f"model.{MODEL}")
ELSEWHERE = ("apps/v1", "Deployment", "elsewhere", "fable")


async def leave(cluster: MemoryCluster, entry: CatalogueEntry) -> None:
    """What another run left behind."""
    await cluster.create(entry.to_config_map())


@pytest.mark.parametrize("state", [State.ENABLED, State.MIXED, State.UNKNOWN])
async def test_a_model_that_is_not_seen_off_under_its_hold_is_not_called_held(state: State) -> None:
    world = World("a")
    world.verifier.sees["a"] = state
    outcome = await world.run(plan_of(wave_of("s", world.part("a", held_by=("directive",)))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED if state is State.UNKNOWN else Verdict.RESIDUE}
    assert world.writes() == {}


@pytest.mark.parametrize("due", [{}, {"soak_due": True}])
async def test_nothing_is_verified_enabled_under_a_hold_that_came_after_the_plan(due: dict[str, Any]) -> None:
    """A saved plan that has nothing to send must ask, too."""
    world = World("a")
    await world.clusters["a"].create(record("ConfigMap", "late", HOLD, MODEL, {"data": {}}))
    outcome = await world.run(plan_of(wave_of("s", world.part("a", **idle(**due)), soak=1.0)))
    assert verdicts(outcome) == {"a": Verdict.RESIDUE}
    assert outcome.items[0].holds == ("late",)


@pytest.mark.parametrize("changed", [{}, idle()])
async def test_a_plan_that_another_run_has_overtaken_enables_nothing(changed: dict[str, Any]) -> None:
    """It would overwrite what the other run recorded, and so lose what has to be stopped one day."""
    world = World("a")
    theirs = replace(item_of(world.clusters["a"].cluster).entry, objects=(ELSEWHERE,))
    await leave(world.clusters["a"], theirs)
    outcome = await world.run(plan_of(wave_of("s", world.part("a", **changed))))
    assert verdicts(outcome) == {"a": Verdict.FAILED}
    assert codes(outcome.items[0]) == ["stale-plan"]
    assert CatalogueEntry.from_config_map(world.clusters["a"].objects[ENTRY_REF]) == theirs


async def test_a_stop_that_another_run_has_overtaken_is_sent_and_not_verified() -> None:
    """What the other run made is not stopped by it, and must stay on record."""
    world = World("a")
    await leave(world.clusters["a"], replace(item_of(world.clusters["a"].cluster).entry, objects=(ELSEWHERE,)))
    part = world.part("a", want=Want.DISABLED)
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED, soak=1.0)))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert "stale-plan" in codes(outcome.items[0])
    entry = CatalogueEntry.from_config_map(world.clusters["a"].objects[ENTRY_REF])
    assert (entry.want, entry.objects, entry.soaked) == (Want.DISABLED, (ELSEWHERE,), {})


async def test_a_saved_plan_that_finds_nothing_to_stop_is_not_verified_after_another_run() -> None:
    world = World("a")
    await leave(world.clusters["a"], replace(item_of(world.clusters["a"].cluster).entry, objects=(ELSEWHERE,)))
    part = world.part("a", want=Want.DISABLED, **idle())
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED)))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert codes(outcome.items[0]) == ["stale-plan"]


async def test_a_stop_is_sent_but_not_verified_where_the_catalogue_cannot_be_read_again() -> None:
    world = World("a")
    refusal = Forbidden("cannot get configmaps", status=403)
    world.clusters["a"].failing = lambda verb, ref: refusal if (verb, ref) == ("get", ENTRY_REF) else None
    part = world.part("a", want=Want.DISABLED)
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED)))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert "forbidden" in codes(outcome.items[0])


@pytest.mark.parametrize("want", list(Want))
@pytest.mark.parametrize("changed", [{}, idle()])
async def test_what_the_planner_could_not_read_is_never_verified(want: Want, changed: dict[str, Any]) -> None:
    world = World("a")
    doubt = Reason(code="damaged-entry", message="of another version")
    part = world.part("a", want=want, doubts=(doubt,), **changed)
    outcome = await world.run(plan_of(wave_of("s", part, want=want, soak=1.0)))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert "damaged-entry" in codes(outcome.items[0])
