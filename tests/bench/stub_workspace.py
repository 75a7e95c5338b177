"""The documents with which the measures of scale are made: one model, its order; and its route, which others wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

JsonObject = dict[str, Any]
MODEL = "fable-5"
NAMESPACE = "serving"
ORDER = "order.yaml"
PODS = 3


def write_documents(root: Path, *, order: str = "directive") -> None:
    """The model with its manifests, and an order that concerns everyone."""
    _write(root / "manifests" / MODEL / "objects.yaml", deployment(), service())
    _write(root / "manifests" / MODEL / "model.yaml", _document("Model", MODEL, manifests=["."], replicas=PODS))
    spec = {"authority": "Bureau of Examples", "reference": "EX-1", "about": {"everyone": True}, "models": [MODEL]}
    _write(root / ORDER, _document("Order", order, **spec))


def deployment() -> JsonObject:
    """The model's Deployment."""
    labels = {"app": MODEL}
    container = {"name": "server", "image": "registry.example/server:1", "ports": [{"containerPort": 8000}]}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": MODEL, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def service() -> JsonObject:
    """The model's Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": MODEL, "namespace": NAMESPACE},
        "spec": {"selector": {"app": MODEL}, "ports": [{"port": 80, "targetPort": 8000}]},
    }


def route() -> JsonObject:
    """What leads clients to the Service."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": MODEL, "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": MODEL, "port": 80}]}]},
    }


def _document(kind: str, name: str, **spec: Any) -> JsonObject:
    return {"apiVersion": "orchestrator/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _write(path: Path, *documents: JsonObject) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
