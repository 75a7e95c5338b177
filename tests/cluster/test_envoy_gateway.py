"""A model behind Envoy Gateway: its own direct response, as its published definition lets an API server store it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.definitions import published
from tests.cluster.orders import Scene

JsonObject = dict[str, Any]
FILTERS = "httproutefilters.gateway.envoyproxy.io"
ROUTES = "httproutes.gateway.networking.k8s.io"


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """One region with a gateway of Envoy Gateway's, accepted, and a model that is on behind it."""
    file, cluster = workspace.root / "fleet.yaml", control_planes.clusters[0]
    fleet = yaml.safe_load(file.read_text())
    del fleet["spec"]["clusters"][1:]
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))
    found = Scene(control_planes, workspace, orchestrator)
    control_planes.kubectl(cluster, "create", "-f", "-", stdin=published("HTTPRouteFilter"))
    control_planes.kubectl(cluster, "wait", "--for=condition=Established", f"crd/{FILTERS}", "--timeout=30s")
    workspace.write_model(replicas=1)
    found.orchestrator("enable", workspace.model, "--all", "-o", "json").expect(0)
    control_planes.kubectl(cluster, "create", "-f", "-", stdin=yaml.safe_dump_all(edge(workspace.namespace)))
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    status = json.dumps({"status": {"conditions": [accepted]}})
    gateway = ("gateways.gateway.networking.k8s.io", "edge", "-n", workspace.namespace)
    control_planes.kubectl(cluster, "patch", *gateway, "--subresource=status", "--type=merge", "-p", status)
    yield found
    for name in found.ours(cluster):
        kind, _, plain = name.partition("/")
        place = () if kind.startswith("Validating") else ("-n", "orchestrator-system")
        control_planes.kubectl(cluster, "delete", kind, plain, *place, "--ignore-not-found", "--wait=false")
    control_planes.kubectl(cluster, "delete", "gatewayclass", workspace.namespace, check=False)
    control_planes.kubectl(cluster, "delete", "crd", FILTERS)


def edge(namespace: str) -> list[JsonObject]:
    """A class, a gateway of it, a Service of the model, and a route that leads there among others of its."""
    api = "gateway.networking.k8s.io/v1"
    controller = "gateway.envoyproxy.io/gatewayclass-controller"
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    place = {"namespace": namespace}
    rules = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
            "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "server.internal"}}],
            "backendRefs": [{"name": "server", "port": 80}],
        },
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}],
            "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "docs.example"}}],
        },
    ]
    return [
        {"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": namespace},
         "spec": {"controllerName": controller}},
        {"apiVersion": api, "kind": "Gateway", "metadata": {"name": "edge", **place},
         "spec": {"gatewayClassName": namespace, "listeners": listeners}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", **place},
         "spec": {"selector": {"app": "server"}, "ports": [{"port": 80}]}},
        {"apiVersion": api, "kind": "HTTPRoute", "metadata": {"name": "server", **place},
         "spec": {"parentRefs": [{"name": "edge"}], "rules": rules}},
    ]  # fmt: skip


@pytest.mark.slow
def test_the_gateway_answers_451_itself_and_nothing_of_it_is_left_behind(scene: Scene) -> None:
    """Filter and route are stored as planned and stay so, whoever writes them; a restore gives the route back."""
    planes, cluster, namespace = scene.planes, scene.planes.clusters[0], scene.workspace.namespace
    model = scene.workspace.model
    words = {"notice": "Switched off by order.", "noticeUrl": "https://notices.example/7", "substitute": "fable-4"}
    order = scene.write_order(models=[model], contact="desk@models.example", **words)
    route = (ROUTES, "server", "-n", namespace)
    before = planes.read(cluster, *route)["spec"]

    (item,) = scene.take_down(order, models=[model]).expect(0).json["items"]

    assert (item["verdict"], item["guard"]) == ("verified", "proven"), item
    (made,) = planes.read(cluster, FILTERS, "-n", namespace)["items"]
    response = made["spec"]["directResponse"]
    said = json.loads(response["body"]["inline"])
    assert (response["statusCode"], response["contentType"]) == (451, "application/json")
    assert (said["model"], said["error"]["message"], said["substitute"]) == (model, words["notice"], "fable-4")
    cut, kept = planes.read(cluster, *route)["spec"]["rules"]
    reference = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": made["metadata"]["name"]}
    assert cut["filters"][0] == {"type": "ExtensionRef", "extensionRef": reference}
    assert "backendRefs" not in cut and kept == before["rules"][1]

    name = made["metadata"]["name"]
    for what, patch in (
        ((FILTERS, name, "-n", namespace), {"spec": {"directResponse": {"statusCode": 200}}}),
        (route, {"spec": before}),
    ):
        refused = planes.kubectl(cluster, "patch", *what, "--type=merge", "-p", json.dumps(patch), check=False)
        assert "desk@models.example" in refused, refused
    scene.orchestrator("verify", "--order", order, "--rehearse", "-o", "json").expect(0)
    (again,) = scene.take_down(order, models=[model]).expect(0).json["items"]
    assert (again["verdict"], again["changed"]) == ("verified", False)

    scene.restore(order, models=[model]).expect(0)
    assert planes.read(cluster, *route)["spec"] == before
    assert planes.read(cluster, FILTERS, "-n", namespace)["items"] == []
