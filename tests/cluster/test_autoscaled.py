"""Replicas that an autoscaler owns are left to it: on enable, after it, and by whoever it was made."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace


def autoscaler(namespace: str) -> dict[str, Any]:
    """It finds no metrics in the sandbox, so that only the tests move the number."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "server"},
            "minReplicas": 1,
            "maxReplicas": 8,
        },
    }


def replicas(planes: ControlPlanes, cluster: str, namespace: str) -> int:
    return int(planes.read(cluster, "deployment", "server", "-n", namespace)["spec"]["replicas"])


@pytest.mark.parametrize("made_by", ["the model", "somebody else"])
def test_what_the_autoscaler_sets_is_neither_drift_nor_mended(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, made_by: str
) -> None:
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    manifests = [workspace.deployment()]
    if made_by == "the model":
        manifests.append(autoscaler(namespace))
    else:
        control_planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump(autoscaler(namespace)))
    workspace.write_model(*manifests, replicas=2)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [cluster]}}})
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)
    assert replicas(control_planes, cluster, namespace) == 2, "ours is the starting number"

    control_planes.kubectl(cluster, "-n", namespace, "scale", "deployment/server", "--replicas=4")
    control_planes.kubectl(cluster, "-n", namespace, "rollout", "status", "deployment/server", "--timeout=60s")
    before = control_planes.read(cluster, "deployment", "server", "-n", namespace)["metadata"]["generation"]
    orchestrator("plan", playbook, "--exit-code", workspace=workspace.root).expect(0)
    again = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(0).items()[cluster]
    assert (again["changed"], again["verdict"], again["replicas"]["ready"]) == (False, "verified", 4)

    changed = [workspace.deployment(image="registry.example/server:2"), *manifests[1:]]
    workspace.write_model(*changed, replicas=2)
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    after = control_planes.read(cluster, "deployment", "server", "-n", namespace)
    assert after["spec"]["replicas"] == 4, "a new revision leaves the number alone"
    assert after["metadata"]["generation"] == before + 1


def test_an_autoscaled_model_is_switched_off_and_on_again(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """An autoscaler without a minimum of 0 leaves 0 alone: it cannot wake the model."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    workspace.write_model(workspace.deployment(), autoscaler(namespace), replicas=3)
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    off = orchestrator("disable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert off.expect(0).items()[cluster]["state"] == "disabled"
    assert replicas(control_planes, cluster, namespace) == 0
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    assert replicas(control_planes, cluster, namespace) == 3
