"""What clients see of a cut and of a restore: 200, then a terminal answer and never a 200, then 200 again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from orchestrator.core.fleet import NoticeService
from tests.traffic.conftest import Regions
from tests.traffic.cutters import PlannedCut
from tests.traffic.gateways import NAME, NAMESPACE, Gateway
from tests.traffic.load import Load, load

pytestmark = pytest.mark.traffic

PODS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: server
          image: registry.example/server:1
          args: [{arguments}]
          ports: [{{name: http, containerPort: 8000}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""
MODEL = PODS.format(name="fable-5", arguments='"--serves=fable-5"')
OTHER = PODS.format(name="mythos-5", arguments='"--serves=mythos-5"')
NOTICE = PODS.format(name="notice", arguments='"--status=451"')
HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: fable}}
spec:
  hostnames: [{host}]
  parentRefs: [{{name: {gateway}, namespace: {place}}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /mythos}}}}]
      backendRefs: [{{name: mythos-5, port: 80}}]
    - backendRefs: [{{name: fable-5, port: 80}}]
"""
HTTP_PROXY = """\
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {{name: fable}}
spec:
  virtualhost: {{fqdn: {host}}}
  routes:
    - {{conditions: [{{prefix: /mythos}}], services: [{{name: mythos-5, port: 80}}]}}
    - {{conditions: [{{prefix: /}}], services: [{{name: fable-5, port: 80}}]}}
"""


@dataclass(frozen=True)
class Place:
    """A namespace of the first region with a model, another one that shares its route, and the gateway before them."""

    regions: Regions
    edge: Gateway
    namespace: str

    @property
    def host(self) -> str:
        """Of this test alone: the routes of the one before linger while its namespace goes."""
        return f"{self.namespace}.example"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.regions.kubectl(self.regions.clusters[0], *arguments, stdin=stdin)

    def apply(self, *manifests: str) -> None:
        for manifest in manifests:
            self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=manifest)

    def apply_route(self, manifest: str) -> None:
        self.apply(manifest.format(host=self.host, gateway=NAME, place=NAMESPACE))

    def scale(self, replicas: int) -> None:
        self.kubectl("scale", "deployment/fable-5", "-n", self.namespace, f"--replicas={replicas}")
        if replicas:
            self.kubectl("rollout", "status", "deployment/fable-5", "-n", self.namespace, "--timeout=60s")
        else:
            self.kubectl("wait", "pods", "--for=delete", "-l", "app=fable-5", "-n", self.namespace, "--timeout=60s")


@pytest.fixture
def place(regions: Regions, edge: Gateway, namespace: str) -> Place:
    found = Place(regions, edge, namespace)
    found.apply(MODEL, OTHER)
    for name in ("fable-5", "mythos-5"):
        found.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=60s")
    return found


def prove(place: Place, cut: Callable[[], None], restore: Callable[[], None], *terminal: int) -> None:
    """Cut, stop the model, start it again, restore, with clients asking all the while."""
    first = place.edge.answers_within(60, place.host, 200)
    assert first is not None
    assert first.status == 200, first
    with load(place.edge, place.host) as clients:
        begun = time.monotonic()
        time.sleep(1)
        cutting = time.monotonic()
        cut()
        place.edge.answers_within(20, place.host, *terminal)
        is_cut = time.monotonic()
        time.sleep(1)
        place.scale(0)
        time.sleep(2)
        place.scale(2)
        restoring = time.monotonic()
        restore()
        place.edge.answers_within(20, place.host, 200)
        is_back = time.monotonic()
        time.sleep(1)

    assert set(clients.statuses(begun, cutting)) == {200}
    assert_turns(clients, cutting, is_cut, *terminal)
    assert set(clients.statuses(is_cut, restoring)) == set(terminal)
    assert len(clients.statuses(is_cut, restoring)) > 50
    assert_turns(clients, restoring, is_back, *terminal)
    assert set(clients.statuses(is_back)) == {200}


def assert_turns(clients: Load, since: float, until: float, *terminal: int) -> None:
    """For a moment a gateway may know half of what was written: a route before its grant, or its cluster."""
    assert set(clients.statuses(since, until)) <= {200, 500, 503, *terminal}
    assert clients.longest(503, since, until) < 1
    assert clients.longest(500, since, until) < 1


def test_an_http_route_answers_451_from_the_notice_service_and_comes_back(place: Place) -> None:
    """The notice Service lies in another namespace; the other model on the same route is served throughout."""
    notices = f"{place.namespace}-notices"
    place.kubectl("create", "namespace", notices)
    place.kubectl("apply", "-n", notices, "-f", "-", stdin=NOTICE)
    place.kubectl("rollout", "status", "deployment/notice", "-n", notices, "--timeout=60s")
    place.apply_route(HTTP_ROUTE)
    before = spec_of(place, "httproutes.gateway.networking.k8s.io")
    planned = PlannedCut(place.kubectl, place.namespace, NoticeService(namespace=notices, name="notice", port=80))

    def cut() -> None:
        planned.cut()
        answer = place.edge.answers_within(20, place.host, 451)
        assert answer is not None
        assert answer.headers.get("cache-control") == "no-store"
        assert answer.headers.get("link") == '<https://notices.example/directive-7>; rel="blocked-by"'
        other = place.edge.ask(place.host, "/mythos/v1/models")
        assert other is not None
        assert other.status == 200

    prove(place, cut, planned.restore, 451)

    assert [one.answer for one in planned.cuts] == ["451"]
    assert spec_of(place, "httproutes.gateway.networking.k8s.io") == before
    place.kubectl("delete", "namespace", notices, "--wait=false")


def test_an_http_proxy_answers_451_itself_and_comes_back(place: Place) -> None:
    """The body says order, link and substitute; the other model on the same proxy is served throughout."""
    place.apply_route(HTTP_PROXY)
    before = spec_of(place, "httpproxies.projectcontour.io")
    planned = PlannedCut(place.kubectl, place.namespace)

    def cut() -> None:
        planned.cut()
        answer = place.edge.answers_within(20, place.host, 451)
        assert answer is not None
        said = json.loads(answer.body)
        assert (said["order"]["name"], said["substitute"]) == ("directive-7", "fable-4")
        assert said["link"] == "https://notices.example/directive-7"
        other = place.edge.ask(place.host, "/mythos/v1/models")
        assert other is not None
        assert other.status == 200

    prove(place, cut, planned.restore, 451)

    assert [one.answer for one in planned.cuts] == ["451"]
    assert spec_of(place, "httpproxies.projectcontour.io") == before


def test_an_http_route_redirects_to_the_notice_where_nobody_answers(place: Place) -> None:
    """Without a notice Service: 302, which clients may not cache as they may a 301."""
    place.apply_route(HTTP_ROUTE)
    planned = PlannedCut(place.kubectl, place.namespace)

    prove(place, planned.cut, planned.restore, 302)

    assert [one.answer for one in planned.cuts] == ["redirect"]


def spec_of(place: Place, resource: str) -> object:
    read = partial(place.kubectl, "get", resource, "fable", "-n", place.namespace, "-o", "json")
    return json.loads(read())["spec"]
