"""A pod and a Deployment that are none of a guard's business, and that every usual policy admits.

They satisfy Pod Security's `restricted` (source: "Pod Security Standards" of the Kubernetes documentation), ask for
resources, as quotas demand, and take no service account's token. They are only ever sent as dry runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject

POD_NAME = "orchestrator-try"
IMAGE = "registry.example/neutral:1"
_LABELS = {"app.kubernetes.io/name": POD_NAME}


def neutral_pod(
    annotations: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    container: JsonObject | None = None,
    volumes: list[JsonObject] | None = None,
) -> JsonObject:
    """A pod of our namespace; the rest makes it one of a model."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": POD_NAME,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {**_LABELS, **(labels or {})},
            "annotations": dict(annotations),
        },
        "spec": {**_pod_spec(container or {}), **({"volumes": volumes} if volumes else {})},
    }


def neutral_deployment(annotations: Mapping[str, str]) -> JsonObject:
    """A Deployment of our namespace with one replica."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": POD_NAME,
            "namespace": SYSTEM_NAMESPACE,
            "labels": dict(_LABELS),
            "annotations": dict(annotations),
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(_LABELS)},
            "template": {"metadata": {"labels": dict(_LABELS)}, "spec": _pod_spec({})},
        },
    }


def _pod_spec(container: JsonObject) -> JsonObject:
    amounts = {"cpu": "1m", "memory": "1Mi"}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "neutral",
                "image": IMAGE,
                "resources": {"requests": dict(amounts), "limits": dict(amounts)},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                **container,
            }
        ],
    }
