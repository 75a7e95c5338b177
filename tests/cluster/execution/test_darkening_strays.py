"""A takedown finds what nobody has on record, in any namespace, and stops it at its top owner, or says why not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event
from orchestrator.core.objects import LABEL_MODEL, ObjectRef
from tests.cluster.execution.dark import OFF, Takedown, deployment_of, loop_of, pod_of, wanted_off
from tests.cluster.execution.regions import codes


async def test_a_pod_with_the_model_s_image_and_no_label_is_found_and_deleted(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """Alone in another namespace: nothing makes it anew, so deleting it ends it."""
    await takedown.region.bring_to(takedown.release)
    takedown.create(pod_of("alone", elsewhere, image=image))
    await takedown.wait_for_pods(1, elsewhere)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []
    record = takedown.restore_records()[ObjectRef("v1", "Pod", elsewhere, "alone")]
    assert record.whole is not None and "nodeName" not in record.whole["spec"]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet"])
async def test_a_second_workload_in_another_namespace_is_stopped_restorably(
    takedown: Takedown, elsewhere: str, image: str, kind: str
) -> None:
    """Found through its pods and its template; a ReplicaSet without owner as well."""
    await takedown.region.bring_to(takedown.release)
    takedown.create(deployment_of("second", elsewhere, image, kind=kind))
    await takedown.wait_for_pods(1, elsewhere)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []
    live = takedown.region.witness.get(kind.lower(), "second", "-n", elsewhere)
    assert live is not None and live["spec"]["replicas"] == 0
    record = takedown.restore_records()[ObjectRef("apps/v1", kind, elsewhere, "second")]
    assert record.before == {"/spec/replicas": 1}
    again = await takedown.run()
    assert (wanted_off(again), again.changed) == (OFF, False), again.reasons


async def test_a_cron_job_that_starts_pods_is_suspended(takedown: Takedown, elsewhere: str, image: str) -> None:
    await takedown.region.bring_to(takedown.release)
    template = deployment_of("tick", elsewhere, image)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {"spec": {"template": template}}
    takedown.create(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "tick", "namespace": elsewhere},
            "spec": {"schedule": "* * * * *", "jobTemplate": job},
        }
    )
    takedown.kubectl("create", "job", "now", "--from=cronjob/tick", "-n", elsewhere)
    await takedown.wait_for_pods(1, elsewhere, phase="Succeeded")

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    live = takedown.region.witness.get("cronjob", "tick", "-n", elsewhere)
    assert live is not None and live["spec"]["suspend"] is True
    record = takedown.restore_records()[ObjectRef("batch/v1", "CronJob", elsewhere, "tick")]
    assert record.before == {"/spec/suspend": False}


async def test_a_daemon_set_is_sent_where_no_node_is(takedown: Takedown, elsewhere: str, image: str) -> None:
    await takedown.region.bring_to(takedown.release)
    daemons = deployment_of("everywhere", elsewhere, image, kind="DaemonSet")
    del daemons["spec"]["replicas"]
    takedown.create(daemons)
    nodes = (takedown.region.witness.get("nodes") or {"items": []})["items"]
    await takedown.wait_for_pods(len(nodes), elsewhere)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []
    record = takedown.restore_records()[ObjectRef("apps/v1", "DaemonSet", elsewhere, "everywhere")]
    assert record.before == {"/spec/template/spec/nodeSelector": None}


async def test_a_workload_created_during_the_soak_starts_nothing(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """With the model's image and label, while absence is being proven: refused by the guard itself."""
    await takedown.region.bring_to(takedown.release)
    tried: list[str] = []

    def create(event: Event) -> None:
        if event.type.value == "soaking" and not tried:
            manifest = deployment_of("late", elsewhere, image)
            tried.append(takedown.kubectl("create", "-f", "-", stdin=manifest, check=False))

    takedown.on_event = create

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert "orchestrator guard" in tried[0]
    assert takedown.pods(elsewhere) == []


async def test_a_pod_started_before_the_guard_worked_is_found_by_the_watch(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """Created after the search and before the binding: the watch over all namespaces sees it, and it is stopped."""
    await takedown.region.bring_to(takedown.release)
    created: list[Any] = []

    def create(event: Event) -> None:
        if event.type.value == "found" and not created:
            created.append(
                takedown.kubectl("create", "-f", "-", stdin=pod_of("late", elsewhere, image=image), check=False)
            )

    takedown.on_event = create

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []


async def test_a_workload_that_comes_between_the_search_and_the_guard_is_stopped_restorably(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """Its pods are refused, so that none of them gives it away; what it asks for would start once the guard is gone.

    Made while the guard's binding is away, so that it is admitted however fast a guard works; a quota refuses its pods.
    """
    await takedown.region.bring_to(takedown.release)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": elsewhere},
             "spec": {"hard": {"pods": "0"}}}  # fmt: skip
    takedown.create(quota)
    manifest = deployment_of("late", elsewhere, image)
    manifest["spec"]["replicas"] = 2
    labels = f"orchestrator.dev/model={takedown.release.model}"
    tried: list[str] = []

    def create(event: Event) -> None:
        if event.type.value != "soaking" or tried:
            return
        takedown.kubectl("delete", "validatingadmissionpolicybindings", "-l", labels)
        while not tried or "denied" in tried[-1]:
            tried.append(takedown.kubectl("create", "-f", "-", stdin=manifest, check=False))

    takedown.on_event = create

    item = await takedown.run()

    assert "created" in tried[-1], tried[-1]
    assert wanted_off(item) == OFF, item.reasons
    live = takedown.region.witness.get("deployment", "late", "-n", elsewhere)
    assert live is not None and live["spec"]["replicas"] == 0
    record = takedown.restore_records()[ObjectRef("apps/v1", "Deployment", elsewhere, "late")]
    assert record.before == {"/spec/replicas": 2}


async def test_a_static_pod_is_residue_and_its_node_is_named(takedown: Takedown, elsewhere: str, image: str) -> None:
    """Its node starts it from a file of its own: no API server stops it, and nothing of it is deleted."""
    await takedown.region.bring_to(takedown.release)
    mirror = pod_of("static", elsewhere, image=image, annotations={"kubernetes.io/config.mirror": "abc"})
    node = (takedown.region.witness.get("nodes") or {"items": []})["items"][0]["metadata"]["name"]
    mirror["spec"]["nodeName"] = node
    takedown.create(mirror)

    item = await takedown.run()

    assert (item.verdict.value, item.state.value, item.guard) == ("residue", "mixed", "proven"), item.reasons
    (reason,) = [one for one in item.reasons if one.code == "mirror-pod"]
    assert node in reason.message
    assert len(takedown.pods(elsewhere)) == 1


async def test_a_static_pod_whose_mirror_is_made_anew_under_the_guard_is_never_proven_gone(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """While its mirror is away nothing is seen of it; the guard lets the mirror come back, and so it is found."""
    await takedown.region.bring_to(takedown.release)
    mirror = pod_of("static", elsewhere, image=image, annotations={"kubernetes.io/config.mirror": "abc"})
    mirror["spec"]["nodeName"] = (takedown.region.witness.get("nodes") or {})["items"][0]["metadata"]["name"]
    takedown.create(mirror)
    made: list[str] = []

    def restart(event: Event) -> None:
        if event.type.value == "guardTried" and not made:
            takedown.kubectl("delete", "pod", "static", "-n", elsewhere, "--force", "--grace-period=0")
            made.append("away")
        elif event.type.value == "soaking" and made == ["away"]:
            made.append(takedown.kubectl("create", "-f", "-", stdin=mirror))

    takedown.on_event = restart

    item = await takedown.run()

    assert len(made) == 2, made
    assert (item.verdict.value, item.guard) == ("residue", "proven"), item.reasons
    assert "mirror-pod" in codes(item)


async def test_an_owner_of_an_unknown_kind_is_named_and_its_pods_stay_away(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """It re-creates them again and again: under a proven guard in vain."""
    await takedown.region.bring_to(takedown.release)
    owner = takedown.create(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "odd", "namespace": elsewhere},
            "revision": 1,
            "data": {},
        }
    )
    reference = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "name": "odd", "uid": owner["metadata"]["uid"]}
    pod = pod_of("made", elsewhere, image=image, ownerReferences=[{**reference, "controller": True}])
    takedown.create(pod)
    await takedown.wait_for_pods(1, elsewhere)

    async with loop_of(lambda: takedown.kubectl("create", "-f", "-", stdin=pod, check=False), 0.3):
        item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    (reason,) = [one for one in item.reasons if one.code == "unknown-owner"]
    assert reason.object == f"apps/ControllerRevision {elsewhere}/odd"
    assert takedown.pods(elsewhere) == []


async def test_pods_that_serve_other_models_as_well_are_named_and_left(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """Another model's label beside this model's image: residue, until it is asked to go, too."""
    await takedown.region.bring_to(takedown.release)
    labels = {LABEL_MODEL: "mythos-5"}
    takedown.create(pod_of("both", elsewhere, image=image, labels=labels))
    shared = deployment_of("shared", elsewhere, image, **labels)
    takedown.create({**shared, "metadata": {**shared["metadata"], "labels": labels}})
    await takedown.wait_for_pods(2, elsewhere)

    item = await takedown.run()

    assert (item.verdict.value, "shared" in codes(item)) == ("residue", True), item.reasons
    assert len(takedown.pods(elsewhere)) == 2

    item = await replace(takedown, include_shared=True, events=[]).run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []


async def test_a_pod_on_a_silent_node_is_never_proven_gone(takedown: Takedown) -> None:
    """Its node is not there. Neither a forced deletion nor the pod's vanishing changes what nobody saw."""
    await takedown.region.bring_to(takedown.release)
    pod = pod_of("lost", takedown.namespace, labels={LABEL_MODEL: takedown.release.model})
    pod["spec"]["nodeName"] = "no-such-node"
    takedown.create(pod)
    forced = ("delete", "pod", "lost", "-n", takedown.namespace, "--force", "--grace-period=0")

    def delete(event: Event) -> None:
        if event.type.value == "progress":
            takedown.kubectl(*forced, check=False)

    takedown.on_event = delete

    item = await takedown.run()

    assert (item.verdict.value, item.guard) == ("unverified", "proven"), item.reasons
    assert "node-not-ready" in codes(item)
    await asyncio.to_thread(takedown.kubectl, *forced, check=False)
