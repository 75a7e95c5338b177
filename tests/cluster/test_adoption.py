"""Workloads that somebody else deployed: taken in, switched off and on again, their templates never touched."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace

FLUX = "kustomize.toolkit.fluxcd.io"


def pods(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, Any]:
    """By name: uid, spec and restarts of every pod."""
    return {
        one["metadata"]["name"]: (
            one["metadata"]["uid"],
            one["spec"],
            [status["restartCount"] for status in one["status"].get("containerStatuses", [])],
        )
        for one in planes.read(cluster, "pods", "-n", namespace)["items"]
    }


def workloads(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, Any]:
    """By name: uid, generation and spec of every workload."""
    return {
        f"{one['kind']} {one['metadata']['name']}": (
            one["metadata"]["uid"],
            one["metadata"]["generation"],
            one["spec"],
        )
        for one in planes.read(cluster, "deployments,statefulsets,replicasets", "-n", namespace)["items"]
    }


def deploy(planes: ControlPlanes, cluster: str, namespace: str, *objects: dict[str, Any]) -> None:
    """As somebody else would, and wait until it is ready."""
    planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    for one in objects:
        target = f"{one['kind'].lower()}/{one['metadata']['name']}"
        planes.kubectl(cluster, "-n", namespace, "rollout", "status", target, "--timeout=60s")


@pytest.mark.slow
def test_adopting_changes_no_generation_and_restarts_no_pod(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """And what was adopted returns to the number that it had when it was switched off, whatever that was."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    mine = {"model": workspace.model}
    objects = [
        workspace.deployment(replicas=3),
        workspace.deployment("shard", kind="StatefulSet", replicas=2, podManagementPolicy="Parallel"),
    ]
    for one in objects:
        one["metadata"]["labels"] = mine
    deploy(control_planes, cluster, namespace, *objects)
    workspace.write_model(adopt={"selector": mine, "namespaces": [namespace]})
    before = workloads(control_planes, cluster, namespace), pods(control_planes, cluster, namespace)

    done = orchestrator("enable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert done.expect(0).items()[cluster]["replicas"] == {"desired": 5, "ready": 5, "pods": 5}
    assert (workloads(control_planes, cluster, namespace), pods(control_planes, cluster, namespace)) == before
    labelled = control_planes.read(
        cluster, "deployments,statefulsets,pods", "-n", namespace, "-l", f"orchestrator.dev/model={workspace.model}"
    )
    assert len(labelled["items"]) == 7, "two workloads and five pods carry our label"

    control_planes.kubectl(cluster, "-n", namespace, "scale", "deployment/server", "--replicas=4")
    control_planes.kubectl(cluster, "-n", namespace, "rollout", "status", "deployment/server", "--timeout=60s")
    off = orchestrator("disable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert off.expect(0).items()[cluster]["replicas"] == {"desired": 0, "ready": 0, "pods": 0}
    on = orchestrator("enable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert on.expect(0).items()[cluster]["replicas"] == {"desired": 6, "ready": 6, "pods": 6}
    after = workloads(control_planes, cluster, namespace)
    for name in ("Deployment server", "StatefulSet shard"):
        assert after[name][2]["template"] == before[0][name][2]["template"]
    assert after["Deployment server"][2]["replicas"] == 4

    orchestrator("enable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root).expect(0)
    assert workloads(control_planes, cluster, namespace) == after


def test_the_plan_says_who_would_undo_a_stop_and_nothing_is_called_verified(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """Marks of Argo CD and Flux: both put back what Git says; Helm does so at its next upgrade."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    mine = {"model": workspace.model}
    marks: dict[str, dict[str, Any]] = {
        "helm": {
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "fable", "meta.helm.sh/release-namespace": namespace},
        },
        "argo": {"annotations": {"argocd.argoproj.io/tracking-id": f"models:apps/Deployment:{namespace}/argo"}},
        "flux": {"labels": {f"{FLUX}/name": "models", f"{FLUX}/namespace": "flux-system"}},
    }
    objects = []
    for name, mark in marks.items():
        one = workspace.deployment(name, replicas=1)
        one["metadata"] |= {"labels": {**mine, **mark.get("labels", {})}, "annotations": mark.get("annotations", {})}
        objects.append(one)
    deploy(control_planes, cluster, namespace, *objects)
    workspace.write_model(adopt={"selector": mine, "namespaces": [namespace]})
    playbook = workspace.write_playbook({"name": "off", "disable": {"scope": {"clusters": [cluster]}}})

    plan = orchestrator("plan", playbook, workspace=workspace.root).expect(0)
    for words in (
        f"Helm release {namespace}/fable",
        "Argo CD application models",
        "Flux Kustomization flux-system/models",
    ):
        assert words in plan.stdout.replace("\n", " "), plan.stdout

    off = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(3)
    item = off.items()[cluster]
    assert (item["state"], item["verdict"]) == ("disabled", "unverified")
    text = " ".join(reason["message"] for reason in item["reasons"])
    assert "Argo CD" in text
    assert "Flux" in text
