"""A whole run over clusters in memory: what is begun, what is left, and that nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.ports import Clock
from orchestrator.core.records import HOLD, CatalogueEntry, record
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import Readiness, Reason, State, Verdict, Want
from orchestrator.errors import ClusterError, Conflict, Forbidden, LockedError, Overloaded, RefusedError, Unreachable
from orchestrator.execution import RunOptions, RunOutcome, RunPorts, execute
from tests.unit.execution.doubles import (
    MODEL,
    WORKLOAD,
    JumpingClock,
    MemoryCluster,
    MemoryJournal,
    SilentProber,
    ToldVerifier,
    idle,
    item_of,
    locks_in,
    plan_of,
    wave_of,
)


@dataclass
class World:
    """Some clusters in memory, and everything a run needs."""

    names: str = "abc"
    verifier: ToldVerifier = field(default_factory=ToldVerifier)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    clock: JumpingClock = field(default_factory=JumpingClock)
    told: list[Event] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    wait_lock: float | None = None
    cluster_deadline: float = 600.0
    on_event: Callable[[Event], None] = lambda event: None

    def __post_init__(self) -> None:
        self.clusters = {name: MemoryCluster(name) for name in self.names}

    def part(self, name: str, **changed: Any) -> ClusterPlan:
        cluster = self.clusters[name].cluster
        return ClusterPlan(cluster=cluster, items=(item_of(cluster, **changed),))

    def hear(self, event: Event) -> None:
        self.told.append(event)
        self.on_event(event)

    async def run(self, plan: Plan) -> RunOutcome:
        clock: Clock = self.clock
        ports = RunPorts(
            writers=self.clusters,
            verifier=self.verifier,
            prober=SilentProber(),
            checks={},
            journal=self.journal,
            clock=clock,
            tell=self.hear,
        )
        options = RunOptions(
            run="R",
            holder="me@here pid 1 run R",
            wait_lock=self.wait_lock,
            stop=self.stop,
            cluster_deadline=self.cluster_deadline,
        )
        return await asyncio.wait_for(execute(plan, ports, options), 20)

    def writes(self) -> dict[str, list[str]]:
        return {name: cluster.writes() for name, cluster in self.clusters.items() if cluster.writes()}


def verdicts(outcome: RunOutcome) -> dict[str, Verdict]:
    return {item.cluster: item.verdict for item in outcome.items}


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]


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


async def test_the_verifier_is_told_the_generation_of_our_own_write() -> None:
    world = World("a")
    await world.run(plan_of(wave_of("s", world.part("a"))))
    (subject,) = world.verifier.settled
    wanted = subject.expectations[0].wanted
    assert (wanted.generation, wanted.replicas) == (1, 3)


def entry_in(cluster: MemoryCluster) -> CatalogueEntry:
    ref = ObjectRef("v1", "ConfigMap", "orchestrator-system", f"model.{MODEL}")
    return CatalogueEntry.from_config_map(cluster.objects[ref])


async def test_a_soak_that_passed_is_recorded_in_the_cluster() -> None:
    world = World("a")
    await world.run(plan_of(wave_of("s", world.part("a"), soak=7.0)))
    assert world.verifier.soaks == [7.0]
    assert entry_in(world.clusters["a"]).soaked == {"p/s": "r1"}


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
    assert entry_in(world.clusters["a"]).soaked == {"p/s": "r1"}
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


async def test_a_journal_that_has_a_gap_is_said_in_the_outcome() -> None:
    class Broken(MemoryJournal):
        incomplete = True

    world = World("a", journal=Broken())
    outcome = await world.run(plan_of(wave_of("s", world.part("a"))))
    assert outcome.error is not None
    assert outcome.error.code == "evidence-incomplete"
    assert verdicts(outcome) == {"a": Verdict.VERIFIED}
