"""Clusters that are down, lying or closed to us: named with the reason, while the others are done and verified."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


class Kubeconfig:
    """A copy of the sandbox's kubeconfig, to be spoilt."""

    def __init__(self, planes: ControlPlanes, path: Path) -> None:
        self._planes, self.path = planes, path
        self._document = yaml.safe_load(planes.kubeconfig.read_text())

    def cluster(self, name: str) -> Any:
        """The `cluster` part of a context."""
        return self._part("clusters", "cluster", self.context(name)["cluster"])

    def user(self, name: str) -> Any:
        """The `user` part of a context."""
        return self._part("users", "user", self.context(name)["user"])

    def context(self, name: str) -> Any:
        """A context."""
        return self._part("contexts", "context", name)

    def add_context_like(self, name: str, new: str) -> None:
        """A further context, which may be spoilt on its own."""
        cluster, user = copy.deepcopy(self.cluster(name)), copy.deepcopy(self.user(name))
        self._document["clusters"].append({"name": new, "cluster": cluster})
        self._document["users"].append({"name": new, "user": user})
        self._document["contexts"].append({"name": new, "context": {"cluster": new, "user": new}})

    def write(self) -> Path:
        """Write it, readable by its owner only."""
        self.path.write_text(yaml.safe_dump(self._document))
        self.path.chmod(0o600)
        return self.path

    def _part(self, section: str, key: str, name: str) -> Any:
        return next(entry[key] for entry in self._document[section] if entry["name"] == name)


@pytest.fixture
def kubeconfig(control_planes: ControlPlanes, tmp_path: Path) -> Kubeconfig:
    return Kubeconfig(control_planes, tmp_path / "kubeconfig")


def use(workspace: TestWorkspace, kubeconfig: Path, *further: dict[str, Any]) -> None:
    """Let the workspace's fleet use another kubeconfig, and have further clusters."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    fleet["spec"]["kubeconfig"] = str(kubeconfig)
    fleet["spec"]["clusters"] += further
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))


def dead_port() -> int:
    """A loopback port on which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stranger(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, str]:
    """A user whom the cluster knows, and to whom it permits nothing."""
    planes.kubectl(cluster, "-n", namespace, "create", "serviceaccount", "stranger")
    return {"token": planes.kubectl(cluster, "-n", namespace, "create", "token", "stranger").strip()}


def versions(planes: ControlPlanes, cluster: str, namespace: str) -> dict[str, str]:
    """resourceVersions of all that a run could have written: our records, locks and the namespace's objects."""
    kinds = "configmaps,secrets,leases,deployments,replicasets,services,pods"
    return {
        f"{one['kind']} {one['metadata']['namespace']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for where in ("orchestrator-system", namespace)
        for one in planes.read(cluster, kinds, "-n", where)["items"]
    }


@pytest.mark.slow
def test_down_wrong_ca_and_forbidden_are_named_while_the_other_is_done(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, kubeconfig: Kubeconfig
) -> None:
    good, lying, closed = control_planes.clusters
    kubeconfig.add_context_like(good, "down-1")
    kubeconfig.cluster("down-1")["server"] = f"https://127.0.0.1:{dead_port()}"
    for key in ("certificate-authority", "certificate-authority-data"):
        if key in kubeconfig.cluster(lying):
            kubeconfig.cluster(lying)[key] = kubeconfig.cluster(good)[key]
    user = kubeconfig.user(closed)
    user.clear()
    user.update(stranger(control_planes, closed, workspace.namespace))
    down = {"name": "down-1", "region": "down", "country": "DE", "serves": ["EU"], "context": "down-1", "uid": "0-0"}
    use(workspace, kubeconfig.write(), down)
    workspace.write_model(replicas=2)
    playbook = workspace.write_playbook(
        {"name": "broken", "enable": {"scope": {"clusters": [lying, closed, "down-1"]}}},
        {"name": "others", "enable": {"scope": {"clusters": [good]}}},
    )
    before = {cluster: versions(control_planes, cluster, workspace.namespace) for cluster in (lying, closed)}

    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(3)

    items = done.items()
    assert (items[good]["verdict"], items[good]["replicas"]["ready"]) == ("verified", 2)
    assert (items[lying]["verdict"], items[lying]["reasons"][0]["code"]) == ("unreachable", "certificate")
    assert (items["down-1"]["verdict"], items["down-1"]["reasons"][0]["code"]) == ("unreachable", "connection-refused")
    assert items[closed]["verdict"] == "unreachable"
    assert items[closed]["reasons"][0]["code"] == "forbidden"
    assert (
        "stranger" in items[closed]["reasons"][0]["message"] or "namespaces" in items[closed]["reasons"][0]["message"]
    )
    assert not any(items[name]["changed"] for name in (lying, closed, "down-1"))
    assert {cluster: versions(control_planes, cluster, workspace.namespace) for cluster in (lying, closed)} == before

    table = orchestrator("verify", playbook, workspace=workspace.root).expect(3)
    for name in (lying, closed, "down-1"):
        assert name in table.stdout
    plan = orchestrator("plan", playbook, "--exit-code", workspace=workspace.root).expect(3)
    assert "3 out of reach" in plan.stdout
    orchestrator("fleet", "check", workspace=workspace.root).expect(3)


def test_a_step_that_tolerates_no_unreachable_cluster_stops_the_later_ones(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, kubeconfig: Kubeconfig
) -> None:
    good, down, _ = control_planes.clusters
    kubeconfig.cluster(down)["server"] = f"https://127.0.0.1:{dead_port()}"
    use(workspace, kubeconfig.write())
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook(
        {"name": "first", "enable": {"scope": {"clusters": [down]}}, "strategy": {"maxUnreachable": 0}},
        {"name": "second", "enable": {"scope": {"clusters": [good]}}},
    )
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(3)
    verdicts = {cluster: item["verdict"] for cluster, item in done.items().items()}
    assert verdicts == {down: "unreachable", good: "not_run"}
    assert control_planes.read(good, "deployment", "server", "-n", workspace.namespace) is None


@dataclass
class Recorder:
    """A way to one cluster on which every request is written down; only its identity is answered."""

    port: int = 0
    requests: list[str] = field(default_factory=list)


@contextmanager
def recorder(planes: ControlPlanes, cluster: str) -> Iterator[Recorder]:
    """Stands where a kubeconfig leads; what it answers about identity comes from the real cluster."""
    seen = Recorder()
    identity = planes.kubectl(cluster, "get", "--raw", KUBE_SYSTEM).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            seen.requests.append(f"{self.command} {self.path}")
            found = self.command == "GET" and self.path.partition("?")[0] == KUBE_SYSTEM
            body = identity if found else json.dumps({"kind": "Status", "code": 404}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing on the tests' stderr."""

    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{verb}", Handler.handle_any)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


COMMANDS = (
    ("apply", "{playbook}"),
    ("enable", "{model}", "--cluster", "{cluster}"),
    ("disable", "{model}", "--cluster", "{cluster}"),
    ("plan", "{playbook}"),
    ("verify", "{playbook}"),
    ("status", "{model}", "--cluster", "{cluster}"),
)


def test_a_context_that_leads_to_another_cluster_is_asked_for_its_identity_and_nothing_else(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, kubeconfig: Kubeconfig
) -> None:
    """Whatever the command: no read, no dry-run, no write."""
    meant, other, _ = control_planes.clusters
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [meant]}}})
    with recorder(control_planes, other) as seen:
        kubeconfig.cluster(meant).clear()
        kubeconfig.cluster(meant)["server"] = f"http://127.0.0.1:{seen.port}"
        use(workspace, kubeconfig.write())
        for command in COMMANDS:
            words = [word.format(playbook=playbook, model=workspace.model, cluster=meant) for word in command]
            seen.requests.clear()
            done = orchestrator(*words, "-o", "json", workspace=workspace.root).expect(3)
            assert {request.partition("?")[0] for request in seen.requests} == {f"GET {KUBE_SYSTEM}"}, command
            if command[0] != "plan":
                item = done.items()[meant]
                assert (item["verdict"], item["reasons"][0]["code"]) == ("unreachable", "wrong-cluster"), command
            assert "wrong-cluster" in done.stdout


def test_two_names_for_one_context_swapped_write_nothing_to_either(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, kubeconfig: Kubeconfig
) -> None:
    """The usual accident: a regenerated kubeconfig in which a name means another cluster."""
    first, second, _ = control_planes.clusters
    contexts = kubeconfig.context(first), kubeconfig.context(second)
    contexts[0]["cluster"], contexts[1]["cluster"] = contexts[1]["cluster"], contexts[0]["cluster"]
    contexts[0]["user"], contexts[1]["user"] = contexts[1]["user"], contexts[0]["user"]
    use(workspace, kubeconfig.write())
    workspace.write_model(replicas=1)
    before = {cluster: versions(control_planes, cluster, workspace.namespace) for cluster in (first, second)}
    flags = ("--cluster", first, "--cluster", second)
    done = orchestrator("enable", workspace.model, *flags, "-o", "json", workspace=workspace.root).expect(3)
    assert [item["reasons"][0]["code"] for item in done.json["items"]] == ["wrong-cluster"] * 2
    assert {cluster: versions(control_planes, cluster, workspace.namespace) for cluster in (first, second)} == before
