"""The whole story in five regions: two models dark and kept dark, a third untouched, and everything back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox
from tests.cluster.conftest import ControlPlanes, TestWorkspace, command_line
from tests.cluster.orders import Scene

pytestmark = pytest.mark.long
NAMESPACE = "five"


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Five control planes of this file's own, with the models of a scene switched on in each."""
    root = tmp_path_factory.mktemp("five")
    home = root / "sandbox"
    sandbox.up(home, 5, lambda line: None)
    try:
        fleet = yaml.safe_load((home / "fleet.yaml").read_text())
        names = [cluster["name"] for cluster in fleet["spec"]["clusters"]]
        planes = ControlPlanes(home, home / "kubeconfig", home / "fleet.yaml", names)
        planes.everywhere("create", "namespace", NAMESPACE)
        scene = Scene(planes, _workspace(root, planes), command_line(planes, root))
        scene.write_models()
        scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
        yield scene
    finally:
        sandbox.down(home)


def _workspace(root: Path, planes: ControlPlanes) -> TestWorkspace:
    found = TestWorkspace(root / "workspace", NAMESPACE)
    found.root.mkdir()
    fleet = yaml.safe_load(planes.fleet_file.read_text())
    fleet["spec"]["kubeconfig"] = str(planes.kubeconfig)
    (found.root / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
    return found


def attempts(scene: Scene) -> list[tuple[tuple[str, ...], str | None]]:
    """Ways to bring a model back, as kubectl commands with what they read."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "copy", "namespace": NAMESPACE, "labels": {"orchestrator.dev/model": scene.scaled}},
        "spec": {"containers": [{"name": "server", "image": "registry.example/server:1"}]},
    }
    place = ("-n", NAMESPACE)
    return [
        (("scale", "deployment/fable", "--replicas=2", *place), None),
        (("patch", "deployment/mythos-worker", *place, "-p", '{"spec":{"replicas":1}}'), None),
        (("scale", "statefulset/mythos-shard", "--replicas=1", *place), None),
        (("create", "-f", "-"), json.dumps(pod)),
        (("label", "deployment/mythos-gateway", "orchestrator.dev/model-", *place), None),
    ]


def test_five_regions_go_dark_stay_dark_and_come_back(five: Scene) -> None:
    """Exit 0 in all five; every attempt is refused with our message; every object comes back field by field."""
    clusters = five.planes.clusters
    assert len(clusters) == 5
    before = {cluster: five.objects(cluster) for cluster in clusters}
    order = five.write_order(contact="desk@models.example")

    items = five.take_down(order).expect(0).json["items"]

    assert len(items) == 10
    assert {(item["verdict"], item["guard"]) for item in items} == {("verified", "proven")}

    def tried(cluster: str) -> None:
        for arguments, stdin in attempts(five):
            said = five.planes.kubectl(cluster, *arguments, stdin=stdin, check=False)
            assert "desk@models.example" in said, f"{cluster}: {arguments}: {said}"
        five.planes.kubectl(cluster, "scale", "deployment/saga", "--replicas=3", "-n", NAMESPACE)
        five.planes.kubectl(cluster, "scale", "deployment/saga", "--replicas=1", "-n", NAMESPACE)

    with ThreadPoolExecutor() as pool:
        list(pool.map(tried, clusters))
    five.restore(order).expect(0)
    assert {cluster: five.objects(cluster) for cluster in clusters} == before
