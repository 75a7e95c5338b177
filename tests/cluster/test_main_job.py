"""The main job, end to end, through the real command line on real control planes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace

EVERYWHERE = {"scope": {"all": True}}


def resource_versions(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, str]:
    """Of every listable object, in every namespace but those that other tests leave behind: its resourceVersion."""
    listable = planes.kubectl(cluster, "api-resources", "--verbs=list", "-o", "name").split()
    # Heartbeats and events are written all the time; the rest changes only when somebody changes it.
    kinds = [kind for kind in listable if kind not in ("events", "events.events.k8s.io", "nodes", "componentstatuses")]
    found = json.loads(planes.kubectl(cluster, "get", ",".join(kinds), "--all-namespaces", "-o", "json"))["items"]
    ours = ("default", "orchestrator-system", namespace, None)
    return {
        f"{one['kind']} {one['metadata'].get('namespace')}/{one['metadata']['name']}": one["metadata"][
            "resourceVersion"
        ]
        for one in found
        if one["metadata"].get("namespace") in ours and not is_left_behind(one, namespace)
    }


def is_left_behind(found: Any, namespace: str) -> bool:
    """Whether it is the namespace of an earlier test, on its way out."""
    return (
        found["kind"] == "Namespace"
        and found["metadata"]["name"].startswith("t-")
        and (found["metadata"]["name"] != namespace)
    )


def replicas(planes: ControlPlanes, cluster: str, namespace: str, name: str = "deployment/server") -> Any:
    """spec.replicas and status.readyReplicas, as kubectl sees them."""
    found = json.loads(planes.kubectl(cluster, "-n", namespace, "get", name, "-o", "json"))
    return found["spec"]["replicas"], found["status"].get("readyReplicas", 0)


def test_a_staged_playbook_enables_everywhere_and_a_second_apply_writes_nothing(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> None:
    first = control_planes.clusters[0]
    workspace.write_model(replicas=2)
    playbook = workspace.write_playbook(
        {"name": "canary", "enable": {"scope": {"clusters": [first]}}, "soak": "1s"},
        {"name": "others", "enable": {"scope": {"all": True, "except": {"clusters": [first]}}}},
    )

    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root)
    assert done.code == 0, done.stdout + done.stderr
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert done.json["rehearsal"] is True
    for cluster in control_planes.clusters:
        assert replicas(control_planes, cluster, workspace.namespace) == (2, 2)

    before = {
        cluster: resource_versions(control_planes, cluster, workspace.namespace) for cluster in control_planes.clusters
    }
    runs = list((tmp_path / "state").rglob("*"))
    again = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root)
    assert again.code == 0, again.stdout + again.stderr
    assert not any(item["changed"] for item in again.json["items"])
    assert {
        cluster: resource_versions(control_planes, cluster, workspace.namespace) for cluster in control_planes.clusters
    } == before
    assert list((tmp_path / "state").rglob("*")) == runs


@pytest.mark.slow
def test_a_workload_scaled_by_hand_is_drift_that_apply_mends(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=2)
    playbook = workspace.write_playbook({"name": "everywhere", "enable": EVERYWHERE})
    assert orchestrator("apply", playbook, workspace=workspace.root).code == 0
    assert orchestrator("plan", playbook, "--exit-code", workspace=workspace.root).code == 0

    control_planes.kubectl(cluster, "-n", workspace.namespace, "scale", "deployment/server", "--replicas=1")
    plan = orchestrator("plan", playbook, "--exit-code", workspace=workspace.root)
    assert plan.code == 10
    assert "spec.replicas: 1 → 2" in plan.stdout
    assert orchestrator("verify", playbook, workspace=workspace.root).code == 3

    assert orchestrator("apply", playbook, workspace=workspace.root).code == 0
    assert replicas(control_planes, cluster, workspace.namespace) == (2, 2)


def test_one_region_off_is_proven_off_and_the_others_stay_on(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    first, *others = control_planes.clusters
    seen_going = {"sandbox.orchestrator.dev/gone-after": "2s"}
    workspace.write_model(workspace.deployment(pod_annotations=seen_going, grace=30), replicas=2)
    assert orchestrator("enable", workspace.model, "--all", workspace=workspace.root).code == 0

    off = orchestrator("disable", workspace.model, "--cluster", first, "-o", "json", workspace=workspace.root)
    assert off.code == 0, off.stdout + off.stderr
    assert off.items()[first]["state"] == "disabled"
    assert off.items()[first]["times"]["lastPodGone"]
    pods = control_planes.kubectl(first, "-n", workspace.namespace, "get", "pods", "-o", "name")
    assert pods == ""

    status = orchestrator("status", workspace.model, "-o", "json", workspace=workspace.root)
    assert status.code == 0, status.stdout + status.stderr
    states = {cluster: item["state"] for cluster, item in status.items().items()}
    assert states == {first: "disabled", **dict.fromkeys(others, "enabled")}


@pytest.mark.parametrize("seconds", [6, pytest.param(20, marks=pytest.mark.long)])
def test_the_verdict_waits_for_the_last_terminating_pod(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, seconds: int
) -> None:
    """The Deployment says 0 replicas long before its pods are gone."""
    cluster = control_planes.clusters[0]
    slow = {"sandbox.orchestrator.dev/gone-after": f"{seconds}s"}
    workspace.write_model(workspace.deployment(pod_annotations=slow, grace=60), replicas=2)
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    off = orchestrator("disable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert control_planes.read(cluster, "pods", "-n", workspace.namespace)["items"] == []
    item = off.expect(0).items()[cluster]
    assert (item["state"], item["verdict"]) == ("disabled", "verified")
    times = {name: datetime.fromisoformat(at) for name, at in item["times"].items() if at}
    # Kubernetes' own times have no fractions.
    assert (times["lastPodGone"] - times["stopped"]).total_seconds() > seconds - 2
    assert times["verified"] >= times["lastPodGone"]
