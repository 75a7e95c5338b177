"""Patches against the reference: `kubectl patch --local` does offline what an API server does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.planning.patches import merge_json, merge_strategic
from tests.unit.nesting import nested

KUBECTL = str(Path(sys.executable).with_name("kubectl"))

OBJECTS: dict[str, dict[str, Any]] = {
    obj["kind"]: obj
    for obj in yaml.safe_load_all(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: fable, namespace: fable, labels: {a: "1"}, finalizers: [x.example/a, x.example/b]}
spec:
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  template:
    spec:
      tolerations: [{key: gpu}]
      topologySpreadConstraints: [{topologyKey: zone, maxSkew: 1}]
      imagePullSecrets: [{name: one}]
      hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]
      initContainers: [{name: load, image: i0}]
      containers:
        - name: server
          image: i1
          args: [--model, fable]
          ports: [{containerPort: 80, name: http}]
          env: [{name: A, value: "1"}, {name: B, value: "2"}]
          volumeMounts: [{name: v, mountPath: /v}]
          resources: {limits: {cpu: "1", memory: 1Gi}}
        - {name: sidecar, image: i2}
      volumes: [{name: v, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: fable}
spec: {ports: [{port: 80, name: http}, {port: 443, name: https}], selector: {a: "1"}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: fable}
secrets: [{name: a}]
imagePullSecrets: [{name: b}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: fable}
webhooks: [{name: a.example.com, matchConditions: [{name: m, expression: "true"}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: fable}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}
"""
    )
}

PATCHES = {
    "a new container comes first": ("Deployment", "{containers: [{name: new, image: n}]}"),
    "known containers keep their place": ("Deployment", "{containers: [{name: sidecar, image: z}, {name: n}]}"),
    "the patch's order wins over the old one": ("Deployment", "{containers: [{name: sidecar}, {name: server}]}"),
    "env merges by name": ("Deployment", "{containers: [{name: server, env: [{name: C}, {name: B, value: '9'}]}]}"),
    "ports merge by number alone": (
        "Deployment",
        "{containers: [{name: server, ports: [{containerPort: 80, protocol: UDP}]}]}",
    ),
    "mounts merge by path": (
        "Deployment",
        "{containers: [{name: server, volumeMounts: [{mountPath: /v, readOnly: true}, {mountPath: /w, name: w}]}]}",
    ),
    "arguments are replaced": ("Deployment", "{containers: [{name: server, args: [x]}]}"),
    "tolerations are replaced": ("Deployment", "{tolerations: [{key: other}]}"),
    "spread constraints merge by topology": (
        "Deployment",
        "{topologySpreadConstraints: [{topologyKey: zone, maxSkew: 2}, {topologyKey: host}]}",
    ),
    "pull secrets merge": ("Deployment", "{imagePullSecrets: [{name: two}]}"),
    "host aliases merge by ip": ("Deployment", "{hostAliases: [{ip: 10.0.0.1, hostnames: [b]}]}"),
    "init containers merge": ("Deployment", "{initContainers: [{name: load, image: i9}]}"),
    "an entry is deleted": ("Deployment", "{containers: [{name: server, $patch: delete}]}"),
    "an entry that is not there is deleted": ("Deployment", "{containers: [{name: ghost, $patch: delete}]}"),
    "a list is replaced": ("Deployment", "{containers: [{name: q}, {$patch: replace}]}"),
    "keys are retained": (
        "Deployment",
        "{volumes: [{name: v, hostPath: {path: /x}, $retainKeys: [name, hostPath]}]}",
    ),
    "a volume without directive keeps both sources": ("Deployment", "{volumes: [{name: v, hostPath: {path: /x}}]}"),
    "null deletes a field": ("Deployment", "{containers: [{name: server, resources: {limits: {cpu: null}}}]}"),
    "null deletes a list": ("Deployment", "{tolerations: null}"),
    "an order is set": (
        "Deployment",
        "{$setElementOrder/containers: [{name: sidecar}, {name: server}], containers: [{name: server, image: z}]}",
    ),
    "an order alone": ("Deployment", "{$setElementOrder/containers: [{name: sidecar}, {name: server}]}"),
}
WHOLE_PATCHES = {
    "labels merge": ("Deployment", "{metadata: {labels: {a: null, b: '2'}}}"),
    "finalizers merge": ("Deployment", "{metadata: {finalizers: [x.example/b, x.example/c]}}"),
    "finalizers are deleted": ("Deployment", "{metadata: {$deleteFromPrimitiveList/finalizers: [x.example/a]}}"),
    "a map is replaced": ("Deployment", "{spec: {strategy: {type: Recreate, $patch: replace}}}"),
    "a map is emptied": ("Deployment", "{spec: {strategy: {$patch: delete}}}"),
    "a map retains keys": ("Deployment", "{spec: {strategy: {type: Recreate, $retainKeys: [type]}}}"),
    "service ports merge by port": ("Service", "{spec: {ports: [{port: 443, name: tls}, {port: 8080, name: alt}]}}"),
    "a service's selector merges": ("Service", "{spec: {selector: {b: '2'}}}"),
    "a service account's secrets merge": ("ServiceAccount", "{secrets: [{name: c}], imagePullSecrets: [{name: d}]}"),
    "webhooks merge by name": (
        "ValidatingWebhookConfiguration",
        "{webhooks: [{name: a.example.com, matchConditions: [{name: n, expression: 'false'}]}]}",
    ),
    "network policy rules are replaced": ("NetworkPolicy", "{spec: {ingress: [{ports: [{port: 81}]}]}}"),
}


def samples() -> list[Any]:
    pod = [
        (name, kind, {"spec": {"template": {"spec": yaml.safe_load(text)}}}) for name, (kind, text) in PATCHES.items()
    ]
    whole = [(name, kind, yaml.safe_load(text)) for name, (kind, text) in WHOLE_PATCHES.items()]
    return [pytest.param(kind, patch, id=name) for name, kind, patch in (*pod, *whole)]


def by_kubectl(obj: dict[str, Any], patch: dict[str, Any], type_: str, folder: Path) -> dict[str, Any]:
    file = folder / "object.json"
    file.write_text(json.dumps(obj))
    command = [KUBECTL, "patch", "--local", "-f", str(file), "--type", type_, "-p", json.dumps(patch), "-o", "json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    result: dict[str, Any] = json.loads(answer)
    return result


@pytest.mark.parametrize(("kind", "patch"), samples())
def test_strategic_merge_does_what_kubectl_does(kind: str, patch: dict[str, Any], tmp_path: Path) -> None:
    obj = OBJECTS[kind]
    before = copy.deepcopy((obj, patch))
    assert merge_strategic(obj, patch) == by_kubectl(obj, patch, "strategic", tmp_path)
    assert (obj, patch) == before, "what was given stays as it was"


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"a": None, "b": "2"}}},
        {"spec": {"template": {"spec": {"containers": [{"name": "only"}]}}}},
        {"spec": {"strategy": None}},
    ],
)
def test_json_merge_does_what_kubectl_does(patch: dict[str, Any], tmp_path: Path) -> None:
    obj = OBJECTS["Deployment"]
    assert merge_json(obj, patch) == by_kubectl(obj, patch, "merge", tmp_path)


def test_lists_of_custom_kinds_are_replaced() -> None:
    """A CustomResourceDefinition names no merge keys, so a list of containers there is just a list."""
    thing = {"apiVersion": "serving.example/v1", "kind": "Thing", "spec": {"containers": [{"name": "a"}]}}
    patched = merge_strategic(thing, {"spec": {"containers": [{"name": "b"}]}})
    assert patched["spec"]["containers"] == [{"name": "b"}]


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}, "lacks 'name'"),
        ({"spec": {"$patch": "erase"}}, "none of replace, delete, merge"),
        ({"spec": {"$retain": ["x"]}}, "no directive"),
    ],
)
def test_what_is_not_understood_is_an_error(patch: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        merge_strategic(OBJECTS["Deployment"], patch)


NAMES = st.sampled_from("abcdef")
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": NAMES}), unique_by=lambda one: str(one["name"])
)


def with_containers(containers: list[Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}}


@settings(deadline=None)
@given(CONTAINERS, CONTAINERS)
def test_a_patch_applied_twice_changes_nothing_more(original: list[Any], patch: list[Any]) -> None:
    once = merge_strategic(with_containers(original), with_containers(patch))
    assert merge_strategic(once, with_containers(patch)) == once


@settings(deadline=None)
@given(CONTAINERS, CONTAINERS)
def test_a_merged_list_holds_every_entry_once_and_what_the_patch_says(original: list[Any], patch: list[Any]) -> None:
    merged = merge_strategic(with_containers(original), with_containers(patch))["spec"]["containers"]
    assert sorted(one["name"] for one in merged) == sorted({one["name"] for one in (*original, *patch)})
    assert all(any(one.items() <= entry.items() for entry in merged) for one in patch)
    left = [one for one in merged if one["name"] not in {entry["name"] for entry in patch}]
    assert left == [one for one in original if one in left], "what the patch does not name keeps its order"


@settings(deadline=None)
@given(CONTAINERS)
def test_an_empty_patch_is_the_identity(original: list[Any]) -> None:
    assert merge_strategic(with_containers(original), {}) == with_containers(original)


JSON = nested(st.none() | st.booleans() | st.integers() | st.text(max_size=3), NAMES, most=4, max_leaves=12)


@settings(deadline=None)
@given(JSON, JSON)
def test_json_merge_is_idempotent(original: Any, patch: Any) -> None:
    once = merge_json(original, patch)
    assert merge_json(once, patch) == once


@settings(deadline=None)
@given(JSON)
def test_json_merge_of_a_document_without_nulls_into_nothing_gives_it_back(document: Any) -> None:
    def has_null(value: Any) -> bool:
        if isinstance(value, dict):
            return any(entry is None or has_null(entry) for entry in value.values())
        return False

    assert has_null(document) or merge_json({}, document) == document
