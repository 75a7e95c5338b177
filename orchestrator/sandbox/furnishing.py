"""What every sandbox cluster contains from the start: nodes like a cloud's, Gateway API, and the mark of a sandbox.

Everything is created where it is missing and left alone where it exists, so that `up` may be repeated.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.objects import LABEL_SANDBOX
from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins
from orchestrator.sandbox.apiserver import ApiServer, ApiServerError
from orchestrator.sandbox.preload import DEFINITIONS
from orchestrator.sandbox.regions import RegionSpec

COUNTRY = "orchestrator.dev/country"

_ZONES = ("a", "b", "c")
_CAPACITY = {
    "cpu": "96", "memory": "1024Gi", "ephemeral-storage": "2Ti", "pods": "250", "nvidia.com/gpu": "8",
}  # fmt: skip
_ALLOCATABLE = _CAPACITY | {"cpu": "95", "memory": "1000Gi", "ephemeral-storage": "1900Gi"}
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def furnish(api: ApiServer, spec: RegionSpec, pod_range: str, files: Path) -> str:
    """Create whatever is missing; the uid of kube-system, which is the cluster's identity. Raises ApiServerError."""
    for node in nodes(spec, pod_range):
        api.create("/api/v1/nodes", node)
    _install_gateway_api(api, files)
    system = api.merge("/api/v1/namespaces/kube-system", {"metadata": {"labels": {LABEL_SANDBOX: "true"}}})
    return str(system["metadata"]["uid"])


def is_furnished(api: ApiServer, spec: RegionSpec) -> bool:
    """Are the nodes ready and free of taints, pods admitted, and the Gateway API served?"""
    try:
        live = {node["metadata"]["name"]: node for node in api.get("/api/v1/nodes")["items"] or ()}
        if not all(_is_usable(live.get(name)) for name in node_names(spec)):
            return False
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
        served = {resource["kind"] for resource in api.get("/apis/gateway.networking.k8s.io/v1")["resources"]}
    except ApiServerError as error:
        if error.status in {404, 503}:
            return False
        raise
    return {"Gateway", "HTTPRoute"} <= served


def node_names(spec: RegionSpec) -> list[str]:
    """One node per zone."""
    return [f"{spec.cluster}-node-{zone}" for zone in _ZONES]


def nodes(spec: RegionSpec, pod_range: str) -> Iterator[dict[str, Any]]:
    """The nodes of a cluster, labelled as a cloud's are; addresses are the last ones of its pod range."""
    last = ipaddress.ip_network(pod_range).broadcast_address
    for number, (name, zone) in enumerate(zip(node_names(spec), _ZONES, strict=True), 1):
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "gpu-8x-large",
            "topology.kubernetes.io/region": spec.region,
            "topology.kubernetes.io/zone": f"{spec.region}-{zone}",
        }
        if spec.country:
            labels[COUNTRY] = spec.country
        yield {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"providerID": f"sandbox://{spec.region}/{zone}/{name}"},
            "status": {
                "capacity": _CAPACITY,
                "allocatable": _ALLOCATABLE,
                "addresses": [
                    {"type": "InternalIP", "address": str(last - number)},
                    {"type": "Hostname", "address": name},
                ],
                "nodeInfo": {"kubeletVersion": pins.PROGRAMS[pins.APISERVER].version},
            },
        }


def kwok_stages(files: Path) -> str:
    """The YAML of all stages: kwok's own for nodes, ours for pods."""
    theirs = [files / file.location for file in pins.pinned_files() if "/stage/node/" in file.path]
    ours = sorted(pins.STAGES.glob("*.yaml"))
    return "\n---\n".join(path.read_text() for path in (*theirs, *ours))


def _install_gateway_api(api: ApiServer, files: Path) -> None:
    present = {item["metadata"]["name"] for item in api.get(DEFINITIONS, accept=_NAMES_ONLY)["items"] or ()}
    for name, body in _gateway_definitions(files):
        if name not in present:
            api.create(DEFINITIONS, body)


@cache
def _gateway_definitions(files: Path) -> tuple[tuple[str, bytes], ...]:
    definitions = []
    for file in pins.pinned_files():
        if file.module != pins.GATEWAY_API:
            continue
        for document in yaml.load_all((files / file.location).read_bytes(), Loader=yaml.CSafeLoader):
            if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
                raise SandboxError(
                    f"{file.location} is not a CustomResourceDefinition", hint="delete it from the cache and try again"
                )
            definitions.append((str(document["metadata"]["name"]), json.dumps(document).encode()))
    return tuple(definitions)


def _is_usable(node: dict[str, Any] | None) -> bool:
    if node is None or node["spec"].get("taints"):
        return False
    conditions = node["status"].get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
