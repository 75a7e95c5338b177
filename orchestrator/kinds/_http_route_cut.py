"""How a rule of an HTTPRoute is cut: by the best that all of its gateways can do.

In this order: a direct response (Envoy Gateway), the fleet's notice Service, a redirect to the public notice, or else
a Service that leads nowhere. What the rule's own filters did to requests goes with its backends: a header with a
credential is none of a notice's business, and a mirror would still reach the model.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

from orchestrator.core.fleet import NoticeService
from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.routes import CutTerms, Edge, Notice, RouteRule, RuleCut, is_cut_object, value_at
from orchestrator.core.takedown import Answer
from orchestrator.kinds._cutting import NOWHERE_PORT, field_cuts, leads_to_ours, namespace_of, nowhere, rules_at
from orchestrator.kinds._gateway_route import GROUP

ENVOY_GATEWAY = "gateway.envoyproxy.io/gatewayclass-controller"
CONTOUR = "projectcontour.io/gateway-controller"
_ENVOY_GROUP = "gateway.envoyproxy.io"
_RESPONSE_HEADERS = "HTTPRouteResponseHeaderModification"
_SCHEME, _PATH, _PORT = "HTTPRouteSchemeRedirect", "HTTPRoutePathRedirect", "HTTPRoutePortRedirect"
_MARK = "Orchestrator-Model"
"""Request header: tells the notice Service what was asked for, and marks the rule as cut for this model."""


def cut(route: JsonObject, rule: RouteRule, terms: CutTerms) -> RuleCut:
    """The first of the ways above that every gateway of the route can go."""
    if terms.edge.controllers == {ENVOY_GATEWAY} and not terms.edge.doubts:
        return _directly(route, rule, terms.notice)
    if terms.service is not None:
        return _by_notice_service(route, rule, terms, terms.service)
    if (redirect := _redirect(terms.notice.link, terms.edge)) is not None:
        filters = [redirect, _marking_filter(terms.notice)]
        return RuleCut(answer="redirect", fields=field_cuts(route, _wanted(rule, filters, None)))
    backends = [_backend(terms.notice.object_name, NOWHERE_PORT)]
    fields = field_cuts(route, _wanted(rule, None, backends))
    return RuleCut(answer="5xx", fields=fields, creates=(nowhere(route, terms.notice),))


def answer_if_cut(route: JsonObject, rule: RouteRule, model: str) -> Answer | None:
    """Read off the marks that `cut` leaves."""
    if leads_to_ours(rule.backends, model):
        return "5xx"
    filters = rules_at({"rule": value_at(route, rule.pointer)}, "rule", "filters")
    if not rule.backends and any(
        dig(entry, "extensionRef", "group") == _ENVOY_GROUP and is_cut_object(dig(entry, "extensionRef", "name"), model)
        for entry in filters
    ):
        return "451"
    if not any(_is_mark(entry, model) for entry in filters) or len(rule.backends) > 1:
        return None
    if rule.backends:
        return "451"
    return "redirect" if any("requestRedirect" in entry for entry in filters) else None


def _directly(route: JsonObject, rule: RouteRule, notice: Notice) -> RuleCut:
    """Source: Envoy Gateway's `HTTPRouteFilter`; not tried on a real one."""
    response = {"contentType": "application/json", "statusCode": 451, "body": {"type": "Inline", "inline": notice.body}}
    made = {
        "apiVersion": f"{_ENVOY_GROUP}/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": {"name": notice.object_name, "namespace": namespace_of(route), "labels": notice.labels},
        "spec": {"directResponse": response},
    }
    reference = {"group": _ENVOY_GROUP, "kind": "HTTPRouteFilter", "name": notice.object_name}
    filters = [{"type": "ExtensionRef", "extensionRef": reference}, _response_headers(notice)]
    return RuleCut(answer="451", fields=field_cuts(route, _wanted(rule, filters, None)), creates=(made,))


def _by_notice_service(route: JsonObject, rule: RouteRule, terms: CutTerms, service: NoticeService) -> RuleCut:
    notice, namespace = terms.notice, namespace_of(route)
    backend = _backend(service.name, service.port)
    creates: tuple[JsonObject, ...] = ()
    if service.namespace != namespace:
        backend["namespace"] = service.namespace
        creates = (_grant(namespace, notice, service),)
    filters = [_marking_filter(notice)]
    # Only what is known to be supported: a filter that is not takes the whole rule out of service.
    if _RESPONSE_HEADERS in (terms.edge.features or ()) or terms.edge.controllers == {CONTOUR}:
        filters.append(_response_headers(notice))
    return RuleCut(answer="451", fields=field_cuts(route, _wanted(rule, filters, [backend])), creates=creates)


def _grant(namespace: str, notice: Notice, service: NoticeService) -> JsonObject:
    """What allows routes of one namespace to name the notice Service of another."""
    suffix = hashlib.sha256(namespace.encode()).hexdigest()[:8]
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {
            "name": f"{notice.object_name}-{suffix}",
            "namespace": service.namespace,
            "labels": notice.labels,
        },
        "spec": {
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": namespace}],
            "to": [{"group": "", "kind": "Service", "name": service.name}],
        },
    }


def _redirect(link: str | None, edge: Edge) -> JsonObject | None:
    """A redirect to the notice; None where there is no notice, or the gateways cannot express its address.

    Core is the host alone; scheme, path and port are extended features, so one that publishes what it supports must
    name them. A query cannot be expressed at all.
    """
    try:
        target = urlsplit(link or "")
        port = target.port
    except ValueError:
        return None
    is_plain = target.scheme in ("http", "https") and target.hostname and not target.query and not target.fragment
    needs = {_SCHEME, _PATH} | ({_PORT} if port else set())
    if not is_plain or (edge.features is not None and not needs <= edge.features):
        return None
    redirect: dict[str, Any] = {
        "scheme": target.scheme,
        "hostname": target.hostname,
        "path": {"type": "ReplaceFullPath", "replaceFullPath": target.path or "/"},
        "statusCode": 302,
    }
    if port:
        redirect["port"] = port
    return {"type": "RequestRedirect", "requestRedirect": redirect}


def _wanted(rule: RouteRule, filters: list[JsonObject] | None, backends: list[JsonObject] | None) -> dict[str, Any]:
    return {f"{rule.pointer}/filters": filters, f"{rule.pointer}/backendRefs": backends}


def _backend(name: str, port: int) -> JsonObject:
    # With the defaults written out, so that what is stored is what was planned.
    return {"group": "", "kind": "Service", "name": name, "port": port, "weight": 1}


def _marking_filter(notice: Notice) -> JsonObject:
    said = {
        _MARK: notice.model,
        "Orchestrator-Order": notice.order,
        "Orchestrator-Notice": notice.link,
        "Orchestrator-Substitute": notice.substitute,
    }
    headers = [{"name": name, "value": value} for name, value in said.items() if value and _fits_header(value)]
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": headers}}


def _is_mark(entry: JsonObject, model: str) -> bool:
    headers = rules_at(entry, "requestHeaderModifier", "set")
    return any(header.get("name") == _MARK and header.get("value") == model for header in headers)


def _response_headers(notice: Notice) -> JsonObject:
    """451 may be cached unless told otherwise; the link names who blocks (RFC 7725)."""
    headers = [{"name": "Cache-Control", "value": "no-store"}]
    if notice.link and _fits_header(notice.link) and not set(notice.link) & set("<>"):
        headers.append({"name": "Link", "value": f'<{notice.link}>; rel="blocked-by"'})
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": headers}}


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= 4000
