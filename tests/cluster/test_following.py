"""`takedown --follow` when only the cluster that was away knows what else the order covers."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import JsonObject, Scene, wait_until
from tests.cluster.test_broken_clusters import Kubeconfig
from tests.cluster.test_takedown_traps import astray, clean_up


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A fleet of two regions; each test writes its models itself."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    del fleet["spec"]["clusters"][2:]
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))
    found = Scene(control_planes, workspace, orchestrator)
    yield found
    clean_up(found)


def by_hand(namespace: str, image: str) -> JsonObject:
    """A Deployment that nobody's workspace has."""
    labels = {"run": "by-hand"}
    container = {"name": "c", "image": image}
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "by-hand", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.mark.slow
def test_a_derivative_that_only_the_returning_cluster_knows_is_searched_for_everywhere(
    scene: Scene, tmp_path: Path
) -> None:
    """The other cluster was done before; it is not called proven while the derivative runs there."""
    good, down, _ = scene.planes.clusters
    namespace = scene.workspace.namespace
    base, child = f"{namespace}-base", f"{namespace}-child"
    image = f"registry.example/{child}"
    _write(scene, base, "base")
    _write(scene, child, "child", derivedFrom=[base], match={"images": [image]})
    scene.orchestrator("enable", base, "--all", "-o", "json").expect(0)
    scene.orchestrator("enable", child, "--cluster", down, "-o", "json").expect(0)
    shutil.rmtree(scene.workspace.root / f"manifests/{child}")
    deployment = json.dumps(by_hand(namespace, f"{image}:1"))
    scene.planes.kubectl(good, "create", "-f", "-", stdin=deployment)
    scene.planes.kubectl(good, "rollout", "status", "deployment/by-hand", "-n", namespace, "--timeout=60s")
    order = scene.write_order(models=[base])
    runs = tmp_path / "state"
    before = len(list(runs.rglob("result.json")))
    kubeconfig = Kubeconfig(scene.planes, tmp_path / "kubeconfig")
    with astray(scene, kubeconfig, **{down: False}) as ways:

        def open_later() -> None:
            """When the first round has ended without it."""
            wait_until(lambda: len(list(runs.rglob("result.json"))) > before, 120)
            for way in ways:
                way.open()

        opener = threading.Thread(target=open_later)
        opener.start()
        done = scene.take_down(order, "--follow", models=[base]).expect(0).json
        opener.join()
    assert {(item["model"], item["cluster"]) for item in done["items"]} == {
        (model, cluster) for model in (base, child) for cluster in (good, down)
    }
    assert scene.planes.read(good, "pods", "-n", namespace)["items"] == []
    assert scene.planes.read(down, "pods", "-n", namespace)["items"] == []


def _write(scene: Scene, model: str, deployment: str, **spec: object) -> None:
    scene.workspace.write(f"manifests/{model}/objects.yaml", scene.workspace.deployment(deployment, replicas=1))
    scene.workspace.write(
        f"manifests/{model}/model.yaml",
        {
            "apiVersion": "orchestrator/v1",
            "kind": "Model",
            "metadata": {"name": model},
            "spec": {"manifests": ["objects.yaml"], **spec},
        },
    )
