"""The whole story in five regions: two models dark and kept dark, a third untouched, and everything back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import sandbox
from tests.cluster.conftest import ControlPlanes, TestWorkspace, command_line
from tests.cluster.orders import Scene

JsonObject = dict[str, Any]
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


IMAGE, WEIGHTS = "registry.example/five-fable", "s3://weights.example/five-fable"
CONTACT = "desk@models.example"
PLACE = ("-n", NAMESPACE)


def mark(scene: Scene) -> None:
    """Let the first model be known by image and weights, too, and lead clients to it; a bystander runs beside it."""
    file = scene.workspace.root / "manifests" / scene.scaled / "model.yaml"
    file.write_text(file.read_text() + f"  match: {{images: [{IMAGE}], weights: ['{WEIGHTS}']}}\n")
    scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    gateway = "gateway.networking.k8s.io/v1"
    routed = {"parentRefs": [{"name": "models"}], "rules": [{"backendRefs": [{"name": "fable", "port": 80}]}]}
    objects = (
        pod("bystander"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fable", "namespace": NAMESPACE},
         "spec": {"selector": {"app": "fable"}, "ports": [{"port": 80}]}},
        {"apiVersion": gateway, "kind": "HTTPRoute", "metadata": {"name": "fable", "namespace": NAMESPACE},
         "spec": routed},
    )  # fmt: skip
    scene.planes.everywhere("create", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))


def pod(name: str, image: str = "registry.example/neutral:1", **container: Any) -> JsonObject:
    """A pod of nobody's, or of a model by what it runs."""
    containers = [{"name": "server", "image": image, **container}]
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def refused(scene: Scene, route: JsonObject) -> list[tuple[tuple[str, ...], JsonObject | None]]:
    """Every way to bring a model back, as kubectl commands with what they read."""
    create = ("create", "-f", "-")
    labelled = pod("copy")
    labelled["metadata"]["labels"] = {"orchestrator.dev/model": scene.scaled}
    return [
        (create, labelled),
        (create, pod("copy", f"{IMAGE}:2")),
        (create, pod("copy", args=[f"--model={WEIGHTS}/latest"])),
        (("set", "image", "pod/bystander", f"server={IMAGE}:2", *PLACE), None),
        (("scale", "deployment/fable", "--replicas=2", *PLACE), None),
        (("scale", "statefulset/mythos-shard", "--replicas=1", *PLACE), None),
        (("patch", "deployment/mythos-worker", *PLACE, "-p", '{"spec":{"replicas":1}}'), None),
        (("label", "deployment/mythos-gateway", "orchestrator.dev/model-", *PLACE), None),
        (("patch", "httproute/fable", *PLACE, "--type=merge", "-p", json.dumps({"spec": route["spec"]})), None),
    ]


def admitted(scene: Scene) -> list[tuple[tuple[str, ...], JsonObject | None]]:
    """What is none of the guards' business, the models' own harmless updates among it."""
    template = {"metadata": {"labels": {"app": "passer-by"}}, "spec": pod("x")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "passer-by"}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
                  "metadata": {"name": "passer-by", "namespace": NAMESPACE}}  # fmt: skip
    kept = '{"metadata":{"finalizers":["example.com/kept"]}}'
    return [
        (("create", "-f", "-"), pod("passer-by")),
        (("create", "-f", "-"), deployment),
        (("delete", "pod/passer-by", "deployment/passer-by", *PLACE, "--wait=false"), None),
        (("scale", "deployment/saga", "--replicas=3", *PLACE), None),
        (("scale", "deployment/saga", "--replicas=1", *PLACE), None),
        (("scale", "deployment/fable", "--replicas=0", *PLACE), None),
        (("patch", "deployment/fable", *PLACE, "--type=merge", "-p", kept), None),
        (("patch", "deployment/fable", *PLACE, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'), None),
        (("patch", "deployment/fable", *PLACE, "--subresource=status", "--type=merge", "-p",
          '{"status":{"collisionCount":0}}'), None),
    ]  # fmt: skip


def test_five_regions_go_dark_stay_dark_and_come_back(five: Scene) -> None:
    """Exit 0 in all five; every attempt is refused with our message; every object comes back field by field."""
    clusters = five.planes.clusters
    assert len(clusters) == 5
    mark(five)
    before = {cluster: five.objects(cluster) for cluster in clusters}
    order = five.write_order(contact=CONTACT)

    items = five.take_down(order).expect(0).json["items"]

    assert len(items) == 10
    assert {(item["verdict"], item["guard"]) for item in items} == {("verified", "proven")}

    def tried(cluster: str) -> None:
        for arguments, obj in refused(five, before[cluster]["HTTPRoute/fable"]):
            said = five.planes.kubectl(cluster, *arguments, stdin=json.dumps(obj) if obj else None, check=False)
            assert CONTACT in said, f"{cluster}: {arguments}: {said}"
        for arguments, obj in admitted(five):
            five.planes.kubectl(cluster, *arguments, stdin=json.dumps(obj) if obj else None)

    with ThreadPoolExecutor() as pool:
        list(pool.map(tried, clusters))
    five.restore(order).expect(0)
    assert {cluster: five.objects(cluster) for cluster in clusters} == before
    assert {name for cluster in clusters for name in five.ours(cluster) if "/lift." not in name} == {
        f"ConfigMap/model.{model}" for model in (five.scaled, five.sharded, five.other)
    } | {name for cluster in clusters for name in five.ours(cluster) if name.startswith("Secret/manifests.")}
