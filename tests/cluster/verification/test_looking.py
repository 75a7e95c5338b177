"""One look at a real control plane: what is seen, what may not be seen, and what is no proof."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.objects import ANNOTATION_REVISION, LABEL_MODEL, JsonObject
from orchestrator.core.ports import ClusterReader
from orchestrator.core.verdict import Judgement, Readiness, State, Want
from orchestrator.delivery import connect
from tests.cluster.conftest import ControlPlanes
from tests.cluster.verification.stage import MODEL, Stage


def _codes(judgement: Judgement) -> set[str]:
    return {reason.code for reason in judgement.reasons}


async def test_drift_is_named_by_its_field(stage: Stage) -> None:
    """Healthy, but not what was applied: progressing, with the path and without the value."""
    deployment = stage.deployment(replicas=1)
    await stage.apply(deployment)
    await stage.settle(stage.subject(Want.ENABLED, deployment))
    await stage.run("set", "image", f"deployment/{MODEL}", "server=registry.example/other:1")
    judgement = (await stage.settle(stage.subject(Want.ENABLED, deployment), within=2.0)).judgement
    drift = [reason for reason in judgement.reasons if reason.code == "drift"]
    assert judgement.readiness is Readiness.PROGRESSING
    assert [reason.field for reason in drift] == ["spec.template.spec.containers[name=server].image"]
    assert "other" not in drift[0].message


async def test_replicas_that_somebody_changed_are_no_success(stage: Stage) -> None:
    """Scaled by hand, and healthy at that: still not what was wanted."""
    deployment = stage.deployment(replicas=1)
    await stage.apply(deployment)
    await stage.run("scale", "deployment", MODEL, "--replicas=2")
    settled = await stage.settle(stage.subject(Want.ENABLED, deployment), within=3.0)
    assert settled.late
    assert _codes(settled.judgement) == {"replicas-differ"}


async def test_every_kind_of_a_model_is_judged(stage: Stage) -> None:
    """A StatefulSet, a Service, a ConfigMap, a budget: done together, at one revision."""
    labels = {LABEL_MODEL: MODEL}
    metadata = {"namespace": stage.namespace, "labels": labels, "annotations": {ANNOTATION_REVISION: "0123"}}
    template = {
        "metadata": {"labels": {"app": "shard", **labels}},
        "spec": {"containers": [{"name": "c", "image": "registry.example/shard"}]},
    }
    selector = {"matchLabels": {"app": "shard"}}
    manifests: list[JsonObject] = [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "shard", **metadata},
            "spec": {
                "replicas": 2,
                "serviceName": "shard",
                "podManagementPolicy": "Parallel",
                "selector": selector,
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "shard", **metadata},
            "spec": {"clusterIP": "None", "selector": {"app": "shard"}, "ports": [{"port": 80}]},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", **metadata},
            "data": {"a": "1"},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "shard", **metadata},
            "spec": {"minAvailable": 1, "selector": selector},
        },
    ]
    for manifest in manifests:
        await stage.apply(manifest)
    settled = await stage.settle(stage.subject(Want.ENABLED, *manifests))
    assert settled.judgement.readiness is Readiness.DONE
    assert settled.judgement.revision == "0123"
    await stage.run("scale", "statefulset", "shard", "--replicas=0")
    settled = await stage.settle(stage.subject(Want.DISABLED, *manifests), soak=0.5)
    assert (settled.judgement.readiness, settled.judgement.state) == (Readiness.DONE, State.DISABLED)


async def test_an_autoscaler_with_a_manual_zero_does_not_stand_in_the_way(stage: Stage) -> None:
    """Its minReplicas is above 0: a zero set by hand stops it, so the model cannot wake."""
    deployment = stage.deployment(replicas=1)
    await stage.apply(deployment)
    await stage.run("autoscale", "deployment", MODEL, "--min=1", "--max=3", "--cpu=60%")
    await stage.settle(stage.subject(Want.ENABLED, deployment))
    await stage.run("scale", "deployment", MODEL, "--replicas=0")
    settled = await stage.settle(stage.subject(Want.DISABLED, deployment), soak=1.0)
    assert settled.judgement.readiness is Readiness.DONE


async def test_a_stray_pod_is_residue_at_once(stage: Stage) -> None:
    """A pod of the model that nothing of ours owns: said without waiting for the deadline."""
    deployment = stage.deployment(replicas=0)
    await stage.apply(deployment)
    await stage.run("run", "stray", "--image=registry.example/fable:2", f"--labels={LABEL_MODEL}={MODEL}")
    begun = stage.clock.elapsed()
    settled = await stage.settle(stage.subject(Want.DISABLED, deployment), within=60.0)
    assert (settled.judgement.readiness, settled.judgement.state) == (Readiness.UNKNOWN, State.MIXED)
    assert _codes(settled.judgement) == {"stray"}
    assert stage.clock.elapsed() - begun < 10.0


_ROLE: list[JsonObject] = [
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


@pytest.fixture
async def without_pods(
    stage: Stage, control_planes: ControlPlanes, namespace: str, tmp_path: Path
) -> AsyncIterator[ClusterReader]:
    """A reader that may do everything verification needs, except to see pods."""
    objects: list[JsonObject] = [
        {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "reader"}},
        {
            "kind": "Role",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": "reader"},
            "rules": _ROLE,
        },
        {
            "kind": "RoleBinding",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
        {
            "kind": "ClusterRole",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": f"identify-{namespace}"},
            "rules": [
                {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}
            ],
        },
        {
            "kind": "ClusterRoleBinding",
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": f"identify-{namespace}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"identify-{namespace}",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    ]
    await stage.run("apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
    token = (await stage.run("create", "token", "reader")).strip()
    config = yaml.safe_load(control_planes.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    cluster = Cluster(name=control_planes.clusters[0], region="here")
    async with connect(Fleet(name="tests", clusters=(cluster,)), kubeconfig=path) as connection:
        yield connection.writer(cluster.name)
    await stage.run("delete", "clusterrole,clusterrolebinding", f"identify-{namespace}")


async def test_what_may_not_be_seen_is_not_proven(stage: Stage, without_pods: ClusterReader) -> None:
    """Without the permission to list pods an absence is never verified, and the reason names it."""
    deployment = stage.deployment(replicas=0)
    await stage.apply(deployment)
    await stage.run("rollout", "status", "deployment/fable-5", "--timeout=30s")
    subject = stage.subject(Want.DISABLED, deployment)
    judgement = await stage.verifier.look(without_pods, subject)
    assert (judgement.readiness, judgement.state) == (Readiness.UNKNOWN, State.UNKNOWN)
    assert _codes(judgement) == {"forbidden"}
    assert "pods" in judgement.reasons[0].message
    deadline = stage.clock.elapsed() + 60.0
    waiting = stage.verifier.settle(without_pods, subject, deadline=deadline, soak=0.0, tell=stage.told.append)
    settled = await asyncio.wait_for(waiting, 15.0)
    assert settled.judgement.readiness is Readiness.UNKNOWN
