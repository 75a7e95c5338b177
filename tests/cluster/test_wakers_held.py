"""Where no guard can be made: who could wake a model is paused as its own published definition lets it be, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.definitions import serving
from tests.cluster.test_responder import Responder, named, responder

__all__ = ["responder"]
JsonObject = dict[str, Any]
KINDS = {
    "ScaledObject": "scaledobjects.keda.sh",
    "Application": "applications.argoproj.io",
    "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
}


@pytest.fixture
def served(responder: Responder) -> Iterator[Responder]:
    """The kinds of KEDA, Argo CD and Flux, in this one cluster; none of their controllers."""
    with serving(responder.admin, KINDS):
        yield responder


def wakers(namespace: str) -> list[JsonObject]:
    """One of each, about the scene's second model."""
    place = {"namespace": namespace}
    repository = {"repoURL": "https://git.example/models", "path": "mythos", "targetRevision": "main"}
    destination = {"server": "https://kubernetes.default.svc", "namespace": namespace}
    automated = {"automated": {"selfHeal": True, "prune": False}}
    git = {"kind": "GitRepository", "name": "models"}
    return [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "mythos-shard", **place},
         "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "mythos-shard"}, "minReplicaCount": 1,
                  "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 6 * * *",
                                                             "end": "0 20 * * *", "desiredReplicas": "2"}}]}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "mythos", **place},
         "spec": {"project": "default", "source": repository, "destination": destination, "syncPolicy": automated}},
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
         "metadata": {"name": "mythos", **place},
         "spec": {"interval": "5m", "prune": True, "sourceRef": git, "path": "./mythos"}},
    ]  # fmt: skip


@pytest.mark.slow
def test_autoscalers_and_git_tools_are_paused_without_a_guard_and_come_back_as_they_were(served: Responder) -> None:
    """By the shipped roles less one permission; nothing is called proven, and a restore gives each back its spec."""
    scene, namespace = served.scene, served.admin.prefix
    served.bind(named("create validatingadmissionpolicies.admissionregistration.k8s.io"))
    served.switch_on()
    served.admin.apply(*wakers(namespace))
    place = ("-n", namespace)
    tracked = f"argocd.argoproj.io/tracking-id={namespace}_mythos:apps/Deployment:{namespace}/mythos-gateway"
    served.admin.kubectl("annotate", "deployment/mythos-gateway", tracked, *place)
    owner = "kustomize.toolkit.fluxcd.io"
    labels = (f"{owner}/name=mythos", f"{owner}/namespace={namespace}")
    served.admin.kubectl("label", "deployment/mythos-worker", *labels, *place)

    def asked() -> dict[str, JsonObject]:
        found = scene.planes.read(served.admin.cluster, ",".join(KINDS.values()), *place)["items"]
        return {one["kind"]: {"spec": one["spec"], "notes": one["metadata"].get("annotations", {})} for one in found}

    before = asked()
    assert before.keys() == KINDS.keys()
    order = scene.write_order()

    result = scene.take_down(order).expect(3).json

    assert {(item["verdict"], item["guard"]) for item in result["items"]} == {("unverified", "absent")}
    paused = asked()
    assert paused["ScaledObject"]["notes"]["autoscaling.keda.sh/paused-replicas"] == "0"
    assert paused["Application"]["spec"]["syncPolicy"]["automated"]["enabled"] is False
    assert paused["Kustomization"]["spec"]["suspend"] is True
    told = json.dumps(result)
    assert "keeps nothing of what would pause it" not in told

    scene.restore(order).expect(0)
    assert asked() == before
