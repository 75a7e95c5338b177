"""Whose object, field or cluster it is: what a run on real control planes never touches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from orchestrator.core.objects import LABEL_MODEL, ObjectRef, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, Plan, Verb
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import Verdict
from orchestrator.delivery import connect
from orchestrator.execution import RunOutcome
from tests.cluster.conftest import ControlPlanes
from tests.cluster.execution.conftest import Runner, Witness
from tests.cluster.execution.plans import Release, plan, wave

SYSTEM = "orchestrator-system"


def verdicts(outcome: RunOutcome) -> list[Verdict]:
    return [item.verdict for item in outcome.items]


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]


def deployment(witness: Witness, release: Release) -> dict[str, Any] | None:
    return witness.get("deployment", release.model, "-n", release.namespace)


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
