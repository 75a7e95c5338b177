"""Ingress: a controller has given it an address, the only sign that anybody serves it.

A rule of it is cut by another backend, for the kind has neither answers nor redirects of its own: the notice Service
(through a twin of it) where that is in the same namespace, for an Ingress reaches no other; else a Service that leads
nowhere, which answers 503. Taking the path away instead would hand its requests to whichever rule fits them next.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import GroupKind, JsonObject, Resource, dig
from orchestrator.core.routes import SERVICE, Backend, CutTerms, RouteRule, RouteRules, RuleCut, is_twin
from orchestrator.core.takedown import Answer
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._cutting import field_cuts, leads_to_ours, namespace_of, nowhere, rules_at
from orchestrator.kinds._reading import DONE, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Where a controller publishes no address, the model's `health` has to say that the kind is inert."""
    if not dig(live, "status", "loadBalancer", "ingress"):
        return progressing(live, "no-address", "no ingress controller serves it yet", "status.loadBalancer.ingress")
    return DONE


def rules_of(route: JsonObject) -> tuple[RouteRule, ...]:
    """Every path of every rule, and the default backend."""
    return tuple(
        RouteRule(pointer=pointer, backends=(_backend(backend, namespace_of(route)),))
        for pointer, backend in _backends(route)
    )


def _backends(route: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """By JSON pointer of what holds it, each backend."""
    if isinstance(backend := dig(route, "spec", "defaultBackend"), dict):
        yield "/spec/defaultBackend", backend
    for index, rule in enumerate(rules_at(route, "spec", "rules")):
        for place, path in enumerate(rules_at(rule, "http", "paths")):
            if isinstance(backend := path.get("backend"), dict):
                yield f"/spec/rules/{index}/http/paths/{place}/backend", backend


def _backend(backend: JsonObject, namespace: str) -> Backend:
    service, resource = dig(backend, "service", default={}), dig(backend, "resource", default={})
    if service:
        return Backend(group_kind=SERVICE, namespace=namespace, name=str(service.get("name", "")))
    kind = GroupKind(str(resource.get("apiGroup") or ""), str(resource.get("kind", "")))
    return Backend(group_kind=kind, namespace=namespace, name=str(resource.get("name", "")))


def cut(route: JsonObject, rule: RouteRule, terms: CutTerms) -> RuleCut:
    """Another Service under the same path; one of our own in any case, because its name is all that can mark a cut."""
    made = _twin(route, terms) or nowhere(route, terms.notice)
    port = {"number": dig(made, "spec", "ports", 0, "port")}
    wanted = {"name": dig(made, "metadata", "name"), "port": port}
    is_heard = is_twin(wanted["name"], terms.notice.model)
    fields = field_cuts(route, {f"{rule.pointer}/service": wanted})
    return RuleCut(answer="451" if is_heard else "5xx", fields=fields, creates=(made,))


def _twin(route: JsonObject, terms: CutTerms) -> JsonObject | None:
    """A Service for the notice Service's pods; None where these are elsewhere, or are not found by a selector."""
    service, selector = terms.service, dig(terms.service_live, "spec", "selector")
    if service is None or service.namespace != namespace_of(route) or not selector:
        return None
    ports = [port for port in rules_at(terms.service_live, "spec", "ports") if port.get("port") == service.port]
    if not ports:
        return None
    kept = ("name", "port", "targetPort", "protocol", "appProtocol")
    port = {key: value for key, value in ports[0].items() if key in kept}
    notice = terms.notice
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": notice.twin_name, "namespace": service.namespace, "labels": notice.labels},
        "spec": {"selector": selector, "ports": [port]},
    }


def answer_if_cut(route: JsonObject, rule: RouteRule, model: str) -> Answer | None:
    """Read off the name of its backend."""
    if not leads_to_ours(rule.backends, model):
        return None
    return "451" if is_twin(rule.backends[0].name, model) else "5xx"


PLUGIN = Kind(
    resource=Resource("networking.k8s.io", "v1", "ingresses", "Ingress"),
    assess=assess,
    basis=Basis("A controller has published its address.", ("status.loadBalancer.ingress",)),
    route=RouteRules(rules=rules_of, cut=cut, answer_if_cut=answer_if_cut),
)
