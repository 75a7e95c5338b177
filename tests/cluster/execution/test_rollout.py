"""Carrying out plans on real control planes: what is written, in which order, and what is left behind."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.plan import Plan
from orchestrator.core.records import CatalogueEntry, manifests_name, passed, proof_of
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import State, Verdict, Want
from orchestrator.delivery import FleetConnection
from orchestrator.evidence import read_journal
from orchestrator.execution import RunOutcome
from orchestrator.execution.leases import LeaseLock
from tests.cluster.execution.conftest import JumpingClock, Runner, Witness
from tests.cluster.execution.plans import CRASHING, SLOW_TO_GO, Release, plan, previous_entry, wave

SYSTEM = "orchestrator-system"


def verdicts(outcome: RunOutcome) -> list[Verdict]:
    return [item.verdict for item in outcome.items]


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]


async def everywhere(runner: Runner, release: Release, **changed: Any) -> Plan:
    """The release in every cluster, one step each."""
    waves = [
        wave(f"step-{number}", (writer, await release.plan(writer, f"step-{number}")), **changed)
        for number, writer in enumerate(runner.writers)
    ]
    return plan(release.model, *waves)


def deployment(witness: Witness, release: Release) -> dict[str, Any] | None:
    return witness.get("deployment", release.model, "-n", release.namespace)


async def test_a_rollout_leaves_models_records_and_no_lock(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release = Release(model, namespace)
    outcome = await runner.run(await everywhere(runner, release))
    assert verdicts(outcome) == [Verdict.VERIFIED] * 3
    assert all(item.state is State.ENABLED and item.revision == release.revision for item in outcome.items)
    for witness in witnesses.values():
        live = deployment(witness, release)
        assert live is not None
        assert (live["spec"]["replicas"], live["status"]["readyReplicas"]) == (2, 2)
        assert witness.get("secret", manifests_name(model, release.revision), "-n", SYSTEM) is not None
        assert witness.get("lease", f"lock.{model}", "-n", SYSTEM) is None
        entry = CatalogueEntry.from_config_map(witness.get("configmap", f"model.{model}", "-n", SYSTEM) or {})
        assert (entry.want, entry.revision) == (Want.ENABLED, release.revision)


async def test_every_change_is_journaled_before_it_is_sent_and_after_it_is_answered(
    runner: Runner, model: str, namespace: str
) -> None:
    release = Release(model, namespace)
    writer = runner.writers[0]
    await runner.run(plan(model, wave("s", (writer, await release.plan(writer, "s")))))
    assert runner.journal is not None
    contents = read_journal(runner.journal.path)
    assert contents.damage is None
    events = [record.event for record in contents.records]
    sent = []
    for before, after in pairwise(events):
        if before.type is EventType.SENDING:
            assert (after.type, after.data["object"]) == (EventType.ANSWERED, before.data["object"])
            # A Deployment's own controller writes it too: then its number is read and written anew.
            if before.data["verb"] == "scale" and after.data.get("error") == "conflict":
                continue
            assert "error" not in after.data
            sent.append(before)
    assert [(event.data["verb"], event.data["object"]) for event in sent] == [
        ("create", f"Secret {SYSTEM}/{manifests_name(model, release.revision)}"),
        ("apply", f"ConfigMap {SYSTEM}/model.{model}"),
        ("create", f"ConfigMap {namespace}/{model}-1"),
        ("create", f"apps/Deployment {namespace}/{model}"),
        ("scale", f"apps/Deployment {namespace}/{model}"),
    ]
    assert sent[-1].data["replicas"] == {"before": 1, "after": 2}
    assert "image" not in runner.journal.path.read_text()


async def test_the_same_plan_again_writes_nothing_anywhere(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release = Release(model, namespace)
    await runner.run(await everywhere(runner, release))
    before = {name: witness.versions(namespace, model) for name, witness in witnesses.items()}
    again = await everywhere(runner, release)
    assert not again.is_due
    outcome = await runner.run(again)
    assert verdicts(outcome) == [Verdict.VERIFIED] * 3
    assert not any(item.changed for item in outcome.items)
    assert {name: witness.versions(namespace, model) for name, witness in witnesses.items()} == before
    assert runner.journal is not None
    assert not runner.journal.path.exists()


async def test_drift_in_replicas_is_mended_and_nothing_else_is_written(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release = Release(model, namespace)
    await runner.run(await everywhere(runner, release))
    drifted, *others = witnesses
    witnesses[drifted]("scale", "deployment", model, "-n", namespace, "--replicas=5")
    before = {name: witnesses[name].versions(namespace, model) for name in others}
    outcome = await runner.run(await everywhere(runner, release))
    assert verdicts(outcome) == [Verdict.VERIFIED] * 3
    assert [item.changed for item in outcome.items] == [True, False, False]
    assert deployment(witnesses[drifted], release)["spec"]["replicas"] == 2  # type: ignore[index]
    assert {name: witnesses[name].versions(namespace, model) for name in others} == before


async def test_switching_off_soaks_once_and_a_second_run_owes_nothing(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release, writer = Release(model, namespace, pod_annotations=SLOW_TO_GO), runner.writers[0]
    await runner.run(plan(model, wave("on", (writer, await release.plan(writer, "on")))))
    off = plan(model, wave("off", (writer, await release.plan_off(writer, "off", soak_due=True)), soak=1.5))
    began = runner.clock.elapsed()
    outcome = await runner.run(off)
    assert runner.clock.elapsed() - began >= 1.5
    (item,) = outcome.items
    assert (item.verdict, item.state, item.replicas.pods) == (Verdict.VERIFIED, State.DISABLED, 0)
    assert item.times.last_pod_gone is not None
    entry = await previous_entry(writer, model)
    assert entry is not None
    assert entry.soaked == {"p/off": passed("disabled", proof_of(1.5, ()))}
    again = plan(model, wave("off", (writer, await release.plan_off(writer, "off")), soak=1.5))
    assert not again.is_due
    before = witnesses[writer.cluster.name].versions(namespace, model)
    assert verdicts(await runner.run(again)) == [Verdict.VERIFIED]
    assert witnesses[writer.cluster.name].versions(namespace, model) == before


async def test_a_soak_that_was_cut_short_is_made_up_by_the_next_run(runner: Runner, model: str, namespace: str) -> None:
    release, writer = Release(model, namespace), runner.writers[0]
    first = plan(model, wave("s", (writer, await release.plan(writer, "s", soak_due=True)), soak=60))

    def stop_while_soaking(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data["verb"] == "scale" and "error" not in event.data:
            asyncio.get_running_loop().call_later(2, runner.stop.set)

    runner.on_event = stop_while_soaking
    outcome = await asyncio.wait_for(runner.run(first), 50)
    assert outcome.interrupted
    entry = await previous_entry(writer, model)
    assert entry is not None
    assert entry.soaked == {}
    runner.on_event = lambda event: None
    runner.stop.clear()
    owed = plan(model, wave("s", (writer, await release.plan(writer, "s", soak_due=True)), soak=1))
    assert not owed.has_changes
    assert verdicts(await runner.run(owed)) == [Verdict.VERIFIED]
    entry = await previous_entry(writer, model)
    assert entry is not None
    assert entry.soaked == {"p/s": passed(release.revision, proof_of(1, ()))}


async def test_a_crashing_canary_ends_early_and_later_steps_are_never_touched(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release = Release(model, namespace, pod_annotations=CRASHING)
    began = runner.clock.elapsed()
    outcome = await runner.run(await everywhere(runner, release, progress_deadline=120))
    assert runner.clock.elapsed() - began < 60
    assert verdicts(outcome) == [Verdict.FAILED, Verdict.NOT_RUN, Verdict.NOT_RUN]
    for name in list(witnesses)[1:]:
        assert deployment(witnesses[name], release) is None
        assert witnesses[name].get("configmap", f"model.{model}", "-n", SYSTEM) is None


async def test_a_laptop_that_slept_between_two_writes_sends_the_second_to_nobody(
    runner: Runner, witnesses: dict[str, Witness], connection: FleetConnection, model: str, namespace: str
) -> None:
    """While it slept another run took the lock: the model's manifests must never arrive."""
    release, writer = Release(model, namespace), runner.writers[0]
    witness = witnesses[writer.cluster.name]

    class Sleeping(JumpingClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)  # the renewing task sleeps as well, and wakes too late

    runner.clock = clock = Sleeping()
    heir = LeaseLock(writer, model, "heir", JumpingClock())

    def fall_asleep(event: Event) -> None:
        if event.type is EventType.SENDING and event.data["object"] == str(release.deployment):
            # Another laptop, meanwhile, as its own process would do it.
            patch = json.dumps({"spec": {"holderIdentity": "heir"}})
            witness("patch", "lease", f"lock.{model}", "-n", SYSTEM, "--type=merge", "-p", patch)
            clock.jumped += 3600

    runner.on_event = fall_asleep
    outcome = await runner.run(plan(model, wave("s", (writer, await release.plan(writer, "s")))))
    (item,) = outcome.items
    assert (item.verdict, item.reasons[0].code) == (Verdict.FAILED, "lock-lost")
    assert "heir" in item.reasons[0].message
    assert deployment(witness, release) is None
    lease = witness.get("lease", f"lock.{model}", "-n", SYSTEM)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "heir"
    await heir.take()
    await heir.release()


async def test_a_stop_ends_at_the_next_safe_point_and_leaves_no_lock(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    release = Release(model, namespace)

    def stop_after_first(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data["object"] == str(release.config):
            runner.stop.set()

    runner.on_event = stop_after_first
    outcome = await runner.run(await everywhere(runner, release))
    assert outcome.interrupted
    assert verdicts(outcome) == [Verdict.UNVERIFIED, Verdict.NOT_RUN, Verdict.NOT_RUN]
    for witness in witnesses.values():
        assert witness.get("lease", f"lock.{model}", "-n", SYSTEM) is None
        assert deployment(witness, release) is None
    runner.stop.clear()
    runner.on_event = lambda event: None
    assert verdicts(await runner.run(await everywhere(runner, release))) == [Verdict.VERIFIED] * 3
