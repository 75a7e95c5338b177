"""What a cluster holds of one test, in words that are the same for every run that came to the same end.

Names, digests, uids and times of the test are replaced. What is compared is everything else: specs, labels, holds,
catalogue entries, guards, restore records, locks, and which pods are ready.
"""

from __future__ import annotations

import base64
import difflib
import gzip
import json
import re
from collections import Counter
from typing import Any

from tests.cluster.conftest import ControlPlanes

JsonObject = dict[str, Any]
_KINDS = (
    "deployments,statefulsets,horizontalpodautoscalers,services,httproutes,configmaps,secrets,leases,pods,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings"
)
_SERVERS = ("resourceVersion", "generation", "managedFields", "creationTimestamp", "uid", "selfLink")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_DIGEST = re.compile(r"(?<![0-9a-z])([0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{10,12})(?![0-9a-z])")


def read_state(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, JsonObject]:
    """Everything of one test in one cluster, by kind and name."""
    # One request for everything: a kubectl is slow to start.
    found = planes.read(cluster, _KINDS, "-A")["items"]
    mine = [obj for obj in found if obj["kind"] != "Pod" and _is_of(obj, namespace)]
    names = _names_of_digests(mine)
    state = {}
    for obj in mine:
        plain = _plain(obj, namespace, names)
        state[f"{plain['kind']} {plain['metadata']['name']}"] = plain
    assert len(state) == len(mine), f"two objects got the same name: {sorted(state)}"
    pods = [obj for obj in found if obj["kind"] == "Pod" and obj["metadata"]["namespace"] == namespace]
    return {**state, "pods": _count(pods)}


def _is_of(obj: JsonObject, namespace: str) -> bool:
    """Also what only names it, as the record of a lift does; but nothing that every namespace has."""
    return namespace in json.dumps(obj) and obj["metadata"]["name"] != "kube-root-ca.crt"


def _names_of_digests(objects: list[JsonObject]) -> dict[str, str]:
    """What each digest stands for: which order's, which revision's by its images, which object's restore record."""
    names: dict[str, str] = {}
    for obj in objects:
        name, data = obj["metadata"]["name"], obj.get("data", {})
        if name.startswith("manifests."):
            names[name.rpartition(".")[2]] = f"REVISION {' '.join(sorted(_images_in(packed_in(obj))))}"
        elif name.startswith("restore."):
            names[name.rpartition(".")[2]] = f"OF {' '.join(packed_in(obj)['ref'])}"
        elif name.startswith(("hold.", "lift.")):
            names[data["digest"]] = names[data["digest"][:16]] = "ORDER"
    return names


def packed_in(secret: JsonObject) -> Any:
    """What one of our Secrets keeps: a restore record, or a revision's manifests."""
    return json.loads(gzip.decompress(base64.b64decode(secret["data"]["gz"])))


def _images_in(manifests: list[JsonObject]) -> set[str]:
    pods = (one["spec"]["template"]["spec"] for one in manifests if "template" in one.get("spec", {}))
    return {container["image"] for pod in pods for container in pod["containers"]}


def _plain(obj: JsonObject, namespace: str, names: dict[str, str]) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    notes = metadata.get("annotations", {})
    # How often a template changed on the way is no part of the end.
    notes = {key: value for key, value in notes.items() if key != "deployment.kubernetes.io/revision"}
    rest = {key: value for key, value in obj.items() if key != "status"}
    if "gz" in obj.get("data", {}):
        rest["data"] = packed_in(obj)
    if obj["kind"] == "Service":
        rest["spec"] = {key: value for key, value in obj["spec"].items() if not key.startswith("clusterIP")}
    whole = {**rest, "metadata": {**metadata, "annotations": notes}}
    text = json.dumps(whole, sort_keys=True)
    for digest, meaning in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(digest, json.dumps(meaning)[1:-1].replace(namespace, "NS"))
    text = _TIME.sub("TIME", _UID.sub("UID", text.replace(namespace, "NS")))
    plain: JsonObject = json.loads(_DIGEST.sub("DIGEST", _RUN.sub("RUN", text)))
    return plain


def _count(pods: list[JsonObject]) -> JsonObject:
    """How many pods of each kind there are, by label, image and readiness."""
    found: Counter[str] = Counter()
    for pod in pods:
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
        image = pod["spec"]["containers"][0]["image"]
        found[f"{pod['metadata']['labels'].get('app')} {image} {'ready' if ready else 'not ready'}"] += 1
    return dict(sorted(found.items()))


def difference(expected: dict[str, dict[str, JsonObject]], found: dict[str, dict[str, JsonObject]]) -> str:
    """What differs between two states, line by line; empty where nothing does."""
    before, after = (json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (expected, found))
    return "\n".join(difflib.unified_diff(before, after, "undisturbed", "killed", n=4, lineterm=""))
