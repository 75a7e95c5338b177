"""What a model may hold besides a Deployment, what may differ by region, and what is said of the unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace


def config_map(namespace: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": namespace},
        "data": data,
    }


def route(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {"parentRefs": [{"name": "models"}], "rules": [{"backendRefs": [{"name": "server", "port": 80}]}]},
    }


def service_and_budget(namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    selector = {"app": "server"}
    return (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "server", "namespace": namespace},
            "spec": {"selector": selector, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "server", "namespace": namespace},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector}},
        },
    )


def test_replicas_profiles_and_patches_differ_by_cluster_and_so_does_the_revision(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """Strategic and JSON merge patches; the later override wins."""
    plain, restricted, patched = control_planes.clusters
    container = {"containers": [{"name": "server", "env": [{"name": "TOOLS", "value": "off"}]}]}
    profile = {"target": {"kind": "Deployment"}, "patch": {"spec": {"template": {"spec": container}}}}
    merge = {"target": {"kind": "ConfigMap", "name": "settings"}, "type": "merge", "patch": {"data": {"tools": None}}}
    workspace.write_model(
        workspace.deployment(),
        config_map(workspace.namespace, tools="on", size="large"),
        replicas=1,
        profiles={"restricted": {"patches": [profile]}},
        overrides=[
            {"scope": {"clusters": [restricted, patched]}, "replicas": 2},
            {"scope": {"clusters": [restricted]}, "profile": "restricted"},
            {"scope": {"clusters": [patched]}, "replicas": 3, "patches": [merge]},
        ],
    )
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(0)
    assert {name: item["replicas"]["ready"] for name, item in done.items().items()} == {
        plain: 1,
        restricted: 2,
        patched: 3,
    }
    revisions = {name: item["revision"] for name, item in done.items().items()}
    assert len(set(revisions.values())) == 3

    found = control_planes.read(restricted, "deployment", "server", "-n", workspace.namespace)
    (server,) = found["spec"]["template"]["spec"]["containers"]
    assert (server["image"], server["env"]) == ("registry.example/server:1", [{"name": "TOOLS", "value": "off"}])
    settings = control_planes.read(patched, "configmap", "settings", "-n", workspace.namespace)
    assert settings["data"] == {"size": "large"}
    status = orchestrator("status", workspace.model, "-o", "json", workspace=workspace.root).expect(0)
    assert {name: item["revision"] for name, item in status.items().items()} == revisions
    orchestrator("plan", playbook, "--exit-code", workspace=workspace.root).expect(0)


@pytest.mark.slow
def test_a_stateful_set_with_everything_around_it_is_switched_on_changed_and_off(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """What only surrounds the workload stays when the model is off; routes are declared inert, as no gateway runs."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    around = (*service_and_budget(namespace), route(namespace), config_map(namespace, tools="on"))

    def write(image: str) -> None:
        stateful = workspace.deployment(kind="StatefulSet", image=image)
        inert = [{"kind": "gateway.networking.k8s.io/HTTPRoute", "inert": True}]
        workspace.write_model(stateful, *around, replicas=3, health=inert)

    for image in ("registry.example/server:1", "registry.example/server:2"):
        write(image)
        on = orchestrator("enable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
        assert on.expect(0).items()[cluster]["replicas"] == {"desired": 3, "ready": 3, "pods": 3}
        pods = control_planes.read(cluster, "pods", "-n", namespace)["items"]
        assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {image}
    off = orchestrator("disable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert off.expect(0).items()[cluster]["state"] == "disabled"
    kinds = "services,poddisruptionbudgets,httproutes,configmaps,statefulsets"
    left = {one["kind"] for one in control_planes.read(cluster, kinds, "-n", namespace)["items"]}
    assert left == {"Service", "PodDisruptionBudget", "HTTPRoute", "ConfigMap", "StatefulSet"}


def test_a_config_map_changed_by_hand_is_drift_that_apply_mends(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    workspace.write_model(workspace.deployment(), config_map(namespace, tools="on"), replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [cluster]}}})
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)
    patch = '{"data": {"tools": "off"}}'
    control_planes.kubectl(cluster, "-n", namespace, "patch", "configmap", "settings", "--type=merge", "-p", patch)

    status = orchestrator("status", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    assert status.expect(3).items()[cluster]["verdict"] == "unverified"
    plan = orchestrator("plan", playbook, "--force-conflicts", "--exit-code", workspace=workspace.root).expect(10)
    assert "data.tools: off → on" in plan.stdout
    orchestrator("apply", playbook, "--force-conflicts", workspace=workspace.root).expect(0)
    assert control_planes.read(cluster, "configmap", "settings", "-n", namespace)["data"] == {"tools": "on"}


UNKNOWN = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.serving.example"},
    "spec": {
        "group": "serving.example",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {"status": {}},
            }
        ],
    },
}


@pytest.fixture
def served_kind(control_planes: ControlPlanes) -> Iterator[str]:
    """A kind of which the tool knows nothing, served by the first cluster."""
    cluster = control_planes.clusters[0]
    control_planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump(UNKNOWN))
    control_planes.kubectl(cluster, "wait", "--for=condition=Established", "crd/things.serving.example")
    yield cluster
    control_planes.kubectl(cluster, "delete", "crd/things.serving.example", "--wait=false")


def test_an_unknown_kind_is_applied_and_never_called_verified_until_its_health_is_said(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, served_kind: str
) -> None:
    namespace = workspace.namespace
    thing = {"apiVersion": "serving.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": namespace}}
    workspace.write_model(workspace.deployment(), {**thing, "spec": {"size": 1}}, replicas=1)
    enable = ("enable", workspace.model, "--cluster", served_kind, "--progress-deadline", "3s", "-o", "json")
    item = orchestrator(*enable, workspace=workspace.root).expect(3).items()[served_kind]
    assert item["verdict"] == "unverified"
    assert any("Thing" in str(reason["object"]) for reason in item["reasons"]), item["reasons"]

    rule = {"kind": "serving.example/Thing", "ready": {"condition": "Ready"}}
    workspace.write_model(workspace.deployment(), {**thing, "spec": {"size": 1}}, replicas=1, health=[rule])
    assert orchestrator(*enable, workspace=workspace.root).code != 0, "nobody has said that it is ready"
    ready = {"type": "Ready", "status": "True", "reason": "Up", "message": ""}
    for condition, code in ((ready, 3), ({**ready, "observedGeneration": 1}, 0)):
        status = json.dumps({"status": {"conditions": [condition]}})
        patch = ("patch", "thing", "t", "--subresource=status", "--type=merge", "-p", status)
        control_planes.kubectl(served_kind, "-n", namespace, *patch)
        orchestrator(*enable, workspace=workspace.root).expect(code)


def test_a_route_that_no_gateway_accepts_is_not_called_verified(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(workspace.deployment(), route(workspace.namespace), replicas=1)
    enable = ("enable", workspace.model, "--cluster", cluster, "--progress-deadline", "3s", "-o", "json")
    done = orchestrator(*enable, workspace=workspace.root)
    assert done.code in (1, 3)
    assert any("HTTPRoute" in str(reason["object"]) for reason in done.items()[cluster]["reasons"])


def test_a_kind_that_the_cluster_does_not_serve_is_refused_before_anything_is_done(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster, namespace = control_planes.clusters[1], workspace.namespace
    alien = {"apiVersion": "absent.example/v1", "kind": "Alien", "metadata": {"name": "a", "namespace": namespace}}
    workspace.write_model(workspace.deployment(), alien, replicas=1)
    done = orchestrator("enable", workspace.model, "--cluster", cluster, "-o", "json", workspace=workspace.root)
    error = done.expect(4).json["error"]
    assert "absent.example/v1 Alien" in error["message"]
    assert control_planes.read(cluster, "deployment", "server", "-n", namespace) is None


def test_what_left_the_manifests_is_named_and_deleted_only_on_request(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    workspace.write_model(workspace.deployment(), config_map(namespace, tools="on"), replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [cluster]}}})
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)
    workspace.write_model(replicas=1)
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)
    plan = orchestrator("plan", playbook, workspace=workspace.root).expect(0)
    assert f"ConfigMap {namespace}/settings" in plan.stdout
    assert control_planes.read(cluster, "configmap", "settings", "-n", namespace)
    orchestrator("apply", playbook, "--prune", workspace=workspace.root).expect(0)
    assert control_planes.read(cluster, "configmap", "settings", "-n", namespace) is None
