"""A model of every kind that the roles speak of, and stand-ins for APIs that the sandbox does not serve."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

# Only the shape that the tool reads; the projects' own definitions are long and need their controllers.
FOREIGN_KINDS = (
    ("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
    ("argoproj.io", "v1alpha1", "applications", "Application"),
    ("argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet"),
    ("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"),
    ("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease"),
)


def definition(group: str, version: str, plural: str, kind: str) -> Manifest:
    """A CustomResourceDefinition that accepts anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def workload(kind: str, name: str, namespace: str, **template: Any) -> Manifest:
    """A Deployment or StatefulSet; `template` may hold annotations and requests of its pods."""
    labels = {"app": name}
    requests = template.pop("requests", {})
    container = {"name": "server", "image": "registry.example/server:1", "resources": {"requests": requests}}
    spec: Manifest = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, **template},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        },
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return _object("apps/v1", kind, name, namespace, spec=spec)


def everything(namespace: str, name: str = "server") -> list[Manifest]:
    """One object of each kind that the operator's role lets be applied, and the namespace they lie in."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    backend = {"service": {"name": name, "port": {"number": 80}}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
    route = {"parentRefs": [{"name": "models"}], "rules": [{"backendRefs": [{"name": name, "port": 80}]}]}
    scaling = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4}
    ports = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        _object("v1", "ServiceAccount", name, namespace),
        _object("v1", "ConfigMap", name, namespace, data={"batch": "16"}),
        _object("v1", "PersistentVolumeClaim", name, namespace, spec=claim),
        _object("v1", "Service", name, namespace, spec=ports),
        workload("Deployment", name, namespace),
        workload("StatefulSet", f"{name}-shard", namespace),
        _object("autoscaling/v2", "HorizontalPodAutoscaler", name, namespace, spec=scaling),
        _object("policy/v1", "PodDisruptionBudget", name, namespace, spec=budget),
        _object("networking.k8s.io/v1", "Ingress", name, namespace, spec={"defaultBackend": backend}),
        _object("gateway.networking.k8s.io/v1", "HTTPRoute", name, namespace, spec=route),
    ]


INERT = [
    {"kind": kind, "inert": True}
    for kind in ("PersistentVolumeClaim", "networking.k8s.io/Ingress", "gateway.networking.k8s.io/HTTPRoute")
]
"""Health of kinds for which the sandbox runs no controller."""


def without(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """The manifests of other kinds."""
    return [manifest for manifest in manifests if manifest["kind"] not in kinds]


def owned_by_gitops(namespace: str) -> tuple[list[Manifest], list[Manifest]]:
    """Workloads that carry the marks of Argo CD and Flux, and their owners, all of them paused."""
    marks = {
        "argo": {"argocd.argoproj.io/instance": f"{namespace}_argo"},
        "kustomize": _flux_labels("kustomize", namespace),
        "helm": _flux_labels("helm", namespace),
    }
    workloads = []
    for name, labels in marks.items():
        manifest = workload("Deployment", name, namespace)
        manifest["metadata"]["labels"] = labels
        workloads.append(manifest)
    paused = {"suspend": True}
    owners = [
        _object("argoproj.io/v1alpha1", "Application", "argo", namespace, spec={"project": "default"}),
        _object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomize", namespace, spec=paused),
        _object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helm", namespace, spec=paused),
    ]
    return workloads, owners


def _flux_labels(kind: str, namespace: str) -> dict[str, str]:
    return {f"{kind}.toolkit.fluxcd.io/name": kind, f"{kind}.toolkit.fluxcd.io/namespace": namespace}


def _object(api_version: str, kind: str, name: str, namespace: str, **content: Any) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        **content,
    }
