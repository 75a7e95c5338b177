"""Traps on the day of an order, through the real command line: what must not be called off, and what must come back."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from orchestrator import sandbox
from orchestrator.sandbox import pins
from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene, wait_until
from tests.cluster.test_broken_clusters import KUBE_SYSTEM, Kubeconfig, recorder, use

JsonObject = dict[str, Any]


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """Two models that an order names and one that it does not, on in every region; nothing of it stays behind."""
    found = Scene(control_planes, workspace, orchestrator)
    found.write_models()
    found.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    yield found
    clean_up(found)


@pytest.fixture
def small(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A fleet of one region with the workspace's own model, which each test writes and switches on itself."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    del fleet["spec"]["clusters"][1:]
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))
    found = Scene(control_planes, workspace, orchestrator)
    yield found
    clean_up(found)


def clean_up(scene: Scene) -> None:
    """Guards are the whole cluster's, and other tests share it."""
    for cluster in scene.planes.clusters:
        left = [name for name in scene.ours(cluster) if scene.workspace.namespace in name]
        guards = [name for name in left if name.startswith("Validating")]
        records = [name for name in left if name not in guards]
        for names, place in ((guards, ()), (records, ("-n", "orchestrator-system"))):
            if names:
                scene.planes.kubectl(cluster, "delete", *names, *place, "--ignore-not-found", "--wait=false")


@pytest.fixture
def kubeconfig(control_planes: ControlPlanes, tmp_path: Path) -> Kubeconfig:
    return Kubeconfig(control_planes, tmp_path / "kubeconfig")


class Way:
    """A way to a cluster that leads nowhere until it is opened: connections are refused, or hang for ever."""

    def __init__(self, server: str, *, hangs: bool) -> None:
        there = urlsplit(server)
        assert there.hostname and there.port
        self._target = (there.hostname, there.port)
        self._closing = ExitStack()
        self._listener = self._closing.enter_context(socket.socket())
        self._listener.bind(("127.0.0.1", 0))
        self.server = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        if hangs:
            self._listener.listen(128)

    def open(self) -> None:
        """From now on every connection is passed on."""
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._closing.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._target)
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Both directions end together, and the later one closes."""
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()


@contextmanager
def astray(scene: Scene, kubeconfig: Kubeconfig, **hangs: bool) -> Iterator[list[Way]]:
    """The workspace's ways to these clusters lead nowhere until they are opened."""
    ways = []
    with ExitStack() as stack:
        for cluster, hanging in hangs.items():
            part = kubeconfig.cluster(cluster)
            way = Way(part["server"], hangs=hanging)
            stack.callback(way.close)
            part["server"] = way.server
            ways.append(way)
        use(scene.workspace, kubeconfig.write())
        yield ways


def verdicts(result: JsonObject) -> dict[str, set[tuple[str, str]]]:
    """By cluster: each verdict with the code of its first reason."""
    found: dict[str, set[tuple[str, str]]] = {}
    for item in result["items"]:
        reasons = item["reasons"]
        found.setdefault(item["cluster"], set()).add((item["verdict"], reasons[0]["code"] if reasons else ""))
    return found


def guards(scene: Scene, cluster: str) -> set[str]:
    """Guards and holds of the scene's models in a cluster."""
    return {name for name in scene.ours(cluster) if name.startswith("Validating") or "/hold." in name}


@pytest.mark.slow
def test_regions_out_of_reach_are_named_and_followed_until_they_are_dark(
    scene: Scene, kubeconfig: Kubeconfig, tmp_path: Path
) -> None:
    """One refuses connections, one hangs: the third is dark within bounded time; once they return, so are they."""
    good, down, hanging = scene.planes.clusters
    order = scene.write_order()
    with astray(scene, kubeconfig, **{down: False, hanging: True}) as ways:
        began = time.monotonic()
        done = scene.take_down(order).expect(3).json
        assert time.monotonic() - began < 60
        found = verdicts(done)
        assert {verdict for verdict, _ in found[good]} == {"verified"}
        assert found[down] == {("unreachable", "connection-refused")}
        assert {verdict for verdict, _ in found[hanging]} == {"unreachable"}
        assert scene.pods(down, scene.scaled)
        assert scene.pods(hanging, scene.sharded)

        def open_later() -> None:
            """When the first round of the second run has ended without them."""
            runs = tmp_path / "state"
            wait_until(lambda: len(list(runs.rglob("result.json"))) >= 2, 100)
            for way in ways:
                way.open()

        opener = threading.Thread(target=open_later)
        opener.start()
        followed = scene.take_down(order, "--follow").expect(0).json
        opener.join()
    assert {(item["verdict"], item["guard"]) for item in followed["items"]} == {("verified", "proven")}
    assert len(followed["items"]) == 6
    for cluster in scene.planes.clusters:
        assert scene.pods(cluster, scene.scaled) == scene.pods(cluster, scene.sharded) == []


@pytest.mark.slow
def test_nothing_is_sent_where_a_context_leads_to_another_cluster(scene: Scene, kubeconfig: Kubeconfig) -> None:
    """It is asked for its identity and nothing else; the cluster that was meant keeps no hold, no guard, its pods."""
    meant, other, third = scene.planes.clusters
    order = scene.write_order()
    with recorder(scene.planes, other) as seen:
        kubeconfig.cluster(meant).clear()
        kubeconfig.cluster(meant)["server"] = f"http://127.0.0.1:{seen.port}"
        use(scene.workspace, kubeconfig.write())
        done = scene.take_down(order).expect(3).json
        assert {request.partition("?")[0] for request in seen.requests} == {f"GET {KUBE_SYSTEM}"}
    found = verdicts(done)
    assert found[meant] == {("unreachable", "wrong-cluster")}
    assert {verdict for cluster in (other, third) for verdict, _ in found[cluster]} == {"verified"}
    assert guards(scene, meant) == set()
    assert guards(scene, other)
    assert len(scene.pods(meant, scene.scaled)) == 2


def enable(scene: Scene, *manifests: JsonObject, **spec: Any) -> str:
    """The workspace's model, on in the one region; returns its name."""
    scene.workspace.write_model(*manifests, **spec)
    scene.orchestrator("enable", scene.workspace.model, "--all", "-o", "json").expect(0)
    return scene.workspace.model


@contextmanager
def silent_nodes(scene: Scene, cluster: str) -> Iterator[set[str]]:
    """The names of the region's nodes, whose kubelets say no more: they are stopped, not killed."""
    (region,) = (one for one in sandbox.status(scene.planes.directory).clusters if one.spec.cluster == cluster)
    (pid,) = (part.pid for part in region.components if part.component == pins.KWOK)
    assert pid
    nodes = {node["metadata"]["name"] for node in scene.planes.read(cluster, "nodes")["items"]}

    def ready(node: str) -> str:
        found = scene.planes.read(cluster, "node", node)["status"]["conditions"]
        return next(str(one["status"]) for one in found if one["type"] == "Ready")

    os.kill(pid, signal.SIGSTOP)
    try:
        # As the node lifecycle controller says it after 40 s without a sign of life.
        silent = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "silent"}
        status = json.dumps({"status": {"conditions": [silent]}})
        for node in nodes:
            scene.planes.kubectl(cluster, "patch", "node", node, "--subresource=status", "-p", status)
        yield nodes
    finally:
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: all(ready(node) == "True" for node in nodes), 60)


@pytest.mark.long
@pytest.mark.parametrize("forced", [False, True])
def test_pods_on_nodes_that_are_not_ready_are_never_called_gone(small: Scene, forced: bool) -> None:
    """They are asked to go and nobody answers for them; deleting them by force makes them no more gone than that."""
    planes, cluster, namespace = small.planes, small.planes.clusters[0], small.workspace.namespace
    model = enable(small, small.workspace.deployment("fable", replicas=2))
    order = small.write_order(models=[model])

    def delete_by_force() -> None:
        wait_until(lambda: all("deletionTimestamp" in pod["metadata"] for pod in small.pods(cluster, model)), 60)
        planes.kubectl(cluster, "delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0")

    with silent_nodes(small, cluster) as nodes, ThreadPoolExecutor() as pool:
        deletion = pool.submit(delete_by_force) if forced else None
        (item,) = small.take_down(order, "--cluster-deadline", "25s", models=[model]).expect(3).json["items"]
        if deletion:
            deletion.result()
    assert item["verdict"] in ("unverified", "residue"), item
    told = " ".join(reason["message"] for reason in item["reasons"])
    assert any(node in told for node in nodes), item["reasons"]
