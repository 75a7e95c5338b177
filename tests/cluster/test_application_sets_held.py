"""Where no guard can be made: Applications of an ApplicationSet are paused in a way that its controller leaves alone.

The definitions are Argo CD's own; its controller is stood in for by a loop that does what it documents: puts the specs
of its Applications back to the template, save for what the set says to ignore.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.definitions import serving
from tests.cluster.test_responder import Responder, named, responder

__all__ = ["responder"]
JsonObject = dict[str, Any]
AUTOMATED = {"selfHeal": True, "prune": False}
DEFINITIONS = {"Application": "applications.argoproj.io", "ApplicationSet": "applicationsets.argoproj.io"}
APPLICATION, SET = ("applications.argoproj.io", "mythos"), ("applicationsets.argoproj.io", "models")


@pytest.fixture
def stage(responder: Responder) -> Iterator[Responder]:
    """Argo CD's kinds in this one cluster, whose responder may not make policies; the models are on."""
    with serving(responder.admin, DEFINITIONS):
        responder.bind(named("create validatingadmissionpolicies.admissionregistration.k8s.io"))
        responder.switch_on()
        yield responder


def make_application_set(stage: Responder, **spec: Any) -> None:
    """A set with one Application, which tracks the StatefulSet of the scene's second model."""
    namespace = stage.admin.prefix
    template = {
        "project": "default",
        "source": {"repoURL": "https://git.example/models", "path": "mythos", "targetRevision": "main"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
        "syncPolicy": {"automated": AUTOMATED},
    }
    head = {"apiVersion": "argoproj.io/v1alpha1"}
    generator = {"list": {"elements": [{"name": "mythos"}]}}
    stage.admin.apply(
        {**head, "kind": "ApplicationSet", "metadata": {"name": "models", "namespace": namespace},
         "spec": {"generators": [generator], "template": {"metadata": {"name": "{{name}}"}, "spec": template}, **spec}}
    )  # fmt: skip
    uid = _read(stage, *SET)["metadata"]["uid"]
    owner = {**head, "kind": "ApplicationSet", "name": "models", "uid": uid, "controller": True}
    stage.admin.apply(
        {**head, "kind": "Application", "spec": template,
         "metadata": {"name": "mythos", "namespace": namespace, "ownerReferences": [owner]}}
    )  # fmt: skip
    tracked = f"argocd.argoproj.io/tracking-id={namespace}_mythos:apps/StatefulSet:{namespace}/mythos-shard"
    stage.admin.kubectl("annotate", "statefulset/mythos-shard", tracked, "-n", namespace)


@contextmanager
def controller(stage: Responder) -> Iterator[list[str]]:
    """Puts the Application's sync policy back to the template's, as often as it finds another; what it put back.

    As its writes are bound to a version, it puts nothing back of what was written while it looked.
    """
    done, undone = threading.Event(), []

    def reconcile() -> None:
        while not done.wait(0.2):
            found = _read(stage, *APPLICATION)
            now = found["spec"]["syncPolicy"]["automated"]
            if (
                now == AUTOMATED
                or _ignores_sync_policies(stage)
                or _version(_read(stage, *APPLICATION)) != _version(found)
            ):
                continue
            patch = json.dumps([{"op": "replace", "path": "/spec/syncPolicy/automated", "value": AUTOMATED}])
            stage.admin.kubectl("patch", *APPLICATION, "-n", stage.admin.prefix, "--type=json", "-p", patch,
                                "--field-manager=argocd-applicationset-controller")  # fmt: skip
            undone.append(json.dumps(now))

    loop = threading.Thread(target=reconcile)
    loop.start()
    try:
        yield undone
    finally:
        done.set()
        loop.join()


def test_an_application_set_lets_its_application_be_paused_and_both_come_back_as_they_were(stage: Responder) -> None:
    """The rule comes before the pause and goes after it, so that its controller never has anything to put back."""
    theirs = {"name": "other", "jsonPointers": ["/spec/source/targetRevision"]}
    make_application_set(stage, ignoreApplicationDifferences=[theirs])
    before = {one: _read(stage, *one)["spec"] for one in (SET, APPLICATION)}
    order = stage.scene.write_order()

    with controller(stage) as undone:
        result = stage.scene.take_down(order).expect(3).json
        paused, rules = _read(stage, *APPLICATION), _read(stage, *SET)
        assert (undone, paused["spec"]["syncPolicy"]["automated"]["enabled"]) == ([], False)
        assert rules["spec"]["ignoreApplicationDifferences"] == [theirs, {"jsonPointers": ["/spec/syncPolicy"]}]
        assert _version(rules) < _version(paused)
        stage.scene.restore(order).expect(0)

    assert {(item["verdict"], item["guard"]) for item in result["items"]} == {("unverified", "absent")}
    assert "can-wake" not in json.dumps(result)
    assert undone == []
    assert {one: _read(stage, *one)["spec"] for one in (SET, APPLICATION)} == before
    assert _version(_read(stage, *APPLICATION)) < _version(_read(stage, *SET))


def test_an_application_set_that_starts_syncs_by_itself_is_named_and_not_touched(stage: Responder) -> None:
    make_application_set(stage, strategy={"type": "RollingSync", "rollingSync": {"steps": [{"matchExpressions": []}]}})
    before = _read(stage, *SET)["spec"]
    result = stage.scene.take_down(stage.scene.write_order()).expect(3).json
    assert any("rolling sync" in one["message"] for one in _reasons(result, "can-wake")), result
    assert _read(stage, *SET)["spec"] == before


def _read(stage: Responder, resource: str, name: str) -> JsonObject:
    found: JsonObject = stage.scene.planes.read(stage.admin.cluster, resource, name, "-n", stage.admin.prefix)
    return found


def _ignores_sync_policies(stage: Responder) -> bool:
    rules = _read(stage, *SET)["spec"].get("ignoreApplicationDifferences", [])
    return any("/spec/syncPolicy" in rule.get("jsonPointers", []) for rule in rules)


def _version(live: JsonObject) -> int:
    return int(live["metadata"]["resourceVersion"])


def _reasons(result: JsonObject, code: str) -> list[JsonObject]:
    return [one for item in result["items"] for one in item["reasons"] if one["code"] == code]
