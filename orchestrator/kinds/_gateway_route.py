"""What the routes of the Gateway API have in common: rules, backends, and the gateways that serve them.

Sources: the Gateway API's `HTTPRoute`, `GRPCRoute`, `GatewayClass` v1.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.objects import GroupKind, JsonObject, dig, ref_of
from orchestrator.core.routes import Backend, Edge, Find, RouteRule
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.kinds._cutting import namespace_of, rules_at, weight_of
from orchestrator.kinds._reading import condition, count

GROUP = "gateway.networking.k8s.io"
GATEWAY = GroupKind(GROUP, "Gateway")
GATEWAY_CLASS = GroupKind(GROUP, "GatewayClass")


def rules_of(route: JsonObject) -> tuple[RouteRule, ...]:
    """Its rules; whatever a RequestMirror filter copies requests to counts as a backend."""
    return tuple(
        RouteRule(pointer=f"/spec/rules/{index}", backends=tuple(_backends(rule, namespace_of(route))))
        for index, rule in enumerate(rules_at(route, "spec", "rules"))
    )


def _backends(rule: JsonObject, namespace: str) -> Iterator[Backend]:
    for reference in rules_at(rule, "backendRefs"):
        yield _backend(reference, namespace)
        yield from _mirrors(reference, namespace)
    yield from _mirrors(rule, namespace)


def _mirrors(holder: JsonObject, namespace: str) -> Iterator[Backend]:
    for entry in rules_at(holder, "filters"):
        if isinstance(reference := dig(entry, "requestMirror", "backendRef"), dict):
            yield _backend(reference, namespace)


def _backend(reference: JsonObject, namespace: str) -> Backend:
    return Backend(
        group_kind=GroupKind(str(reference.get("group") or ""), str(reference.get("kind") or "Service")),
        namespace=str(reference.get("namespace") or namespace),
        name=str(reference.get("name", "")),
        weight=weight_of(reference),
    )


def edge_of(route: JsonObject, find: Find) -> Edge:
    """The controllers of every gateway that the route names, and what they all say that they can do."""
    controllers: set[str] = set()
    published: list[frozenset[str] | None] = []
    doubts: list[Reason] = []
    for parent in rules_at(route, "spec", "parentRefs"):
        found = _class_of(parent, route, find)
        if isinstance(found, Reason):
            doubts.append(found)
        elif found is not None:
            controllers.add(str(dig(found, "spec", "controllerName", default="")))
            published.append(_features(found))
    known = [features for features in published if features is not None]
    features = frozenset.intersection(*known) if known and len(known) == len(published) else None
    return Edge(controllers=frozenset(controllers), features=features, doubts=tuple(doubts))


def _class_of(parent: JsonObject, route: JsonObject, find: Find) -> JsonObject | Reason | None:
    """The class of the accepted gateway that a parentRef names, or why nobody can tell what serves the route there.

    None where that gateway does not exist: then nobody does. (Gateways that may not be listed are named elsewhere.)

    The gateway's own acceptance counts: a Contour that is bound to one gateway never says anything of its class.
    """
    kind = GroupKind(str(parent.get("group", GROUP)), str(parent.get("kind", "Gateway")))
    namespace = str(parent.get("namespace") or namespace_of(route))
    name = str(parent.get("name", ""))
    if kind != GATEWAY:
        return _doubt(route, f"it is served through {kind} {namespace}/{name}, a kind of parent that is not known")
    gateway = find(GATEWAY, namespace, name)
    if gateway is None:
        return None
    class_name = str(dig(gateway, "spec", "gatewayClassName", default=""))
    class_ = find(GATEWAY_CLASS, "", class_name)
    if class_ is None:
        return _doubt(
            route, f"the class {class_name} of its gateway {namespace}/{name} cannot be read, or is not there"
        )
    if not _is_accepted(gateway):
        return _doubt(route, f"no controller says that it has accepted the gateway {namespace}/{name} as it is now")
    return class_


def _is_accepted(obj: JsonObject) -> bool:
    entry = condition(obj, "Accepted")
    is_current = count(entry, "observedGeneration") >= count(obj, "metadata", "generation")
    return entry.get("status") == "True" and is_current


def _features(class_: JsonObject) -> frozenset[str] | None:
    """What a class says that its gateways support: a list of names, of maps since Gateway API 1.3."""
    entries = dig(class_, "status", "supportedFeatures")
    if not isinstance(entries, list) or not entries:
        return None
    return frozenset(str(entry.get("name") if isinstance(entry, dict) else entry) for entry in entries)


def _doubt(route: JsonObject, words: str) -> Reason:
    return Reason(
        code="gateway-unknown", message=printable(words), object=printable(ref_of(route)), field="spec.parentRefs"
    )
