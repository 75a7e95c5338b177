"""Comparing with a real API server: what it fills in is no drift, and what somebody changed is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.comparison import changed_fields, differences
from orchestrator.core.objects import JsonObject
from tests.cluster.verification.stage import Stage

_MANIFESTS: list[JsonObject] = list(
    yaml.safe_load_all(Path(__file__).with_name("manifests.yaml").read_text(encoding="utf-8"))
)

_ALL = json.dumps({"apiVersion": "v1", "kind": "List", "items": _MANIFESTS})


def _name(manifest: JsonObject) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


async def _apply_all(stage: Stage) -> None:
    await stage.run("apply", "--server-side", "-f", "-", stdin=_ALL)


async def test_what_was_just_applied_has_no_differences(stage: Stage) -> None:
    """Defaults, normalised quantities, merged lists and dropped empties of the API server are no drift."""
    await _apply_all(stage)
    text = await stage.run("get", "-f", "-", "-o", "json", stdin=_ALL)
    live = {_name(obj): obj for obj in json.loads(text)["items"]}
    found = {_name(manifest): differences(manifest, live[_name(manifest)]) for manifest in _MANIFESTS}
    assert len(live) == len(_MANIFESTS)
    assert {name: changes for name, changes in found.items() if changes} == {}


_CHANGES: list[tuple[str, list[Any], str]] = [
    (
        "Deployment",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "registry.example/other"}],
        "spec.template.spec.containers[name=server].image",
    ),
    (
        "Deployment",
        [{"op": "replace", "path": "/spec/template/spec/tolerations/0/effect", "value": "NoExecute"}],
        "spec.template.spec.tolerations[0].effect",
    ),
    (
        "Deployment",
        [{"op": "add", "path": "/spec/template/spec/nodeSelector/extra", "value": "yes"}],
        "spec.template.spec.nodeSelector.extra",
    ),
    (
        "HTTPRoute",
        [{"op": "replace", "path": "/spec/rules/1/backendRefs/0/weight", "value": 5}],
        "spec.rules[1].backendRefs[0].weight",
    ),
    (
        "HTTPRoute",
        [{"op": "add", "path": "/spec/rules/0/timeouts", "value": {"request": "1s"}}],
        "spec.rules[0].timeouts",
    ),
    ("Service", [{"op": "add", "path": "/spec/selector/b", "value": "c"}], "spec.selector.b"),
    (
        "Service",
        [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 81}],
        "spec.ports[port=80,protocol=TCP].targetPort",
    ),
    ("ConfigMap", [{"op": "replace", "path": "/data/a", "value": "2"}], "data.a"),
    ("Secret", [{"op": "replace", "path": "/data/b", "value": "eA=="}], "data.b"),
    ("HorizontalPodAutoscaler", [{"op": "replace", "path": "/spec/maxReplicas", "value": 9}], "spec.maxReplicas"),
    ("NetworkPolicy", [{"op": "remove", "path": "/spec/ingress/0"}], "spec.ingress"),
]


async def test_what_somebody_changed_is_found(stage: Stage) -> None:
    """Exactly the changed field is a difference, and a dry run of our apply would change that field."""
    await _apply_all(stage)
    for kind, patch, path in _CHANGES:
        manifest = next(one for one in _MANIFESTS if one["kind"] == kind)
        patched = await stage.run(
            "patch", kind, manifest["metadata"]["name"], "--type=json", "-p", json.dumps(patch), "-o", "json"
        )
        live = json.loads(patched)
        assert [change.path for change in differences(manifest, live)] == [path]
        arguments = ("--server-side", "--force-conflicts", "-o", "json", "-f", "-")
        after = json.loads(await stage.run("apply", *arguments, stdin=json.dumps(manifest)))
        changed = [change.path for change in changed_fields(live, after)]
        assert any(path.startswith(one) or one.startswith(path) for one in changed), changed
        assert differences(manifest, after) == ()
