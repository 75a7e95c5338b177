"""What stands before each story, and the command that is killed in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.cluster.killing.stage import Stage

JsonObject = dict[str, Any]
OLD, NEW = "registry.example/server:1", "registry.example/server:2"
ORDER = "playbooks/orders/directive.yaml"
_DOOMED = {"sandbox.orchestrator.dev/fail": "image-not-found"}
_PATIENCE = {"progressDeadline": "2m"}


@dataclass(frozen=True)
class Story:
    """One command, what it starts from, and how it ends when nobody disturbs it."""

    name: str
    clusters: int
    """In how many of the control planes it plays."""
    prepare: Callable[[Stage], tuple[str, ...]]
    """Makes what has to be there before; returns the arguments of the command."""
    code: int = 0
    """Its exit code."""


def _takedown(stage: Stage) -> tuple[str, ...]:
    """A Deployment with an autoscaler that somebody scaled to 3, a StatefulSet of 1, a Service and a route."""
    workspace, namespace = stage.workspace, stage.namespace
    workspace.write_model(
        workspace.deployment("fable", replicas=2),
        workspace.deployment("shard", kind="StatefulSet", replicas=1),
        _object("v1", "Service", namespace, {"selector": {"app": "fable"}, "ports": [{"port": 80}]}),
        _object("autoscaling/v2", "HorizontalPodAutoscaler", namespace, _AUTOSCALING),
        routes=[{"kind": "HTTPRoute", "namespace": namespace, "name": "fable"}],
    )
    stage.orchestrator("enable", stage.namespace, "--all", "-o", "json").expect(0)
    route = _object("gateway.networking.k8s.io/v1", "HTTPRoute", namespace, _ROUTING)
    for cluster in stage.clusters:
        stage.planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(route))
        stage.planes.kubectl(cluster, "scale", "deployment/fable", "--replicas=3", "-n", namespace)
    order = {
        "authority": "Bureau of Examples",
        "reference": "EX-2026-0612",
        "models": [stage.namespace],
        "about": {"everyone": True},
        "restore": {"jitter": "0s"},
    }
    name = {"name": f"{namespace}-directive"}
    workspace.write(ORDER, {"apiVersion": "orchestrator/v1", "kind": "Order", "metadata": name, "spec": order})
    return "takedown", "--order", ORDER, "--confirm", namespace, "--rehearse", "--soak", "1s"


def _restore(stage: Stage) -> tuple[str, ...]:
    stage.orchestrator(*_takedown(stage), "-o", "json").expect(0)
    return "restore", "--order", ORDER, "--confirm", stage.namespace, "--lift-reference", "EX-2026-0701"


def _rollout(stage: Stage) -> tuple[str, ...]:
    """A new image where the model is on already; then, with more replicas, in a cluster that never had it."""
    first, second = stage.clusters
    more = {"scope": {"clusters": [second]}, "replicas": 3}
    stage.workspace.write_model(replicas=2, overrides=[more])
    stage.orchestrator("enable", stage.namespace, "--cluster", first, "-o", "json").expect(0)
    stage.workspace.write_model(stage.workspace.deployment(image=NEW), replicas=2, overrides=[more])
    return "apply", _in_two_waves(stage, first, second)


def _rollback(stage: Stage) -> tuple[str, ...]:
    """A new image in the first wave, whose pods find no image in the second: both go back to the old one."""
    first, second = stage.clusters
    fewer = {"scope": {"clusters": [second]}, "replicas": 1}
    stage.workspace.write_model(replicas=2, overrides=[fewer])
    stage.orchestrator("enable", stage.namespace, "--all", "-o", "json").expect(0)
    template = {"spec": {"template": {"metadata": {"annotations": _DOOMED}}}}
    doomed = {**fewer, "patches": [{"target": {"kind": "Deployment"}, "patch": template}]}
    stage.workspace.write_model(stage.workspace.deployment(image=NEW), replicas=2, overrides=[doomed])
    return "apply", _in_two_waves(stage, first, second, onFailure="rollback-run")


def _in_two_waves(stage: Stage, first: str, second: str, **spec: Any) -> str:
    return stage.workspace.write_playbook(
        {"name": "one", "enable": {"scope": {"clusters": [first]}}, "soak": "1s", "strategy": _PATIENCE},
        {"name": "two", "enable": {"scope": {"clusters": [second]}}, "strategy": _PATIENCE},
        **spec,
    )


def _object(api_version: str, kind: str, namespace: str, spec: JsonObject) -> JsonObject:
    metadata = {"name": "fable", "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


_AUTOSCALING: JsonObject = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fable"},
    "minReplicas": 2,
    "maxReplicas": 4,
    "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ],
}
_ROUTING: JsonObject = {
    "hostnames": ["fable.models.example"],
    "rules": [{"backendRefs": [{"name": "fable", "port": 80, "weight": 3}]}],
}
STORIES = {
    story.name: story
    for story in (
        Story("takedown", 1, _takedown),
        Story("restore", 1, _restore),
        Story("rollout", 2, _rollout),
        Story("rollback", 2, _rollback, code=1),
    )
}
