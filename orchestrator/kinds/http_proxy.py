"""HTTPProxy, Contour's own route kind: valid at its own generation.

A rule of it is cut by Contour's direct response: 451 with the notice as its body. Contour 1.33 gives a direct response
no headers of its own (`internal/envoy/v3/route.go`), so neither `Cache-Control` nor `Link` can be said.
"""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.routes import SERVICE, Backend, CutTerms, RouteRule, RouteRules, RuleCut, is_cut_body, value_at
from orchestrator.core.takedown import Answer
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._cutting import (
    NOWHERE_PORT,
    field_cuts,
    leads_to_ours,
    namespace_of,
    nowhere,
    rules_at,
    weight_of,
)
from orchestrator.kinds._reading import DONE, condition, count, explain, progressing

_TCP = "/spec/tcpproxy"


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: Contour's `HTTPProxyStatus`: the condition Valid sums up all others."""
    entry = condition(live, "Valid")
    if count(entry, "observedGeneration") < max(count(live, "metadata", "generation"), wanted.generation or 0):
        return progressing(live, "stale", "Contour has not judged this generation yet", "status.conditions")
    if entry.get("status") != "True":
        return progressing(
            live, "not-accepted", f"Contour calls it {dig(live, 'status', 'currentStatus')}: {explain(entry)}"
        )
    return DONE


def rules_of(route: JsonObject) -> tuple[RouteRule, ...]:
    """Its routes, and its TCP proxy; mirrors count as backends. What it includes are HTTPProxies of their own."""
    rules = [
        RouteRule(pointer=f"/spec/routes/{index}", backends=_backends(rule, namespace_of(route)))
        for index, rule in enumerate(rules_at(route, "spec", "routes"))
    ]
    if tcp := _backends(dig(route, "spec", "tcpproxy", default={}), namespace_of(route)):
        rules.append(RouteRule(pointer=_TCP, backends=tcp))
    return tuple(rules)


def _backends(rule: JsonObject, namespace: str) -> tuple[Backend, ...]:
    return tuple(
        Backend(
            group_kind=SERVICE, namespace=namespace, name=str(service.get("name", "")), weight=_weight(rule, service)
        )
        for service in rules_at(rule, "services")
    )


def _weight(rule: JsonObject, service: JsonObject) -> int:
    """Contour spreads requests evenly where no service of a rule has a weight (a default of zero is stored)."""
    services = [one for one in rules_at(rule, "services") if not one.get("mirror")]
    if service.get("mirror") or all(not one.get("weight") for one in services):
        return 1
    return weight_of({"weight": service.get("weight") or 0})


def cut(route: JsonObject, rule: RouteRule, terms: CutTerms) -> RuleCut:
    """A direct response in the place of the services; a TCP proxy can say nothing, so it leads nowhere."""
    if rule.pointer == _TCP:
        services = [{"name": terms.notice.object_name, "port": NOWHERE_PORT}]
        fields = field_cuts(route, {f"{_TCP}/services": services})
        return RuleCut(answer="5xx", fields=fields, creates=(nowhere(route, terms.notice),))
    response = {"statusCode": 451, "body": terms.notice.body}
    wanted = {f"{rule.pointer}/services": None, f"{rule.pointer}/directResponsePolicy": response}
    return RuleCut(answer="451", fields=field_cuts(route, wanted))


def answer_if_cut(route: JsonObject, rule: RouteRule, model: str) -> Answer | None:
    """Read off the body of the direct response, or the only service that is left."""
    if leads_to_ours(rule.backends, model):
        return "5xx"
    body = dig(value_at(route, rule.pointer), "directResponsePolicy", "body")
    return "451" if not rule.backends and is_cut_body(body, model) else None


PLUGIN = Kind(
    resource=Resource("projectcontour.io", "v1", "httpproxies", "HTTPProxy"),
    assess=assess,
    basis=Basis("Contour says that this generation is valid.", ("metadata.generation", "status.conditions[Valid]")),
    route=RouteRules(rules=rules_of, cut=cut, answer_if_cut=answer_if_cut),
)
