"""Carrying out plans on real control planes: what is written, in which order, and what is left alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import LABEL_MODEL, ObjectRef, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, Plan, Verb
from orchestrator.core.records import CatalogueEntry, manifests_name
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import State, Verdict, Want
from orchestrator.delivery import FleetConnection, connect
from orchestrator.evidence import read_journal
from orchestrator.execution import RunOutcome
from orchestrator.execution.leases import LeaseLock
from tests.cluster.conftest import ControlPlanes
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
    sent = [event for event in events if event.type is EventType.SENDING]
    assert [(event.data["verb"], event.data["object"]) for event in sent] == [
        ("create", f"Secret {SYSTEM}/{manifests_name(model, release.revision)}"),
        ("apply", f"ConfigMap {SYSTEM}/model.{model}"),
        ("create", f"ConfigMap {namespace}/{model}-1"),
        ("create", f"apps/Deployment {namespace}/{model}"),
        ("scale", f"apps/Deployment {namespace}/{model}"),
    ]
    for before in sent:
        after = events[events.index(before) + 1]
        assert (after.type, after.data["object"]) == (EventType.ANSWERED, before.data["object"])
        assert "error" not in after.data
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
    assert entry.soaked == {"p/off": "disabled"}
    again = plan(model, wave("off", (writer, await release.plan_off(writer, "off")), soak=1.5))
    assert not again.is_due
    before = witnesses[writer.cluster.name].versions(namespace, model)
    assert verdicts(await runner.run(again)) == [Verdict.VERIFIED]
    assert witnesses[writer.cluster.name].versions(namespace, model) == before


async def test_a_soak_that_was_cut_short_is_made_up_by_the_next_run(runner: Runner, model: str, namespace: str) -> None:
    release, writer = Release(model, namespace), runner.writers[0]
    first = plan(model, wave("s", (writer, await release.plan(writer, "s", soak_due=True)), soak=60))
    running = asyncio.create_task(runner.run(first))
    await asyncio.sleep(4)
    runner.stop.set()
    outcome = await asyncio.wait_for(running, 20)
    assert outcome.interrupted
    entry = await previous_entry(writer, model)
    assert entry is not None
    assert entry.soaked == {}
    runner.stop.clear()
    owed = plan(model, wave("s", (writer, await release.plan(writer, "s", soak_due=True)), soak=1))
    assert not owed.has_changes
    assert verdicts(await runner.run(owed)) == [Verdict.VERIFIED]
    entry = await previous_entry(writer, model)
    assert entry is not None
    assert entry.soaked == {"p/s": release.revision}


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


async def test_an_object_replaced_since_the_plan_is_not_touched(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    """Same name, other uid: somebody deleted it and made another, which nobody has looked at."""
    writer = runner.writers[0]
    witness = witnesses[writer.cluster.name]
    await runner.run(plan(model, wave("s", (writer, await Release(model, namespace).plan(writer, "s")))))
    newer = Release(model, namespace, "2")
    planned = plan(model, wave("s", (writer, await newer.plan(writer, "s"))))
    live = deployment(witness, newer)
    assert live is not None
    witness("delete", "deployment", model, "-n", namespace)
    bare = {key: live["spec"][key] for key in ("selector", "template")}
    metadata = {"name": model, "namespace": namespace}
    witness("create", "-f", "-", stdin=json.dumps({**live, "metadata": metadata, "spec": bare, "status": {}}))
    outcome = await runner.run(planned)
    (item,) = outcome.items
    assert (item.verdict, item.reasons[0].code) == (Verdict.FAILED, "conflict")
    assert item.reasons[0].object == f"apps/Deployment {namespace}/{model}"
    image = deployment(witness, newer)["spec"]["template"]["spec"]["containers"][0]["image"]  # type: ignore[index]
    assert image == "registry.example/fable:1"


def apply_as_them(witness: Witness, release: Release, data: dict[str, str]) -> None:
    """The release's ConfigMap, as another tool applied it: without our marks, with its own content."""
    metadata = {"name": release.config.name, "namespace": release.namespace}
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    witness("apply", "--server-side", "--field-manager=them", "-f", "-", stdin=json.dumps(foreign))


async def test_only_listed_fields_are_taken_from_another_manager(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    writer = runner.writers[0]
    witness = witnesses[writer.cluster.name]
    release = Release(model, namespace)
    apply_as_them(witness, release, {"version": "theirs", "other": "theirs"})
    refused = await runner.run(plan(model, wave("s", (writer, await release.plan(writer, "s")))))
    assert refused.items[0].verdict is Verdict.FAILED
    assert codes(refused.items[0])[0] == "conflict"

    item = await release.plan(writer, "s")
    forced = tuple(
        replace(change, forces=((".data.version", "them"),)) if change.ref == release.config else change
        for change in item.changes
    )
    outcome = await runner.run(plan(model, wave("s", (writer, replace(item, changes=forced)))))
    assert verdicts(outcome) == [Verdict.VERIFIED]
    data = witness.get("configmap", release.config.name, "-n", namespace)["data"]  # type: ignore[index]
    assert data == {"version": "1", "other": "theirs"}


async def test_fields_that_somebody_took_after_the_plan_are_not_forced(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    writer = runner.writers[0]
    witness = witnesses[writer.cluster.name]
    release = Release(model, namespace)
    apply_as_them(witness, release, {"version": "theirs"})
    item = await release.plan(writer, "s")
    forced = tuple(replace(change, forces=((".data.other", "them"),)) for change in item.changes)
    outcome = await runner.run(plan(model, wave("s", (writer, replace(item, changes=forced)))))
    assert verdicts(outcome) == [Verdict.FAILED]
    assert witness.get("configmap", release.config.name, "-n", namespace)["data"] == {"version": "theirs"}  # type: ignore[index]


async def test_adopting_labels_in_place_changes_no_generation_and_restarts_no_pod(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    writer = runner.writers[0]
    witness = witnesses[writer.cluster.name]
    release = Release(model, namespace)
    theirs = release.manifests[1]
    for metadata in (theirs["metadata"], theirs["spec"]["template"]["metadata"]):
        metadata.pop("annotations", None)
        metadata["labels"].pop(LABEL_MODEL, None)
    witness("create", "-f", "-", stdin=json.dumps({**theirs, "spec": {**theirs["spec"], "replicas": 2}}))
    witness("rollout", "status", f"deployment/{model}", "-n", namespace, "--timeout=60s")
    before = deployment(witness, release)
    pods = pods_of(witness, release)
    assert before is not None
    adopting = await adoption(runner, release, before["metadata"]["uid"])
    outcome = await runner.run(adopting)
    assert verdicts(outcome) == [Verdict.VERIFIED]
    after = deployment(witness, release)
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["labels"][LABEL_MODEL] == model
    assert after["spec"] == before["spec"]
    labelled = pods_of(witness, release)
    assert {uid for uid, _ in labelled} == {uid for uid, _ in pods}
    assert [labels[LABEL_MODEL] for _, labels in labelled] == [model, model]


def pods_of(witness: Witness, release: Release) -> list[tuple[str, dict[str, str]]]:
    found = witness.get("pods", "-n", release.namespace, "-l", f"app={release.model}") or {"items": []}
    return [(pod["metadata"]["uid"], pod["metadata"]["labels"]) for pod in found["items"]]


async def adoption(runner: Runner, release: Release, uid: str) -> Plan:
    writer = runner.writers[0]
    item = await release.plan(writer, "s")
    expected = Expectation(release.deployment, None, item.subject.expectations[1].wanted)
    return plan(
        release.model,
        wave(
            "s",
            (
                writer,
                replace(
                    item,
                    subject=replace(item.subject, expectations=(expected,), revision=None),
                    changes=(Change(verb=Verb.LABEL, ref=release.deployment, uid=uid),),
                    entry=replace(item.entry, revision=None),
                    manifests=(),
                    absent_before=(),
                ),
            ),
        ),
    )


async def test_nothing_is_sent_to_another_cluster_than_the_pinned_one(
    control_planes: ControlPlanes, runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    """The context of the first cluster now leads to the second: a plan made before must not be carried out there."""
    release = Release(model, namespace)
    first, second = runner.writers[:2]
    planned = plan(model, wave("s", (first, await release.plan(first, "s"))))
    swapped = replace(first.cluster, context=second.cluster.context_name)
    from orchestrator.core.fleet import Fleet

    async with connect(Fleet(name="t", clusters=(swapped,)), kubeconfig=control_planes.kubeconfig) as connection:
        runner.connection, runner.clusters = connection, [swapped.name]
        outcome = await runner.run(planned)
    (item,) = outcome.items
    assert (item.verdict, item.reasons[0].code) == (Verdict.UNREACHABLE, "wrong-cluster")
    assert deployment(witnesses[second.cluster.name], release) is None
    assert witnesses[second.cluster.name].get("lease", f"lock.{model}", "-n", SYSTEM) is None


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


async def test_deleting_is_bound_to_the_uid_that_was_planned(
    runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str
) -> None:
    writer = runner.writers[0]
    witness = witnesses[writer.cluster.name]
    release = Release(model, namespace)
    await runner.run(plan(model, wave("s", (writer, await release.plan(writer, "s")))))
    old = ObjectRef("v1", "ConfigMap", namespace, "old")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": namespace}}
    witness("create", "-f", "-", stdin=json.dumps(manifest))
    planned_uid = witness.get("configmap", "old", "-n", namespace)["metadata"]["uid"]  # type: ignore[index]
    witness("delete", "configmap", "old", "-n", namespace)
    witness("create", "-f", "-", stdin=json.dumps(manifest))
    assert ref_of(manifest) == old
    item = await release.plan(writer, "s", changes=(Change(verb=Verb.DELETE, ref=old, uid=planned_uid),))
    assert verdicts(await runner.run(plan(model, wave("s", (writer, item))))) == [Verdict.VERIFIED]
    assert witness.get("configmap", "old", "-n", namespace) is not None
