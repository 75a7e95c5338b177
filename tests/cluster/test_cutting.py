"""The API server takes every kind of cut exactly as it was planned, and its way back exactly as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.holds import RestoreRecord
from orchestrator.core.model import Route
from orchestrator.core.objects import JsonObject
from orchestrator.core.routes import value_at
from orchestrator.planning.cutting import uncut
from tests.cluster.conftest import ControlPlanes
from tests.unit.planning import route_samples as samples

GATEWAYS = samples.gateways()
KINDS = {
    "HTTPRoute": "httproute.v1.gateway.networking.k8s.io",
    "GRPCRoute": "grpcroute.v1.gateway.networking.k8s.io",
    "Ingress": "ingress.v1.networking.k8s.io",
    "Service": "service",
}
BESIDE = samples.NOTICE.replace("namespace: notices", "namespace: models").replace(", nodePort: 30001", "")
SERVICE = samples.BASE.split("---")[0].replace("selector: {app: fable}", "selector: {app: fable}, ports: [{port: 80}]")


@pytest.mark.parametrize(
    ("manifest", "around", "answer"),
    [
        pytest.param(samples.HTTP_ROUTE, (samples.gateways(samples.ENVOY_GATEWAY),), "451", id="direct response"),
        pytest.param(samples.HTTP_ROUTE, (GATEWAYS, BESIDE), "451", id="notice Service"),
        pytest.param(samples.HTTP_ROUTE, (GATEWAYS,), "redirect", id="redirect"),
        pytest.param(samples.HTTP_ROUTE, (samples.gateways(samples.CONTOUR, "Nothing"),), "5xx", id="nowhere"),
        pytest.param(samples.GRPC_ROUTE, (GATEWAYS,), "5xx", id="gRPC"),
        pytest.param(samples.INGRESS, (), "5xx", id="Ingress"),
        pytest.param(samples.INGRESS, (BESIDE,), "451", id="Ingress with a twin"),
        pytest.param(SERVICE, (), "5xx", id="Service"),
    ],
)
def test_what_is_stored_is_what_was_planned_and_what_was_there_before(
    control_planes: ControlPlanes, namespace: str, manifest: str, around: tuple[str, ...], answer: str
) -> None:
    """No default of the API server makes a cut differ from its plan, or a restored route from the one before."""
    cluster = control_planes.clusters[0]
    (route,) = samples.objects(manifest)
    created = {**route, "metadata": {"name": route["metadata"]["name"], "namespace": namespace}}
    control_planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(created))
    kind = KINDS[route["kind"]]

    def read() -> JsonObject:
        found: Any = control_planes.read(cluster, kind, created["metadata"]["name"], "-n", namespace)
        return dict(found)

    before = read()
    place = (route["kind"], route["metadata"]["name"])
    others = [obj for obj in samples.objects(samples.BASE, *around) if (obj["kind"], obj["metadata"]["name"]) != place]
    live = (before, *(_moved(obj, namespace) for obj in others))
    found = samples.plan(
        *live,
        routes=(Route(kind=route["kind"], namespace=namespace, name=route["metadata"]["name"]),),
        service=replace(samples.NOTICE_SERVICE, namespace=namespace),
    )
    (cut,) = found.cuts
    assert cut.answer == answer
    for made in cut.creates:
        if made["kind"] != "HTTPRouteFilter":  # of Envoy Gateway, whose kinds are not served here
            control_planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(made))

    _patch(control_planes, cluster, kind, before, cut.patch())
    stored = read()
    assert [value_at(stored, field.pointer) for field in cut.fields] == [field.after for field in cut.fields]

    record = RestoreRecord(
        model="fable-5", ref=cut.ref, uid=cut.uid, before={field.pointer: field.before for field in cut.fields}
    )
    back = uncut(record, stored)
    assert back.changed == ()
    _patch(control_planes, cluster, kind, stored, list(back.patch))
    assert read()["spec"] == before["spec"]


def _moved(obj: JsonObject, namespace: str) -> JsonObject:
    place = obj["metadata"].get("namespace")
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}} if place == "models" else obj


def _patch(planes: ControlPlanes, cluster: str, kind: str, obj: JsonObject, patch: list[JsonObject]) -> None:
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    planes.kubectl(cluster, "patch", kind, name, "-n", namespace, "--type=json", "-p", json.dumps(patch))
