"""`--explain` on real control planes: what each verdict rests on, for what is right as for what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.core.rules import RULES, VERDICTS
from orchestrator.core.verdict import Verdict
from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    workspace.write_model(replicas=2)
    workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}}, name="on")
    made = Scene(control_planes, workspace, orchestrator)
    yield made
    clean_up(made)


def seen(item: dict[str, Any], object_: str) -> dict[str, str]:
    """By field, what was seen of an object."""
    return {one["field"]: one["seen"] for one in item["explanation"] if one["object"] == object_ and one["field"]}


def test_what_is_verified_names_the_objects_and_fields_that_it_rests_on(scene: Scene) -> None:
    model, namespace = scene.workspace.model, scene.workspace.namespace
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    verify = ("verify", "playbooks/on.yaml", "-o", "json")
    assert {item["explanation"] for item in scene.orchestrator(*verify).expect(0).json["items"]} == {None}
    for command in (verify, ("status", model, "-o", "json")):
        done = scene.orchestrator(*command, "--explain").expect(0)
        for item in done.json["items"]:
            assert item["explanation"][0]["rule"] == VERDICTS[Verdict.VERIFIED]
            fields = seen(item, f"apps/Deployment {namespace}/server")
            assert fields["spec.replicas"] == fields["status.readyReplicas"] == "2"
            assert fields["status.observedGeneration"] == fields["metadata.generation"]
            assert fields["status.conditions[Available]"] == "True"
            assert any(one["seen"].startswith("2 of the model") for one in item["explanation"])
    table = scene.orchestrator("status", model, "--explain").expect(0).stdout
    assert "rule: At its own generation, all replicas are updated" in table
    assert f"apps/Deployment {namespace}/server status.readyReplicas: 2" in table


def test_what_is_not_verified_names_rule_object_and_field(scene: Scene) -> None:
    model, namespace, cluster = scene.workspace.model, scene.workspace.namespace, scene.planes.clusters[0]
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    scene.planes.kubectl(cluster, "scale", "deployment/server", "--replicas=1", "-n", namespace)
    done = scene.orchestrator("verify", "playbooks/on.yaml", "--explain", "-o", "json")
    item = done.items()[cluster]
    assert item["verdict"] != "verified"
    (found,) = (one for one in item["explanation"] if one["code"] == "replicas-differ")
    assert (found["object"], found["field"]) == (f"apps/Deployment {namespace}/server", "spec.replicas")
    assert found["rule"] == RULES["replicas-differ"]
    assert "1 replicas are asked for instead of 2" in found["seen"]
    assert f"[{'replicas-differ'}]" in scene.orchestrator("status", model, "--explain").stdout


@pytest.mark.slow
def test_an_order_that_is_kept_names_guard_pods_and_everything_that_was_looked_for(scene: Scene) -> None:
    model, namespace = scene.workspace.model, scene.workspace.namespace
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    order = scene.write_order(models=[model])
    scene.take_down(order, models=[model]).expect(0)
    done = scene.orchestrator("verify", "--order", order, "--rehearse", "--explain", "-o", "json").expect(0)
    for item in done.json["items"]:
        fields = seen(item, f"apps/Deployment {namespace}/server")
        assert fields["spec.replicas"] == "0"
        by_object = {one["object"]: one for one in item["explanation"]}
        assert by_object["pods in all namespaces"]["seen"].startswith("0 of the model among")
        assert by_object["ValidatingAdmissionPolicy"]["seen"] == "proven"
        assert "guard-editors" in {one["code"] for one in item["explanation"]}
    watched = scene.orchestrator("status", "--watch", "--explain").expect(2)
    assert "--watch explains nothing" in watched.stderr


@pytest.mark.slow
def test_a_run_explains_its_own_verdicts_and_can_be_asked_later(scene: Scene) -> None:
    model, namespace = scene.workspace.model, scene.workspace.namespace
    applied = scene.orchestrator("apply", "playbooks/on.yaml", "--explain", "-o", "json").expect(0)
    for item in applied.json["items"]:
        assert item["explanation"][0]["rule"] == VERDICTS[Verdict.VERIFIED]
        assert seen(item, f"apps/Deployment {namespace}/server")["status.readyReplicas"] == "2"
    order = scene.write_order(models=[model])
    taken = scene.take_down(order, "--explain", models=[model]).expect(0)
    for item in taken.json["items"]:
        assert seen(item, f"apps/Deployment {namespace}/server")["spec.replicas"] == "0"
        assert "not there" not in {one["seen"] for one in item["explanation"]}
    shown = scene.orchestrator("runs", "show", taken.json["run"], "--explain", "-o", "json").expect(0).json
    assert {one["cluster"] for one in shown["verdicts"]} == set(scene.planes.clusters)
    for one in shown["verdicts"]:
        assert one["explanation"][0] == {
            "rule": VERDICTS[Verdict.VERIFIED], "code": None, "object": None, "field": None, "seen": "verified",
        }  # fmt: skip
        assert "traffic-not-observed" in {rule["code"] for rule in one["explanation"]}
    unasked = scene.orchestrator("runs", "show", taken.json["run"], "-o", "json").expect(0).json
    assert unasked["verdicts"] == []
    assert (
        f"{model} in {scene.planes.clusters[0]}: verified"
        in scene.orchestrator("runs", "show", taken.json["run"], "--explain").expect(0).stdout
    )
