"""A whole run over clusters in memory: what is begun, what is left, and that nothing is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.events import EventType
from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import ObjectRef
from orchestrator.core.plan import ClusterPlan, ItemPlan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.records import HOLD, record
from orchestrator.core.verdict import Readiness, Reason, State, Verdict, Want
from orchestrator.errors import ClusterError, Forbidden
from tests.unit.execution.doubles import (
    MODEL,
    idle,
    item_of,
    locks_in,
    plan_of,
    wave_of,
)
from tests.unit.execution.world import World, codes, verdicts


async def test_every_step_is_carried_out_in_order_and_no_lock_is_left() -> None:
    world = World()
    plan = plan_of(*(wave_of(f"s{name}", world.part(name, step=f"s{name}")) for name in "abc"))
    outcome = await world.run(plan)
    assert verdicts(outcome) == dict.fromkeys("abc", Verdict.VERIFIED)
    assert not outcome.interrupted
    assert all(item.changed and item.state is State.ENABLED and item.times.verified for item in outcome.items)
    waves = [event.step for event in world.told if event.type is EventType.WAVE_STARTED]
    assert waves == ["sa", "sb", "sc"]
    assert all(locks_in(cluster) == [] for cluster in world.clusters.values())


async def test_every_write_of_an_item_is_journaled_before_it_is_sent_and_after_it_is_answered() -> None:
    world = World("a")
    seen: list[tuple[str, int]] = []

    def note(verb: str, ref: ObjectRef) -> ClusterError | None:
        if ref.kind != "Lease" and verb not in ("get", "list"):
            seen.append((f"{verb} {ref}", len(world.journal.events)))
            assert world.journal.durable == len(world.journal.events), "sent before the disk had what was journaled"
        return None

    world.clusters["a"].failing = note
    await world.run(plan_of(wave_of("s", world.part("a"))))
    events = world.journal.events
    assert [name for name, _ in seen] == [
        f"apply ConfigMap orchestrator-system/model.{MODEL}",
        "apply apps/Deployment serving/fable",
        "scale apps/Deployment serving/fable",
    ]
    for name, journaled in seen:
        last = events[journaled - 1]
        assert last.type is EventType.SENDING
        assert last.data["object"] in name
        assert events[journaled].type is EventType.ANSWERED
    scaled = next(event for event in events if event.data.get("verb") == "scale")
    assert scaled.data["replicas"] == {"before": 1, "after": 3}


async def test_a_plan_with_nothing_due_is_looked_at_and_touches_nothing() -> None:
    world = World()
    waves = [wave_of(name, world.part(name, step=name, **idle())) for name in "abc"]
    outcome = await world.run(plan_of(*waves))
    assert verdicts(outcome) == dict.fromkeys("abc", Verdict.VERIFIED)
    assert world.writes() == {}
    assert world.journal.events == []
    assert sorted(world.verifier.looked) == ["a", "b", "c"]
    assert world.verifier.settled == []
    assert not any(item.changed for item in outcome.items)


async def test_a_cluster_with_nothing_due_beside_others_is_neither_locked_nor_written() -> None:
    world = World("ab")
    outcome = await world.run(plan_of(wave_of("s", world.part("a", **idle()), world.part("b"))))
    assert verdicts(outcome) == dict.fromkeys("ab", Verdict.VERIFIED)
    assert list(world.writes()) == ["b"]


async def test_what_is_only_on_its_way_is_waited_for_though_nothing_is_due() -> None:
    world = World("a")
    world.verifier.says["a"] = Readiness.PROGRESSING
    outcome = await world.run(plan_of(wave_of("s", world.part("a", **idle()))))
    assert verdicts(outcome) == {"a": Verdict.FAILED}
    assert len(world.verifier.settled) == 1


@pytest.mark.parametrize(
    ("readiness", "want", "verdict"),
    [
        (Readiness.FAILED, Want.ENABLED, Verdict.FAILED),
        (Readiness.PROGRESSING, Want.ENABLED, Verdict.FAILED),
        (Readiness.PROGRESSING, Want.DISABLED, Verdict.RESIDUE),
        (Readiness.UNKNOWN, Want.ENABLED, Verdict.UNVERIFIED),
        (Readiness.UNKNOWN, Want.DISABLED, Verdict.UNVERIFIED),
    ],
)
async def test_whatever_is_not_proven_stops_later_steps(readiness: Readiness, want: Want, verdict: Verdict) -> None:
    world = World("ab")
    if want is Want.DISABLED:
        for cluster in world.clusters.values():
            await cluster.create({**item_of(cluster.cluster).changes[0].manifest, "spec": {"replicas": 3}})  # type: ignore[dict-item]
            cluster.requests.clear()
    world.verifier.says["a"] = readiness
    waves = [wave_of(name, world.part(name, step=name, want=want), want=want) for name in "ab"]
    outcome = await world.run(plan_of(*waves))
    assert verdicts(outcome) == {"a": verdict, "b": Verdict.NOT_RUN}
    assert "step a failed (1 failed, 0 tolerated)" in outcome.items[1].reasons[0].message
    assert [name for name in world.clusters["b"].writes() if "Lease" not in name] == []


async def test_continue_goes_on_with_every_cluster_and_step() -> None:
    world = World()
    world.verifier.says["a"] = Readiness.FAILED
    first = wave_of("one", world.part("a", step="one"), world.part("b", step="one"), max_concurrent=1)
    plan = plan_of(first, wave_of("two", world.part("c", step="two")), on_failure=OnFailure.CONTINUE)
    assert verdicts(await world.run(plan)) == {"a": Verdict.FAILED, "b": Verdict.VERIFIED, "c": Verdict.VERIFIED}


async def test_a_tolerated_failure_lets_the_next_step_begin() -> None:
    world = World()
    world.verifier.says["a"] = Readiness.FAILED
    first = wave_of("one", world.part("a", step="one"), world.part("b", step="one"), max_failures=1)
    outcome = await world.run(plan_of(first, wave_of("two", world.part("c", step="two"))))
    assert verdicts(outcome) == {"a": Verdict.FAILED, "b": Verdict.VERIFIED, "c": Verdict.VERIFIED}


async def test_every_model_in_every_cluster_appears_exactly_once_whatever_happened() -> None:
    world = World("abcde")
    world.verifier.says["b"] = Readiness.FAILED
    lost = Cluster(name="lost", region="far", country="DE")
    gone = ((lost, Reason(code="certificate", message="unknown authority")),)
    models = (MODEL, "mythos-5")

    def both(name: str, step: str) -> ClusterPlan:
        cluster = world.clusters[name].cluster
        items: tuple[ItemPlan, ...] = tuple(item_of(cluster, step, model=model) for model in models)
        return ClusterPlan(cluster=cluster, items=items)

    one = replace(wave_of("one", both("a", "one"), both("b", "one")), unreachable=gone)
    held = replace(both("c", "one").items[0], held_by=("order",))
    two = wave_of("two", ClusterPlan(cluster=world.clusters["c"].cluster, items=(held,)), both("d", "two"))
    outcome = await world.run(plan_of(one, two, models=models))
    keys = [(item.model, item.cluster) for item in outcome.items]
    assert len(keys) == len(set(keys))
    assert set(keys) == {*((model, name) for model in models for name in ("a", "b", "d", "lost")), (MODEL, "c")}
    assert {item.verdict for item in outcome.items if item.cluster == "lost"} == {Verdict.UNREACHABLE}
    assert next(item for item in outcome.items if item.cluster == "lost").reasons[0].code == "certificate"


async def test_a_held_item_is_kept_off_and_nothing_is_sent() -> None:
    world = World("ab")
    world.verifier.sees["a"] = State.DISABLED
    plan = plan_of(wave_of("s", world.part("a", held_by=("directive",)), world.part("b")))
    outcome = await world.run(plan)
    assert verdicts(outcome) == {"a": Verdict.HELD, "b": Verdict.VERIFIED}
    assert outcome.items[0].holds == ("directive",)
    assert world.clusters["a"].writes() == []


async def test_a_hold_that_came_after_the_plan_is_found_before_the_first_write() -> None:
    world = World("a")
    hold = record("ConfigMap", "late", HOLD, MODEL, {"data": {}})
    await world.clusters["a"].create(hold)
    world.clusters["a"].requests.clear()
    world.verifier.sees["a"] = State.DISABLED
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert verdicts(outcome) == {"a": Verdict.HELD}
    assert outcome.items[0].holds == ("late",)
    assert [name for name in world.clusters["a"].writes() if "Lease" not in name] == []


async def test_holds_that_cannot_be_read_let_nothing_through() -> None:
    world = World("a")
    refusal = Forbidden("cannot list configmaps", status=403)
    world.clusters["a"].failing = lambda verb, ref: refusal if verb == "list" else None
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}
    assert codes(outcome.items[0]) == ["forbidden"]
    assert [name for name in world.clusters["a"].writes() if "Lease" not in name] == []


async def test_switching_off_asks_for_no_hold() -> None:
    world = World("a")
    refusal = Forbidden("cannot list configmaps", status=403)
    world.clusters["a"].failing = lambda verb, ref: refusal if verb == "list" else None
    part = world.part("a", want=Want.DISABLED)
    outcome = await world.run(plan_of(wave_of("s", part, want=Want.DISABLED)))
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}


async def test_the_verifier_is_told_the_generation_of_our_own_write() -> None:
    world = World("a")
    await world.run(plan_of(wave_of("s", world.part("a"))))
    (subject,) = world.verifier.settled
    wanted = subject.expectations[0].wanted
    assert (wanted.generation, wanted.replicas) == (1, 3)
