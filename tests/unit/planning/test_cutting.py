"""What clients are told once a route is cut: the best that its kind, and whoever serves it, can say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.core.model import Model, Route
from orchestrator.core.objects import dig, ref_of
from orchestrator.core.routes import BODY_LIMIT
from orchestrator.planning.cutting import notice_of, reads_for_cuts
from tests.unit.planning.route_samples import (
    BASE,
    CONTOUR,
    ENVOY_GATEWAY,
    GRPC_ROUTE,
    HTTP_PROXY,
    HTTP_ROUTE,
    INGRESS,
    NOTICE,
    NOTICE_SERVICE,
    ORDER,
    codes,
    gateways,
    objects,
    patched,
    plan,
    route,
)


def test_an_http_route_is_cut_by_a_direct_response_where_its_gateway_gives_one() -> None:
    """Envoy Gateway answers 451 itself: a filter object is made, and the rule refers to it and to no backend."""
    live = objects(BASE, HTTP_ROUTE, gateways(ENVOY_GATEWAY), NOTICE)
    (cut,) = plan(*live, service=NOTICE_SERVICE).cuts
    (made,) = cut.creates
    assert cut.answer == "451"
    response = made["spec"]["directResponse"]
    assert (ref_of(made).kind, response["statusCode"]) == ("HTTPRouteFilter", 451)
    assert json.loads(response["body"]["inline"])["substitute"] == "fable-4"
    rule = patched(live[6], cut.patch())["spec"]["rules"][0]
    assert "backendRefs" not in rule
    assert rule["filters"][0]["extensionRef"]["name"] == made["metadata"]["name"]
    assert rule["matches"] == live[6]["spec"]["rules"][0]["matches"]


def test_an_http_route_leads_to_the_notice_service_where_its_gateway_answers_nothing_itself() -> None:
    """The Service lies in another namespace, so a grant is made; the requests' own filters go."""
    live = objects(BASE, HTTP_ROUTE, gateways(), NOTICE)
    (cut,) = plan(*live, service=NOTICE_SERVICE).cuts
    (grant,) = cut.creates
    assert cut.answer == "451"
    assert (ref_of(grant).kind, ref_of(grant).namespace) == ("ReferenceGrant", "notices")
    rule = patched(live[6], cut.patch())["spec"]["rules"][0]
    assert [(ref["namespace"], ref["name"], ref["port"]) for ref in rule["backendRefs"]] == [
        ("notices", "notice", 8080)
    ]
    assert [entry["type"] for entry in rule["filters"]] == ["RequestHeaderModifier", "ResponseHeaderModifier"]
    headers = {one["name"]: one["value"] for one in rule["filters"][1]["responseHeaderModifier"]["set"]}
    assert headers == {
        "Cache-Control": "no-store",
        "Link": '<https://notices.example/directive-7>; rel="blocked-by"',
    }


def test_response_headers_are_set_only_by_gateways_that_are_known_to() -> None:
    """A filter that a gateway does not support takes the whole rule out of service."""
    for features, expected in (((), 1), (("HTTPRouteResponseHeaderModification",), 2)):
        live = objects(BASE, HTTP_ROUTE, gateways("example.com/gateway", *features), NOTICE)
        (cut,) = plan(*live, service=NOTICE_SERVICE).cuts
        assert len(patched(live[6], cut.patch())["spec"]["rules"][0]["filters"]) == expected


def test_an_http_route_redirects_to_the_public_notice_without_a_notice_service() -> None:
    live = objects(BASE, HTTP_ROUTE, gateways())
    (cut,) = plan(*live).cuts
    rule = patched(live[6], cut.patch())["spec"]["rules"][0]
    assert (cut.answer, cut.creates, "backendRefs" in rule) == ("redirect", (), False)
    assert rule["filters"][0]["requestRedirect"] == {
        "scheme": "https",
        "hostname": "notices.example",
        "path": {"type": "ReplaceFullPath", "replaceFullPath": "/directive-7"},
        "statusCode": 302,
    }


@pytest.mark.parametrize(
    ("url", "features"),
    [
        (None, ()),
        ("https://notices.example/?id=7", ()),
        ("https://notices.example:99999/", ()),
        ("https://notices.example/directive-7", ("HTTPRouteHostRewrite",)),
    ],
)
def test_an_http_route_leads_nowhere_when_no_redirect_can_be_said(url: str | None, features: tuple[str, ...]) -> None:
    """No notice, a query that no redirect expresses, or a gateway that supports none: 5xx, and the cut says so."""
    live = objects(BASE, HTTP_ROUTE, gateways(CONTOUR, *features))
    (cut,) = plan(*live, order=replace(ORDER, notice_url=url)).cuts
    (made,) = cut.creates
    assert cut.answer == "5xx"
    assert (ref_of(made).kind, "selector" in made["spec"]) == ("Service", False)
    rule = patched(live[6], cut.patch())["spec"]["rules"][0]
    assert [ref["name"] for ref in rule["backendRefs"]] == [made["metadata"]["name"]]


def test_a_route_whose_gateway_does_not_exist_is_cut_and_serves_nobody() -> None:
    """Nothing is in doubt: a gateway that is made later finds the route cut."""
    found = plan(*objects(BASE, HTTP_ROUTE))
    assert len(found.cuts) == 1
    assert found.not_cut == ()


@pytest.mark.parametrize(
    "seen",
    [
        gateways().replace("kind: GatewayClass", "kind: OtherClass"),
        gateways().replace('status: "True"', 'status: "False"'),
        gateways().replace("generation: 1}", "generation: 2}"),
    ],
)
def test_a_gateway_that_nobody_vouches_for_is_said_to_be_unknown(seen: str) -> None:
    """Without a class, not accepted, or accepted before it changed: it is cut, and that is not proven."""
    found = plan(*objects(BASE, HTTP_ROUTE, seen))
    assert codes(found.not_cut) == ["gateway-unknown"]
    assert len(found.cuts) == 1


def test_a_parent_that_is_no_gateway_is_unknown() -> None:
    mesh = HTTP_ROUTE.replace("[{name: edge, namespace: gateways}]", "[{group: '', kind: Service, name: fable}]")
    assert codes(plan(*objects(BASE, mesh)).not_cut) == ["gateway-unknown"]


def test_a_direct_response_needs_every_gateway_to_give_it() -> None:
    """One of two gateways is another's: the redirect, which both understand, is taken."""
    two = HTTP_ROUTE.replace("{name: edge, namespace: gateways}", "{name: edge, namespace: gateways}, {name: edge}")
    other = gateways().replace("name: class", "name: other").replace("ClassName: class", "ClassName: other")
    other = other.replace("namespace: gateways", "namespace: models").replace(
        "gatewayClassName: class", "gatewayClassName: other"
    )
    (cut,) = plan(*objects(BASE, two, gateways(ENVOY_GATEWAY), other)).cuts
    assert cut.answer == "redirect"


def test_an_http_proxy_answers_itself() -> None:
    """Only the rule of this model is cut; the other one serves another model and stays."""
    live = objects(BASE, HTTP_PROXY)
    found = plan(*live)
    (cut,) = found.cuts
    routes = patched(live[6], cut.patch())["spec"]["routes"]
    assert (cut.answer, found.not_cut) == ("451", ())
    assert routes[0]["directResponsePolicy"]["statusCode"] == 451
    assert "services" not in routes[0]
    assert routes[1] == live[6]["spec"]["routes"][1]


def test_an_ingress_leads_nowhere_where_the_notice_service_is_in_another_namespace() -> None:
    live = objects(BASE, INGRESS, NOTICE)
    (cut,) = plan(*live, service=NOTICE_SERVICE).cuts
    (made,) = cut.creates
    paths = patched(live[6], cut.patch())["spec"]["rules"][0]["http"]["paths"]
    assert cut.answer == "5xx"
    assert paths[0]["backend"] == {"service": {"name": made["metadata"]["name"], "port": {"number": 80}}}
    assert paths[1] == live[6]["spec"]["rules"][0]["http"]["paths"][1]


def test_an_ingress_leads_to_a_twin_of_a_notice_service_beside_it() -> None:
    """The twin selects the notice Service's own pods; node ports are not taken twice."""
    live = objects(BASE, INGRESS, NOTICE.replace("namespace: notices", "namespace: models"))
    (cut,) = plan(*live, service=replace(NOTICE_SERVICE, namespace="models")).cuts
    (made,) = cut.creates
    assert cut.answer == "451"
    assert made["spec"] == {
        "selector": {"app": "notice"},
        "ports": [{"name": "http", "port": 8080, "targetPort": 9000, "protocol": "TCP"}],
    }


def test_a_default_backend_of_an_ingress_is_a_way_as_well() -> None:
    only = INGRESS[: INGRESS.index("spec:")] + "spec: {defaultBackend: {service: {name: fable, port: {name: http}}}}"
    live = objects(BASE, only)
    (cut,) = plan(*live).cuts
    assert dig(patched(live[6], cut.patch()), "spec", "defaultBackend", "service", "port") == {"number": 80}


def test_a_declared_service_selects_nothing_any_more() -> None:
    live = objects(BASE)
    (cut,) = plan(*live, routes=(route("Service"),)).cuts
    selector = patched(live[0], cut.patch())["spec"]["selector"]
    assert (cut.answer, list(selector)) == ("5xx", ["orchestrator.dev/cut"])


def test_an_exposed_service_is_a_way_though_nobody_declared_it() -> None:
    """A load balancer's address reaches the pods without any route; a Service for the cluster's inside stays."""
    exposed = BASE.replace("selector: {app: fable}}", "type: LoadBalancer, selector: {app: fable}}", 1)
    assert [cut.ref.name for cut in plan(*objects(exposed)).cuts] == ["fable"]
    assert plan(*objects(BASE)).cuts == ()


def test_a_grpc_route_leads_nowhere() -> None:
    (cut,) = plan(*objects(BASE, GRPC_ROUTE, gateways(ENVOY_GATEWAY))).cuts
    assert cut.answer == "5xx"


def test_the_notice_says_only_the_public_words_and_fits() -> None:
    """Neither authority nor reference; control characters gone; never longer than gateways take."""
    order = replace(ORDER, notice="\x1b[31m" + "Ü" * 10_000, contact="legal@example.com")
    body = notice_of(order, "fable-5").body
    said = json.loads(body)
    assert len(body.encode()) <= BODY_LIMIT
    assert body.isascii()
    assert "REF-SECRET" not in body
    assert "The Authority" not in body
    assert "\\u001b" not in body
    assert said["order"] == {"name": "directive-7", "digest": order.digest[:16]}
    assert (said["link"], said["contact"]) == ("https://notices.example/directive-7", "legal@example.com")


def test_routes_of_other_namespaces_are_read_only_where_they_can_lead_abroad() -> None:
    """HTTPRoutes may refer to another namespace's Services, HTTPProxies and Ingresses may not."""
    model = Model(name="fable-5", routes=(Route(kind="Ingress", namespace="edge", name="x"),))
    reads = {(read.resource.plural, read.namespace) for read in reads_for_cuts(model, ("models",), NOTICE_SERVICE)}
    assert {("httproutes", ""), ("gateways", ""), ("gatewayclasses", ""), ("ingresses", "edge")} <= reads
    assert {("httpproxies", "models"), ("pods", "models"), ("services", "notices")} <= reads
    assert ("httpproxies", "") not in reads
