"""Service: has its address; a load balancer's is given from outside.

Where it is itself the way to a model, it is cut by a selector that selects nothing: connections are refused.
"""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.routes import SERVICE, Backend, CutTerms, RouteRule, RouteRules, RuleCut, is_cut_object
from orchestrator.core.takedown import Answer
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._cutting import field_cuts, namespace_of
from orchestrator.kinds._reading import DONE, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `serviceConditions`, with the load balancer's address demanded."""
    type_ = dig(live, "spec", "type", default="ClusterIP")
    if type_ == "ExternalName":
        return DONE
    if not dig(live, "spec", "clusterIP"):
        return progressing(live, "no-address", "it has no cluster address yet", "spec.clusterIP")
    if type_ == "LoadBalancer" and not dig(live, "status", "loadBalancer", "ingress"):
        return progressing(live, "no-address", "no load balancer serves it yet", "status.loadBalancer.ingress")
    return DONE


_MARK = "orchestrator.dev/cut"
"""Key of a selector that no pod carries."""


def rules_of(route: JsonObject) -> tuple[RouteRule, ...]:
    """One: the Service itself."""
    itself = Backend(group_kind=SERVICE, namespace=namespace_of(route), name=str(dig(route, "metadata", "name")))
    return (RouteRule(pointer="/spec", backends=(itself,)),)


def cut(route: JsonObject, rule: RouteRule, terms: CutTerms) -> RuleCut:
    """The whole selector, for a key that is added would not keep out pods that somebody labels so."""
    wanted = {"/spec/selector": {_MARK: terms.notice.object_name}}
    return RuleCut(answer="5xx", fields=field_cuts(route, wanted))


def answer_if_cut(route: JsonObject, rule: RouteRule, model: str) -> Answer | None:
    """Read off the selector."""
    return "5xx" if is_cut_object(dig(route, "spec", "selector", _MARK), model) else None


PLUGIN = Kind(
    resource=Resource("", "v1", "services", "Service"),
    assess=assess,
    basis=Basis("It has the address that its type promises.", ("spec.clusterIP", "status.loadBalancer.ingress")),
    route=RouteRules(rules=rules_of, cut=cut, answer_if_cut=answer_if_cut),
)
