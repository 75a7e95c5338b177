"""GRPCRoute: judged and read as an HTTPRoute is. A rule of it is cut by a Service that leads nowhere.

A gRPC client takes 503 for `UNAVAILABLE`; no answer that it would take for final can be given without knowing the
gateway.
"""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind
from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.routes import CutTerms, RouteRule, RouteRules, RuleCut
from orchestrator.core.takedown import Answer
from orchestrator.kinds._cutting import NOWHERE_PORT, field_cuts, leads_to_ours, nowhere
from orchestrator.kinds._gateway_route import GROUP, edge_of, rules_of
from orchestrator.kinds.http_route import assess


def cut(route: JsonObject, rule: RouteRule, terms: CutTerms) -> RuleCut:
    """Its filters go as well: a mirror would still reach the model."""
    name = terms.notice.object_name
    backend = {"group": "", "kind": "Service", "name": name, "port": NOWHERE_PORT, "weight": 1}
    wanted = {f"{rule.pointer}/filters": None, f"{rule.pointer}/backendRefs": [backend]}
    return RuleCut(answer="5xx", fields=field_cuts(route, wanted), creates=(nowhere(route, terms.notice),))


def answer_if_cut(route: JsonObject, rule: RouteRule, model: str) -> Answer | None:
    """Read off the only backend that it has left."""
    return "5xx" if leads_to_ours(rule.backends, model) else None


PLUGIN = Kind(
    resource=Resource(GROUP, "v1", "grpcroutes", "GRPCRoute"),
    assess=assess,
    basis=Basis(
        "Every gateway that it names has accepted this generation, its references resolved.",
        ("metadata.generation", "spec.parentRefs", "status.parents"),
    ),
    route=RouteRules(rules=rules_of, cut=cut, answer_if_cut=answer_if_cut, edge=edge_of, leads_abroad=True),
)
