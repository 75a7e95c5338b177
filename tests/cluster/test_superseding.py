"""An order that replaces another one: what it covers changes hands without a gap, what it does not cover stays held."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene

POLICIES = "validatingadmissionpolicies,validatingadmissionpolicybindings"


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Scene:
    return Scene(control_planes, workspace, orchestrator)


def _digest(scene: Scene) -> str:
    listed = scene.orchestrator("orders", "show", f"{scene.workspace.namespace}-directive", "-o", "json").expect(0)
    return str(listed.json["orders"][0]["digest"])


def _left_of(scene: Scene, digest: str, cluster: str) -> set[tuple[str, str]]:
    """Kind and model of every hold and guard of an order."""
    labels = f"orchestrator.dev/order={digest[:16]}"
    holds = scene.planes.read(
        cluster, "configmaps", "-n", "orchestrator-system", "-l", f"{labels},orchestrator.dev/record=hold"
    )
    guards = scene.planes.read(cluster, POLICIES, "-l", labels)
    return {
        (one["kind"].removeprefix("ValidatingAdmission"), one["metadata"]["labels"]["orchestrator.dev/model"])
        for one in (*holds["items"], *guards["items"])
    }


def _try_scaling(scene: Scene, cluster: str, name: str) -> str:
    return scene.planes.kubectl(
        cluster, "scale", f"deployment/{name}", "--replicas=1", "-n", scene.workspace.namespace, check=False
    )


@pytest.mark.long
def test_an_order_takes_over_what_it_covers_and_leaves_the_rest(scene: Scene, tmp_path: Path) -> None:
    """What both name passes to the successor, hold and guard; the other model's stay until their own restore."""
    cluster, clusters = scene.planes.clusters[0], scene.planes.clusters
    scene.write_models()
    scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    before = {name: scene.objects(name) for name in clusters}
    path = scene.write_order()
    scene.take_down(path).expect(0)
    old = _digest(scene)
    old_file = tmp_path / "old.yaml"
    shutil.copy(scene.workspace.root / path, old_file)

    scene.write_order(models=[scene.scaled], contact="desk@models.example")
    refused = scene.take_down(path, models=[scene.scaled]).expect(4).json
    assert f"supersedes: {old[:12]}" in refused["error"]["hint"]
    path = scene.write_order(models=[scene.scaled], contact="desk@models.example", supersedes=old[:12])
    done = scene.take_down(path, models=[scene.scaled]).expect(0)
    assert all("superseded" in [reason["code"] for reason in item["reasons"]] for item in done.json["items"])

    orders = {
        one["digest"]: one
        for one in scene.orchestrator("orders", "list", "-o", "json").expect(0).json["orders"]
        if one["name"] == f"{scene.workspace.namespace}-directive"
    }
    (new,) = orders.keys() - {old}
    assert (orders[old]["supersededBy"], orders[new]["supersededBy"]) == (new, None)
    assert orders[old]["debt"] == []
    table = scene.orchestrator("orders", "list").expect(0).stdout
    assert f"superseded by {new[:12]}" in table
    everything = {"ConfigMap", "Policy", "PolicyBinding"}
    for name in clusters:
        assert _left_of(scene, new, name) == {(kind, scene.scaled) for kind in everything}
        assert _left_of(scene, old, name) == {(kind, scene.sharded) for kind in everything}
    assert f"[orchestrator guard {new[:16]}/{scene.scaled}]" in _try_scaling(scene, cluster, "fable")
    assert f"[orchestrator guard {old[:16]}/{scene.sharded}]" in _try_scaling(scene, cluster, "mythos-gateway")

    scene.restore(path, models=[scene.scaled]).expect(0)
    scene.orchestrator("enable", scene.sharded, "--all", "-o", "json").expect(4)
    scene.restore(str(old_file)).expect(0)
    assert {name: scene.objects(name) for name in clusters} == before
    kept = ("/lift.", "/model.", "/manifests.")
    assert [one for one in scene.ours(cluster) if not any(part in one for part in kept)] == []
