"""How many requests a command costs a cluster, and how many of them in turn: so that nobody adds one unnoticed."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.objects import SYSTEM_NAMESPACE
from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.counted.rounds import Counted, Rounds
from tests.faults.certificates import Authority
from tests.faults.proxy import FaultProxy, ProxyThread, Upstream

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Most:
    """What a command may cost a cluster."""

    round_trips: int
    requests: int


TAKEDOWN, ENABLE, NO_OP = Most(5, 47), Most(13, 20), Most(5, 13)
"""What was reached; `docs/performance.md` says what is wanted, and why it is more."""
_FIRST_WRITES = (("POST", "/validatingadmissionpolicybindings"), ("PATCH", "/httproutes/server"), ("PATCH", "/scale"))


def _first(counted: list[Counted], method: str, ending: str) -> Counted:
    """The first write to such a path."""
    return next(one for one in counted if one.is_write and one.seen.method == method and one.seen.path.endswith(ending))


def _told(counted: list[Counted]) -> str:
    return "\n".join(map(str, counted))


@dataclass
class Counter:
    """A fleet of one cluster, behind a proxy that counts; its model has a Deployment, a Service and an Ingress."""

    planes: ControlPlanes
    workspace: TestWorkspace
    run: Run
    proxy: FaultProxy

    @property
    def model(self) -> str:
        return self.workspace.model

    def count(self, *arguments: str, most: Most) -> tuple[Finished, list[Counted]]:
        """Run a command; what it asked, in order. One round more is counted than it may take."""
        rounds = Rounds(self.proxy.api_server, most.round_trips + 1)
        self.proxy.do(rounds)
        try:
            done = self.run(*arguments, "-o", "json", workspace=self.workspace.root)
        finally:
            self.proxy.do(None)
        return done, rounds.counted

    def do(self, *arguments: str) -> None:
        """Run a command that has to end well; nothing is counted."""
        self.run(*arguments, "-o", "json", workspace=self.workspace.root).expect(0)

    def write(self) -> None:
        namespace, labels = self.workspace.namespace, {"app": "server"}
        metadata = {"name": "server", "namespace": namespace}
        self.workspace.write_model(
            self.workspace.deployment(pod_labels=labels),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"selector": labels, "ports": [{"port": 80}]},
            },
            replicas=2,
        )
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata,
            "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "server", "port": 80}]}]},
        }
        self.planes.kubectl(self.planes.clusters[0], "apply", "-f", "-", stdin=yaml.safe_dump(route))
        # The first run of all in a cluster makes it, which is not counted; mostly other tests were before us.
        self.planes.kubectl(self.planes.clusters[0], "create", "namespace", SYSTEM_NAMESPACE, check=False)
        self.workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
        order = {
            "authority": "Bureau of Examples",
            "reference": "EX-2026-0612",
            "models": [self.model],
            "about": {"everyone": True},
        }
        self.workspace.write(
            "playbooks/orders/order.yaml",
            {"apiVersion": "orchestrator/v1", "kind": "Order", "metadata": {"name": self.model}, "spec": order},
        )


def _behind(planes: ControlPlanes, url: str, authority: Authority) -> JsonObject:
    """The kubeconfig whose only context leads through the proxy."""
    document = copy.deepcopy(yaml.safe_load(planes.kubeconfig.read_text()))
    name = planes.clusters[0]
    trusted = base64.b64encode(authority.pem).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": trusted}}],
        "users": [{"name": "counted", "user": {"token": "token-1"}}],
        "contexts": [
            {"name": one["name"], "context": {"cluster": name, "user": "counted"}}
            for one in document["contexts"]
            if one["name"] == name
        ],
    }


@pytest.fixture
def counter(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> Iterator[Counter]:
    document = yaml.safe_load(control_planes.kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    user = document["users"][0]["user"]
    authority, proxies = Authority(), ProxyThread()
    try:
        with proxies.proxy(Upstream.of(cluster, user, tmp_path), authority.issue("127.0.0.1"), tmp_path) as proxy:
            kubeconfig = workspace.root / "kubeconfig"
            kubeconfig.write_text(yaml.safe_dump(_behind(control_planes, proxy.url, authority)))
            kubeconfig.chmod(0o600)
            fleet = yaml.safe_load((workspace.root / "fleet.yaml").read_text())
            del fleet["spec"]["clusters"][1:]
            fleet["spec"]["kubeconfig"] = "kubeconfig"
            (workspace.root / "fleet.yaml").write_text(yaml.safe_dump(fleet))
            counter = Counter(control_planes, workspace, orchestrator, proxy)
            counter.write()
            yield counter
    finally:
        proxies.close()


def test_a_takedown_needs_few_round_trips_before_it_bites(counter: Counter) -> None:
    """From the order to the last first write: guard bound, route cut, scaled.

    Fifteen requests would do for a client that trusts: what comes on top is the lists by which everything that leads to
    the model is found or ruled out, the hold and the restore records, and the tries before the guard is bound.
    """
    counter.do("enable", counter.model, "--all")
    order = ("--order", "playbooks/orders/order.yaml", "--confirm", counter.model, "--rehearse", "--soak", "1s")
    done, counted = counter.count("takedown", *order, most=TAKEDOWN)
    done.expect(0)
    last = max((_first(counted, *write) for write in _FIRST_WRITES), key=counted.index)
    asked = counted[: counted.index(last) + 1]
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert last.round <= TAKEDOWN.round_trips, _told(counted)
    assert len(asked) <= TAKEDOWN.requests, _told(counted)
    assert counted[0].seen.path == "/api/v1/namespaces/kube-system"
    assert [one.round for one in counted].count(1) == 1, "something was asked before the cluster had said who it is"


def test_enabling_needs_few_round_trips(counter: Counter) -> None:
    """Until the number of replicas is written; and where nothing is due, nothing is."""
    done, counted = counter.count("enable", counter.model, "--all", most=ENABLE)
    done.expect(0)
    last = _first(counted, "PATCH", "/scale")
    assert last.round <= ENABLE.round_trips, _told(counted)
    assert len(counted[: counted.index(last) + 1]) <= ENABLE.requests, _told(counted)
    playbook = f"playbooks/{counter.model}-rollout.yaml"
    counter.do("apply", playbook, "--take-over")
    done, counted = counter.count("apply", playbook, most=NO_OP)
    done.expect(0)
    assert not [str(one) for one in counted if one.is_write]
    assert len(counted) <= NO_OP.requests, _told(counted)
    assert counted[-1].round <= NO_OP.round_trips, _told(counted)
