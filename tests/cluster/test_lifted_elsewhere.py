"""A cluster that was away while its order was lifted: named wherever one looks, brought back by the same command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene, wait_until


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Scene:
    return Scene(control_planes, workspace, orchestrator)


def _lead_through(scene: Scene, kubeconfig: Path) -> None:
    """Let the workspace's fleet reach its clusters through another kubeconfig."""
    file = scene.workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    fleet["spec"]["kubeconfig"] = str(kubeconfig)
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))


def _context_of(planes: ControlPlanes, cluster: str) -> str:
    fleet = yaml.safe_load(planes.fleet_file.read_text())
    return next(one.get("context") or one["name"] for one in fleet["spec"]["clusters"] if one["name"] == cluster)


def _without(planes: ControlPlanes, cluster: str, to: Path) -> Path:
    """A kubeconfig in which one cluster's server does not answer."""
    context = _context_of(planes, cluster)
    config = yaml.safe_load(planes.kubeconfig.read_text())
    entry = next(one["context"]["cluster"] for one in config["contexts"] if one["name"] == context)
    for one in config["clusters"]:
        if one["name"] == entry:
            one["cluster"]["server"] = "https://127.0.0.1:9"
    to.write_text(yaml.safe_dump(config))
    return to


@pytest.mark.long
def test_a_cluster_that_was_away_is_named_with_the_next_step_and_restored_alone(scene: Scene, tmp_path: Path) -> None:
    """By `status`, `orders` and `takedown --follow`; then `restore` again touches nothing but that cluster."""
    *_, away = scene.planes.clusters
    scene.write_models()
    scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    before = {name: scene.objects(name) for name in scene.planes.clusters}
    order = scene.write_order()
    scene.take_down(order).expect(0)

    _lead_through(scene, _without(scene.planes, away, tmp_path / "one-away"))
    lifted = scene.restore(order).expect(3).json
    verdicts = {(item["cluster"] == away, item["verdict"]) for item in lifted["items"]}
    assert verdicts == {(True, "unreachable"), (False, "verified")}

    _lead_through(scene, scene.planes.kubeconfig)
    next_step = "orchestrator restore --order"
    for item in scene.orchestrator("status", scene.scaled, "-o", "json").json["items"]:
        named = [one["message"] for one in item["reasons"] if one["code"] == "not-restored"]
        assert bool(named) is (item["cluster"] == away), item
        assert all(next_step in words for words in named)
    name = f"{scene.workspace.namespace}-directive"
    (entry,) = scene.orchestrator("orders", "show", name, "-o", "json").expect(0).json["orders"]
    assert (entry["notRestored"], entry["debt"]) == ([away], [])
    table = scene.orchestrator("orders", "list").expect(0).stdout
    assert f"{name} is lifted and still held in {away}" in table
    assert f"{next_step} {order}" in table
    refused = scene.take_down(order, "--follow").expect(4).json["error"]
    assert away in refused["message"]
    assert next_step in refused["hint"]

    again = scene.restore(order).expect(0).json
    assert {item["cluster"] for item in again["items"] if item["changed"]} == {away}
    assert {name: scene.objects(name) for name in scene.planes.clusters} == before
    (entry,) = scene.orchestrator("orders", "show", name, "-o", "json").expect(0).json["orders"]
    assert entry["notRestored"] == []


@pytest.mark.long
def test_following_uses_credentials_that_were_repaired_meanwhile(scene: Scene, tmp_path: Path) -> None:
    """One cluster refuses us until somebody repairs the kubeconfig: then it goes dark, and nothing is owed."""
    first, *_, owed = scene.planes.clusters
    scene.write_models()
    scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    order, file = scene.write_order(), tmp_path / "kubeconfig"
    good = yaml.safe_load(scene.planes.kubeconfig.read_text())
    entry = next(one["context"]["user"] for one in good["contexts"] if one["name"] == _context_of(scene.planes, owed))
    bad = [{"name": one["name"], "user": {"token": "old"}} if one["name"] == entry else one for one in good["users"]]
    file.write_text(yaml.safe_dump({**good, "users": bad}))
    _lead_through(scene, file)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(scene.take_down, order, "--follow")
        wait_until(lambda: not scene.pods(first, scene.scaled) and not scene.pods(first, scene.sharded), 90)
        assert scene.pods(owed, scene.scaled), "nobody could reach it yet"
        repaired = tmp_path / "repaired"
        repaired.write_text(yaml.safe_dump(good))
        repaired.replace(file)
        done = following.result(170).expect(0).json
    assert {item["verdict"] for item in done["items"]} == {"verified"}
    assert owed in {item["cluster"] for item in done["items"]}
    assert scene.pods(owed, scene.scaled) == []
    scene.restore(order).expect(0)
