"""A takedown that begins with the clusters that have answered, while the others keep silent."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import JsonObject, Scene, wait_until
from tests.cluster.test_broken_clusters import Kubeconfig
from tests.cluster.test_following import by_hand
from tests.cluster.test_takedown_traps import Way, astray, clean_up, verdicts


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A fleet of three regions with the workspace's own model in all of them."""
    found = Scene(control_planes, workspace, orchestrator)
    workspace.write_model(workspace.deployment("here", replicas=1))
    found.orchestrator("enable", workspace.model, "--all", "-o", "json").expect(0)
    yield found
    clean_up(found)


@pytest.fixture
def kubeconfig(control_planes: ControlPlanes, tmp_path: Path) -> Kubeconfig:
    return Kubeconfig(control_planes, tmp_path / "kubeconfig")


def journal(state: Path) -> list[JsonObject]:
    """Every record of the latest run of a takedown."""
    files = sorted(state.rglob("journal.jsonl"))
    return [json.loads(line) for line in files[-1].read_text().splitlines()] if files else []


def types(state: Path, cluster: str | None = None) -> list[str]:
    """The kinds of record, in order, of one cluster where one is named."""
    return [one["type"] for one in journal(state) if cluster in (None, one.get("cluster"))]


@contextmanager
def opened_late(ways: list[Way], state: Path, cluster: str) -> Iterator[None]:
    """The ways open once a run has sent something to another cluster."""
    runs = len(list(state.rglob("journal.jsonl")))

    def open_later() -> None:
        wait_until(lambda: len(list(state.rglob("journal.jsonl"))) > runs and "sending" in types(state, cluster), 60)
        for way in ways:
            way.open()

    opener = threading.Thread(target=open_later)
    opener.start()
    yield
    opener.join()


def test_what_answers_late_joins_and_what_never_answers_holds_nobody_up(
    scene: Scene, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """Before either of them has answered, the one that did is written to; in the end two of three are proven."""
    model, state = scene.workspace.model, tmp_path / "state"
    good, late, silent = scene.planes.clusters
    order = scene.write_order(models=[model])
    with astray(scene, kubeconfig, **{late: True, silent: True}) as (way, _), opened_late([way], state, good):
        done = scene.take_down(order, models=[model]).expect(3)
    assert f"no answer yet: {late}, {silent}" in done.stderr
    found = verdicts(done.json)
    assert {verdict for cluster in (good, late) for verdict, _ in found[cluster]} == {"verified"}
    assert found[silent] == {("unreachable", "timeout")}
    assert len(done.json["items"]) == 3
    assert not scene.pods(late, model)
    assert scene.pods(silent, model)
    (joined,) = [number for number, one in enumerate(journal(state)) if one["type"] == "joined"]
    sent_before = {one["cluster"] for one in journal(state)[:joined] if one["type"] == "sending"}
    assert sent_before == {good}
    told = scene.orchestrator("runs", "show", done.json["run"]).expect(0).stdout
    assert f"these join: {late}; out of reach: {silent}" in told


@pytest.mark.slow
def test_a_derivative_that_only_a_late_cluster_knows_is_searched_for_everywhere(
    scene: Scene, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """The cluster that was begun with is not called proven while the derivative runs there."""
    model, state = scene.workspace.model, tmp_path / "state"
    good, late, _ = scene.planes.clusters
    child = f"{model}-child"
    image = f"registry.example/{child}"
    scene.workspace.write(f"manifests/{child}/objects.yaml", scene.workspace.deployment("child", replicas=1))
    spec = {"manifests": ["objects.yaml"], "derivedFrom": [model], "match": {"images": [image]}}
    document = {"apiVersion": "orchestrator/v1", "kind": "Model", "metadata": {"name": child}, "spec": spec}
    scene.workspace.write(f"manifests/{child}/model.yaml", document)
    scene.orchestrator("enable", child, "--cluster", late, "-o", "json").expect(0)
    shutil.rmtree(scene.workspace.root / f"manifests/{child}")
    namespace = scene.workspace.namespace
    scene.planes.kubectl(good, "create", "-f", "-", stdin=json.dumps(by_hand(namespace, f"{image}:1")))
    scene.planes.kubectl(good, "rollout", "status", "deployment/by-hand", "-n", namespace, "--timeout=60s")
    order = scene.write_order(models=[model])
    with astray(scene, kubeconfig, **{late: True}) as ways, opened_late(ways, state, good):
        done = scene.take_down(order, models=[model]).expect(0).json
    assert {(item["model"], item["cluster"]) for item in done["items"]} == {
        (name, cluster) for name in (model, child) for cluster in scene.planes.clusters
    }
    for cluster in scene.planes.clusters:
        assert scene.planes.read(cluster, "pods", "-n", namespace)["items"] == []


@pytest.mark.slow
def test_a_lift_that_only_a_late_cluster_records_is_said_and_nothing_is_proven(
    scene: Scene, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """The others' records of it were deleted: what was begun is told, and the late cluster is left as it is."""
    model, state = scene.workspace.model, tmp_path / "state"
    good, late, third = scene.planes.clusters
    order = scene.write_order(models=[model], restore={"jitter": "0s"})
    before = scene.ours(good)
    scene.take_down(order, models=[model]).expect(0)
    scene.restore(order, models=[model]).expect(0)
    (lift,) = scene.ours(good) - before
    for cluster in (good, third):
        scene.planes.kubectl(cluster, "delete", lift, "-n", "orchestrator-system")
    with astray(scene, kubeconfig, **{late: True}) as ways, opened_late(ways, state, good):
        done = scene.take_down(order, models=[model]).expect(3).json
    assert "is lifted" in done["error"]["message"]
    assert verdicts(done)[late] == {("unverified", "not-joined")}
    assert scene.pods(late, model)


def test_who_is_asked_to_confirm_sees_the_plan_of_every_cluster(scene: Scene, kubeconfig: Kubeconfig) -> None:
    """Without `--confirm` somebody looks at it first: it waits for all, and names those that gave no answer."""
    model = scene.workspace.model
    *_, silent = scene.planes.clusters
    order = scene.write_order(models=[model])
    with astray(scene, kubeconfig, **{silent: True}):
        began = time.monotonic()
        refused = scene.orchestrator("takedown", "--order", order, "--rehearse").expect(4)
    assert time.monotonic() - began > 4
    assert f"out of reach: {silent}" in refused.stderr
