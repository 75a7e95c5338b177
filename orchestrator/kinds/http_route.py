"""HTTPRoute: every parent that it names has accepted it at its own generation, with all references resolved.

A rule of it is cut by what its gateways can do best (`_http_route_cut.py`).
"""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig, find_condition
from orchestrator.core.routes import RouteRules
from orchestrator.core.verdict import Assessment, Readiness
from orchestrator.kinds._gateway_route import GROUP, edge_of, rules_of
from orchestrator.kinds._http_route_cut import answer_if_cut, cut
from orchestrator.kinds._reading import DONE, count, explain, progressing

_SPECIFIC = ("sectionName", "port")


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: Gateway API, `RouteParentStatus`; a route without parents is served by nobody."""
    parents = dig(live, "spec", "parentRefs", default=[])
    if not parents:
        return progressing(live, "no-parent", "it names no gateway", "spec.parentRefs")
    generation = max(count(live, "metadata", "generation"), wanted.generation or 0)
    for parent in parents:
        answers = [
            answer
            for answer in dig(live, "status", "parents", default=[])
            if _identity(dig(answer, "parentRef", default={}), live) == _identity(parent, live)
        ]
        if not answers:
            return progressing(live, "not-accepted", f"gateway {parent.get('name')} has not answered", "status.parents")
        for answer in answers:
            if (assessment := _assess_answer(live, answer, generation)).readiness is not Readiness.DONE:
                return assessment
    return DONE


def _assess_answer(live: JsonObject, answer: JsonObject, generation: int) -> Assessment:
    name = dig(answer, "parentRef", "name")
    for type_ in ("Accepted", "ResolvedRefs"):
        entry = find_condition(answer.get("conditions"), type_)
        if count(entry, "observedGeneration") < generation:
            return progressing(live, "stale", f"gateway {name}: no {type_} of generation {generation} yet")
        if entry.get("status") != "True":
            return progressing(live, "not-accepted", f"gateway {name}: {type_}: {explain(entry)}", "status.parents")
    return DONE


def _identity(parent: JsonObject, route: JsonObject) -> tuple[object, ...]:
    return (
        parent.get("group", GROUP),
        parent.get("kind", "Gateway"),
        parent.get("namespace") or dig(route, "metadata", "namespace"),
        parent.get("name"),
        *(parent.get(field) for field in _SPECIFIC),
    )


PLUGIN = Kind(
    resource=Resource(GROUP, "v1", "httproutes", "HTTPRoute"),
    assess=assess,
    basis=Basis(
        "Every gateway that it names has accepted this generation, its references resolved.",
        ("metadata.generation", "spec.parentRefs", "status.parents"),
    ),
    route=RouteRules(rules=rules_of, cut=cut, answer_if_cut=answer_if_cut, edge=edge_of, leads_abroad=True),
)
