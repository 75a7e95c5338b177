"""Workloads: what is the model's may stay at zero or become less, and stays recognisable; nothing grows into it."""

from __future__ import annotations

import json

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import LABEL_MODEL, JsonObject
from tests.cluster.guarding.stage import Stage

SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
SUSPENDABLE = ("Job", "CronJob")


async def test_no_kind_of_workload_is_created_above_zero(stage: Stage) -> None:
    """By label on the template alone, by image and by weights; at 0 replicas or suspended it is admitted."""
    await stage.bind(stage.guard())
    signs: tuple[JsonObject, ...] = (
        {"labels": {LABEL_MODEL: stage.model}},
        {"image": f"{stage.image}:1"},
        {"args": [stage.weights]},
    )
    for kind in (*SCALABLE, *SUSPENDABLE, "DaemonSet"):
        for sign in signs:
            running = stage.workload(kind, is_ours=False, **sign)
            assert await stage.is_refused_to_create(running), (kind, sign)
            stopped = stage.workload(kind, is_ours=False, replicas=0, **sign)
            if kind in SUSPENDABLE:
                stopped["spec"]["suspend"] = True
            assert await stage.is_refused_to_create(stopped) is (kind == "DaemonSet"), (kind, sign)
        assert not await stage.is_refused_to_create(stage.workload(kind, is_ours=False)), kind
    default = stage.workload(replicas=None)
    assert await stage.is_refused_to_create(default), "a Deployment that names no number has one replica"


@pytest.mark.parametrize("kind", SCALABLE)
async def test_scaling_up_is_refused_by_scale_and_by_update_and_scaling_down_admitted(stage: Stage, kind: str) -> None:
    """Harmless updates of a workload that still has replicas pass as well: its controller could not keep books."""
    await stage.create(server := stage.workload(kind, replicas=2))
    await stage.bind(stage.guard(server))
    name = f"{kind.lower()}/server"
    assert await stage.is_refused("scale", name, "--replicas=3")
    assert await stage.is_refused("patch", name, "--type=merge", "-p", '{"spec":{"replicas":3}}')
    assert not await stage.is_refused("annotate", name, "note=harmless")
    assert not await stage.is_refused("label", name, "extra=harmless")
    status = json.dumps({"status": {"replicas": 2}})
    assert not await stage.is_refused("patch", name, "--subresource=status", "--type=merge", "-p", status)
    assert not await stage.is_refused("scale", name, "--replicas=1")
    assert await stage.is_refused("scale", name, "--replicas=2")
    assert not await stage.is_refused("scale", name, "--replicas=0")
    await stage.until(lambda found: not found["items"], "pods")
    assert await stage.is_refused("scale", name, "--replicas=1")
    assert not await stage.is_refused("delete", name)


async def test_the_controllers_own_pods_are_refused_and_say_why(stage: Stage) -> None:
    """A ReplicaSet that was caught above zero starts nothing new, and its event carries our words."""
    await stage.create(stage.workload(replicas=1))
    found = await stage.until(lambda found: len(found["items"]) == 1, "pods")
    await stage.bind(stage.guard())
    await stage.run("delete", "pod", found["items"][0]["metadata"]["name"], "--wait=false")
    await stage.until(lambda found: not found["items"], "pods")
    events = await stage.until(
        lambda found: any(stage.marker in event["message"] for event in found["items"]),
        "events",
        "--field-selector=reason=FailedCreate",
    )
    assert "may start" in next(event["message"] for event in events["items"] if stage.marker in event["message"])
    assert (await stage.get("pods"))["items"] == []


async def test_there_is_no_escape_in_steps(stage: Stage) -> None:
    """At zero: label off the object, then off the template, then another image, then up."""
    uri, image = stage.weights, f"{stage.image}:1"
    server = stage.workload(replicas=0, image=image, args=[uri], annotations={"weights.example/uri": uri})
    await stage.create(server)
    await stage.bind(stage.guard())
    assert await stage.is_refused("label", "deployment", "server", f"{LABEL_MODEL}-")
    assert await stage.is_refused("label", "deployment", "server", f"{LABEL_MODEL}=other", "--overwrite")
    steps = (
        {"metadata": {"labels": {LABEL_MODEL: None}}},
        {"metadata": {"labels": {LABEL_MODEL: "other"}}},
        {"spec": {"containers": [{"name": "c", "image": "registry.example/other:1"}]}},
    )
    for template in steps:
        patch = json.dumps({"spec": {"template": template}})
        assert await stage.is_refused("patch", "deployment", "server", "--type=strategic", "-p", patch), template
    nowhere = [{"name": "c", "image": image, "args": []}]
    without = {"metadata": {"annotations": None}, "spec": {"containers": nowhere}}
    patch = json.dumps({"spec": {"template": without}})
    assert await stage.is_refused("patch", "deployment", "server", "--type=merge", "-p", patch), "no weights any more"
    moved = json.dumps({"spec": {"template": {"metadata": {"annotations": None}}}})
    assert not await stage.is_refused("patch", "deployment", "server", "--type=merge", "-p", moved), "still in args"
    assert not await stage.is_refused("set", "image", "deployment/server", f"c={stage.image}:2"), "still its image"


async def test_nothing_that_runs_is_turned_into_the_model(stage: Stage) -> None:
    """A neutral Deployment gets neither image, weights nor label while it runs; at zero it may, and stays there."""
    await stage.create(stage.workload(name="neutral", is_ours=False))
    await stage.bind(stage.guard())
    assert await stage.is_refused("set", "image", "deployment/neutral", f"c={stage.image}:1")
    assert await stage.is_refused("set", "env", "deployment/neutral", f"WEIGHTS={stage.weights}")
    patch = json.dumps({"spec": {"template": {"metadata": {"labels": {LABEL_MODEL: stage.model}}}}})
    assert await stage.is_refused("patch", "deployment", "neutral", "--type=merge", "-p", patch)
    assert not await stage.is_refused("set", "env", "deployment/neutral", "OTHER=1")
    assert not await stage.is_refused("scale", "deployment/neutral", "--replicas=3")
    assert not await stage.is_refused("scale", "deployment/neutral", "--replicas=0")
    assert not await stage.is_refused("set", "image", "deployment/neutral", f"c={stage.image}:1")
    up = json.dumps({"spec": {"replicas": 1}})
    assert await stage.is_refused("patch", "deployment", "neutral", "--type=merge", "-p", up)


async def test_an_adopted_workload_is_known_by_its_name_and_its_selector(stage: Stage) -> None:
    """It carries no mark of ours: it is scaled by name, its pods are known by their labels in its namespace alone."""
    await stage.create(server := stage.workload(is_ours=False, replicas=0))
    await stage.bind(stage.guard(server, match=Match()))
    assert await stage.is_refused("scale", "deployment/server", "--replicas=1")
    assert await stage.is_refused("patch", "deployment", "server", "--type=merge", "-p", '{"spec":{"replicas":1}}')
    assert await stage.is_refused_to_create(stage.pod("p", labels={"app": "server"}))
    twin = stage.workload(is_ours=False, name="twin", labels={"app": "server"})
    twin["spec"]["selector"] = {"matchLabels": {"app": "server"}}
    assert await stage.is_refused_to_create(twin), "another name, the same pods"
    elsewhere = stage.pod("p", labels={"app": "server"})
    elsewhere["metadata"]["namespace"] = "default"
    assert not await stage.is_refused_to_create(elsewhere)
    replica_set = (await stage.until(lambda found: found["items"], "replicasets"))["items"][0]["metadata"]["name"]
    assert await stage.is_refused("scale", f"replicaset/{replica_set}", "--replicas=1")
    assert not await stage.is_refused("delete", "deployment", "server")
    assert await stage.is_refused_to_create(stage.workload(is_ours=False)), "nor is it created anew"


async def test_an_unmarked_replica_set_of_a_labelled_selector_is_not_scaled(stage: Stage) -> None:
    """On `/scale` there are no labels: our label is found in `status.selector`, whatever a client sends."""
    workload = stage.workload("ReplicaSet", "loose", replicas=0)
    workload["metadata"]["labels"] = {}
    workload["spec"]["selector"] = {"matchLabels": {"app": "loose", LABEL_MODEL: stage.model}}
    await stage.create(workload)
    await stage.bind(stage.guard(match=Match()))
    assert await stage.is_refused("scale", "replicaset/loose", "--replicas=1")
    path = f"/apis/apps/v1/namespaces/{stage.namespace}/replicasets/loose/scale"
    scale = json.loads(await stage.run("get", "--raw", path))
    lie = {**scale, "spec": {"replicas": 1}, "status": {"replicas": 0, "selector": ""}}
    assert await stage.is_refused("replace", "--raw", path, "-f", "-", stdin=lie)


async def test_suspended_work_is_not_resumed(stage: Stage) -> None:
    """Jobs, CronJobs, and the Jobs that a known CronJob would start."""
    cron, job = stage.workload("CronJob", "nightly"), stage.workload("Job", "once")
    for one in (cron, job):
        one["spec"]["suspend"] = True
    await stage.create(cron, job)
    await stage.bind(stage.guard(cron, job))
    resume = json.dumps({"spec": {"suspend": False}})
    for name in ("cronjob/nightly", "job/once"):
        assert await stage.is_refused("patch", name, "--type=merge", "-p", resume)
        assert not await stage.is_refused("annotate", name, "note=harmless")
    assert await stage.is_refused("create", "job", "manual", "--from=cronjob/nightly")


async def test_server_side_apply_brings_nothing_back(stage: Stage) -> None:
    """After a deletion the manifest is applied again, and a manifest with replicas over a workload at zero."""
    await stage.create(server := stage.workload(replicas=0))
    await stage.bind(stage.guard(server))
    manifest = stage.workload(replicas=3)
    apply = ("apply", "--server-side", "--field-manager=gitops", "--force-conflicts", "-f", "-")
    assert await stage.is_refused(*apply, stdin=manifest)
    await stage.run("delete", "deployment", "server")
    assert await stage.is_refused(*apply, stdin=manifest)
    assert not await stage.is_refused(*apply, stdin=stage.workload(replicas=0))


async def test_an_autoscaler_is_refused(stage: Stage) -> None:
    """The controller raises a target below its minimum through `/scale`; under the guard it says so and stays."""
    await stage.create(server := stage.workload(replicas=1))
    await stage.bind(stage.guard(server))
    await stage.run("autoscale", "deployment/server", "--min=3", "--max=5", "--cpu=50%")
    await stage.until(
        lambda hpa: any(stage.marker in one["message"] for one in hpa.get("status", {}).get("conditions", [])),
        "hpa",
        "server",
        seconds=60,
    )
    assert (await stage.get("deployment", "server"))["spec"]["replicas"] == 1


async def test_a_workload_that_nobody_knew_scales_in_vain(stage: Stage) -> None:
    """Its `/scale` shows no mark of the model, so its number may rise; but none of its pods may start."""
    await stage.create(stage.workload(replicas=0))
    await stage.bind(stage.guard())
    assert not await stage.is_refused("scale", "deployment/server", "--replicas=2")
    replica_sets = await stage.until(lambda found: found["items"], "replicasets")
    assert replica_sets["items"][0]["spec"]["replicas"] == 0, "the ReplicaSet's template shows the mark"
    assert (await stage.get("pods"))["items"] == []


async def test_a_neighbour_in_the_same_namespace_is_left_alone(stage: Stage) -> None:
    """Another model's workload is created, scaled, rolled and switched off while the guard stands."""
    await stage.create(server := stage.workload(replicas=0))
    await stage.bind(stage.guard(server))
    other = stage.workload(name="other", is_ours=False, labels={LABEL_MODEL: f"{stage.model}-b"})
    other["metadata"]["labels"] = {LABEL_MODEL: f"{stage.model}-b"}
    await stage.create(other)
    assert not await stage.is_refused("scale", "deployment/other", "--replicas=2")
    assert not await stage.is_refused("set", "image", "deployment/other", "c=registry.example/b:2")
    await stage.run("rollout", "status", "deployment/other", "--timeout=40s")
    assert not await stage.is_refused("scale", "deployment/other", "--replicas=0")
