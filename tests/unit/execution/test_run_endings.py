"""How a run over clusters in memory ends when something refuses, hangs, breaks or is stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject
from orchestrator.core.playbook import OnFailure
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.errors import ClusterError, Conflict, Forbidden, LockedError, Overloaded, RefusedError, Unreachable
from tests.unit.execution.doubles import (
    MODEL,
    WORKLOAD,
    MemoryJournal,
    locks_in,
    plan_of,
    wave_of,
)
from tests.unit.execution.world import World, codes, verdicts


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Forbidden("cannot patch deployments.apps in serving", status=403), Verdict.FAILED),
        (Conflict("somebody owns it"), Verdict.FAILED),
        (Overloaded("503 after every retry", status=503), Verdict.FAILED),
        (Unreachable("connection reset"), Verdict.UNREACHABLE),
    ],
)
async def test_a_refused_write_ends_its_item_with_the_reason_and_what_was_sent(
    error: ClusterError, verdict: Verdict
) -> None:
    world = World("ab")
    world.clusters["a"].failing = lambda verb, ref: error if (verb, ref) == ("apply", WORKLOAD) else None
    outcome = await world.run(plan_of(wave_of("s", world.part("a"), world.part("b"))))
    assert verdicts(outcome) == {"a": verdict, "b": Verdict.VERIFIED}
    first, sent = outcome.items[0].reasons
    assert (first.code, first.message, first.object) == (error.code, error.message, str(WORKLOAD))
    assert f"apply ConfigMap orchestrator-system/model.{MODEL}" in sent.message
    assert not any("scale" in name for name in world.clusters["a"].writes())


async def test_a_cluster_that_never_answers_a_write_ends_at_its_deadline_and_costs_the_others_nothing() -> None:
    world = World("ab", cluster_deadline=0.05)

    async def hang(manifest: JsonObject, *, force: bool = False, dry_run: bool = False) -> JsonObject:
        await asyncio.Event().wait()
        raise AssertionError

    world.clusters["a"].apply = hang  # type: ignore[method-assign]
    outcome = await world.run(plan_of(wave_of("s", world.part("a"), world.part("b"))))
    assert verdicts(outcome) == {"a": Verdict.UNREACHABLE, "b": Verdict.VERIFIED}
    assert codes(outcome.items[0]) == ["deadline", "sent"]
    unanswered = [event for event in world.journal.events if event.data.get("error") == "no-answer"]
    assert [(event.cluster, event.data["verb"]) for event in unanswered] == [("a", "apply")]


async def test_a_terminal_that_went_away_stops_nothing() -> None:
    world = World("a")

    def broken(event: Event) -> None:
        raise BrokenPipeError

    world.on_event = broken
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}
    assert world.journal.events[-1].type is EventType.RUN_ENDED


async def test_a_defect_of_ours_costs_the_other_clusters_nothing_and_verifies_nothing() -> None:
    world = World("ab")
    world.verifier.raises["a"] = RuntimeError("a defect")
    outcome = await world.run(plan_of(wave_of("s", world.part("a"), world.part("b"))))
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED, "b": Verdict.VERIFIED}
    assert codes(outcome.items[0])[0] == "internal"


async def test_a_lock_held_by_another_refuses_the_run_before_anything_is_sent() -> None:
    world = World()
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"lock.{MODEL}", "namespace": "orchestrator-system"},
        "spec": {
            "holderIdentity": "other@there\x1b[31m",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-11-23T20:44:59.000000Z",
            "renewTime": "2026-11-23T20:44:59.000000Z",
        },
    }
    await world.clusters["b"].create(lease)
    with pytest.raises(LockedError) as refused:
        await world.run(plan_of(wave_of("s", *map(world.part, "abc"))))
    message = refused.value.message
    assert message.startswith(f"{MODEL} in b is locked by other@there")
    assert "since 2026-11-23T20:44:59.000000Z" in message
    assert message.isprintable()
    assert [len(locks_in(cluster)) for cluster in world.clusters.values()] == [0, 0, 0]
    assert all("Lease" in name for names in world.writes().values() for name in names)


async def test_a_cluster_that_does_not_answer_about_its_lock_is_unreachable_and_the_others_go_on() -> None:
    world = World("ab")
    world.clusters["a"].failing = lambda verb, ref: Unreachable("no route")
    outcome = await world.run(plan_of(wave_of("s", world.part("a"), world.part("b"))))
    assert verdicts(outcome) == {"a": Verdict.UNREACHABLE, "b": Verdict.VERIFIED}


async def test_a_refused_plan_is_not_begun() -> None:
    world = World("a")
    plan = replace(plan_of(wave_of("s", world.part("a"))), refusals=(Reason(code="safety", message="too few left"),))
    with pytest.raises(RefusedError, match="too few left"):
        await world.run(plan)
    assert world.clusters["a"].requests == []


async def test_an_item_with_refusals_is_never_sent() -> None:
    world = World("a")
    refusal = Reason(code="conflict", message="owned by helm")
    outcome = await world.run(plan_of(wave_of("s", world.part("a", refusals=(refusal,)))))
    assert verdicts(outcome) == {"a": Verdict.FAILED}
    assert world.writes() == {}


async def test_a_stop_while_waiting_ends_the_run_and_says_what_was_left() -> None:
    world = World()
    world.verifier.hangs.add("a")
    world.on_event = lambda event: (
        asyncio.get_running_loop().call_later(0.05, world.stop.set)
        if event.type is EventType.ANSWERED and event.data.get("verb") == "scale"
        else None
    )
    waves = [wave_of(name, world.part(name, step=name)) for name in "abc"]
    outcome = await world.run(plan_of(*waves, on_failure=OnFailure.ROLLBACK_RUN))
    assert outcome.interrupted
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED, "b": Verdict.NOT_RUN, "c": Verdict.NOT_RUN}
    assert codes(outcome.items[0])[0] == "interrupted"
    assert outcome.items[1].reasons[0].code == "interrupted"
    assert all(locks_in(cluster) == [] for cluster in world.clusters.values())


async def test_a_stop_between_two_writes_sends_nothing_more() -> None:
    world = World("a")

    def stop_after_apply(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data["object"] == str(WORKLOAD):
            world.stop.set()

    world.on_event = stop_after_apply
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert outcome.interrupted
    assert not any("scale" in name for name in world.clusters["a"].writes())
    assert verdicts(outcome) == {"a": Verdict.UNVERIFIED}


async def test_a_stop_that_comes_after_the_last_verdict_interrupts_nothing() -> None:
    world = World("a")
    world.on_event = lambda event: world.stop.set() if event.type is EventType.WAVE_ENDED else None
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert not outcome.interrupted
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}


async def test_a_journal_that_has_a_gap_is_said_in_the_outcome() -> None:
    class Broken(MemoryJournal):
        incomplete = True

    world = World("a", journal=Broken())
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert outcome.error is not None
    assert outcome.error.code == "evidence-incomplete"
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}
