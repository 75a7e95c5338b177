"""Traps on the day of an order, through the real command line: what must not be called off, and what must come back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

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
    for cluster in control_planes.clusters:
        for name in found.ours(cluster):
            kind, _, plain = name.partition("/")
            place = () if kind.startswith("Validating") else ("-n", "orchestrator-system")
            control_planes.kubectl(cluster, "delete", kind, plain, *place, "--ignore-not-found", "--wait=false")


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
