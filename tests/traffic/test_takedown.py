"""What clients see of a real order: served, then 451 from the moment that the result names, then served again.

The real command line takes a model dark and brings it back while clients ask without a pause. Absence of any 200 is
judged by the clients' own requests; of the result only the moment of the cut is taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.traffic.conftest import Regions
from tests.traffic.gateways import NAME, NAMESPACE, Gateway
from tests.traffic.load import Load, load
from tests.traffic.test_cutting import NOTICE, OTHER, PODS

pytestmark = pytest.mark.traffic

OURS = "orchestrator-system"
# Without hostnames: a probe asks the gateway by its address.
HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: fable}}
spec:
  parentRefs: [{{name: {gateway}, namespace: {place}}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /mythos}}}}]
      backendRefs: [{{name: mythos-5, port: 80}}]
    - backendRefs: [{{name: fable-5, port: 80}}]
"""
# An HTTPProxy must have a name; this one needs no name server.
HTTP_PROXY = """\
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {{name: fable}}
spec:
  virtualhost: {{fqdn: localhost}}
  routes:
    - {{conditions: [{{prefix: /mythos}}], services: [{{name: mythos-5, port: 80}}]}}
    - {{conditions: [{{prefix: /}}], services: [{{name: fable-5, port: 80}}]}}
"""


@dataclass
class Case:
    """A model of its own in the first region, behind a route that it shares with another one, and an order on it."""

    regions: Regions
    edge: Gateway
    namespace: str
    workspace: Path
    host: str = field(default="", init=False)

    @property
    def cluster(self) -> str:
        return self.regions.clusters[0]

    @property
    def model(self) -> str:
        """Of this test alone: guards hold in the whole cluster."""
        return f"{self.namespace}-fable"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.regions.kubectl(self.cluster, *arguments, stdin=stdin)

    def prepare(self, host: str, route: str, fleet: dict[str, Any] | None = None) -> None:
        """Workspace and neighbours; then the model is switched on by the tool, and clients reach it."""
        self.host = host
        words = {"gateway": NAME, "place": NAMESPACE}
        self._write_workspace(fleet or {})
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=OTHER)
        self.kubectl("rollout", "status", "deployment/mythos-5", "-n", self.namespace, "--timeout=60s")
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=route.format(**words))
        code, enabled = self("enable", self.model, "--cluster", self.cluster)
        assert (code, enabled.get("outcome")) == (0, "verified"), json.dumps(enabled)

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the one document of a command."""
        state = self.workspace / "state"
        done = self.regions.orchestrator("-C", str(self.workspace), *arguments, "-o", "json", state=state)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def route(self, kind: str) -> object:
        return json.loads(self.kubectl("get", kind, "fable", "-n", self.namespace, "-o", "json"))["spec"]

    def clean_up(self) -> None:
        """Also after a failure: guards of this model, and the route, which else answers for every host."""
        own = f"orchestrator.dev/model={self.model}"
        for cluster in self.regions.clusters:
            for kinds in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
                self.regions.kubectl(cluster, "delete", kinds, "-l", own)
            self.regions.kubectl(cluster, "delete", "configmaps,secrets", "-n", OURS, "-l", own, "--ignore-not-found")
        for kind in ("httproutes.gateway.networking.k8s.io", "httpproxies.projectcontour.io"):
            self.kubectl("delete", kind, "fable", "-n", self.namespace, "--ignore-not-found")

    def _write_workspace(self, fleet: dict[str, Any]) -> None:
        self.workspace.mkdir()
        (self.workspace / "kubeconfig").write_text((self.regions.directory / "kubeconfig").read_text())
        document = yaml.safe_load((self.regions.directory / "fleet.yaml").read_text())
        document["spec"].update(fleet)
        self._write("fleet.yaml", document)
        probe = {"url": f"http://{self.host}:{self.edge.port}", "scope": {"clusters": [self.cluster]}}
        self._write_document(f"manifests/{self.model}/model.yaml", "Model", self.model, {
            "serves": ["fable-5"], "manifests": ["objects.yaml"], "probes": [probe],
        })  # fmt: skip
        objects = list(yaml.safe_load_all(PODS.format(name="fable-5", arguments='"--serves=fable-5"')))
        for one in objects:
            one["metadata"]["namespace"] = self.namespace
        self._write(f"manifests/{self.model}/objects.yaml", *objects)
        self._write_document("order.yaml", "Order", f"{self.namespace}-directive", {
            "authority": "Bureau of Examples", "reference": "EX-2026-0612", "models": [self.model],
            "about": {"everyone": True}, "noticeUrl": "https://notices.example/directive", "substitute": "fable-4",
        })  # fmt: skip

    def _write_document(self, path: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        self._write(path, {"apiVersion": "orchestrator/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})

    def _write(self, path: str, *documents: dict[str, Any]) -> None:
        target = self.workspace / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump_all(documents))


@pytest.fixture
def case(regions: Regions, edge: Gateway, namespace: str, tmp_path: Path) -> Iterator[Case]:
    found = Case(regions, edge, namespace, tmp_path / "workspace")
    yield found
    found.clean_up()


def prove(case: Case) -> None:
    """Take the model dark and bring it back by the command line, with clients asking all the while."""
    order = ("--order", "order.yaml", "--confirm", case.model)
    with load(case.edge, case.host) as clients:
        wall = time.time() - time.monotonic()
        begun = time.monotonic()
        time.sleep(1)
        cutting = time.monotonic()
        code, dark = case("takedown", *order, "--rehearse", "--soak", "2s")
        assert (code, dark.get("outcome")) == (0, "verified"), json.dumps(dark)
        item = next(one for one in dark["items"] if one["cluster"] == case.cluster)
        assert (item["verdict"], item["state"], item["guard"]) == ("verified", "disabled", "proven"), item
        assert item["times"]["trafficCut"] is not None, item
        other = case.edge.ask(case.host, "/mythos/v1/models")
        time.sleep(1)
        restoring = time.monotonic()
        code, restored = case("restore", *order, "--lift-reference", "EX-2026-0701")
        assert (code, restored.get("outcome")) == (0, "verified"), json.dumps(restored)
        is_back = time.monotonic()
        time.sleep(1)

    is_cut = datetime.fromisoformat(item["times"]["trafficCut"]).timestamp() - wall
    assert cutting < is_cut < restoring
    assert other is not None
    assert other.status == 200, "the cut took the other model on the same route along"
    assert set(clients.statuses(begun, cutting)) == {200}
    assert_turns(clients, cutting, is_cut)
    assert set(clients.statuses(is_cut, restoring)) == {451}
    assert len(clients.statuses(is_cut, restoring)) > 50
    assert_turns(clients, restoring, is_back)
    assert set(clients.statuses(is_back)) == {200}


def assert_turns(clients: Load, since: float, until: float) -> None:
    """On the way a gateway may know half of what was written: a route before its grant, or its cluster."""
    assert set(clients.statuses(since, until)) <= {200, 451, 500, 503}
    assert clients.longest(500, since, until) < 1
    assert clients.longest(503, since, until) < 1


def test_an_order_on_a_model_behind_an_http_route_is_what_clients_see(case: Case) -> None:
    """The fleet's notice Service answers 451 in the model's place; the restored route is what it was."""
    notices = f"{case.namespace}-notices"
    case.kubectl("create", "namespace", notices)
    case.kubectl("apply", "-n", notices, "-f", "-", stdin=NOTICE)
    case.kubectl("rollout", "status", "deployment/notice", "-n", notices, "--timeout=60s")
    service = {"noticeService": {"namespace": notices, "name": "notice", "port": 80}}
    case.prepare("127.0.0.1", HTTP_ROUTE, service)
    before = case.route("httproutes.gateway.networking.k8s.io")

    prove(case)

    assert case.route("httproutes.gateway.networking.k8s.io") == before
    case.kubectl("delete", "namespace", notices, "--wait=false")


def test_an_order_on_a_model_behind_an_http_proxy_is_what_clients_see(case: Case) -> None:
    """The proxy answers 451 itself; restored it is what it was."""
    case.prepare("localhost", HTTP_PROXY)
    before = case.route("httpproxies.projectcontour.io")

    prove(case)

    assert case.route("httpproxies.projectcontour.io") == before
