"""Gateway: accepted and programmed at its own generation."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, condition, count, explain, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Each condition carries the generation that it is about (Gateway API, `GatewayStatus`)."""
    generation = max(count(live, "metadata", "generation"), wanted.generation or 0)
    for type_ in ("Accepted", "Programmed"):
        entry = condition(live, type_)
        if count(entry, "observedGeneration") < generation:
            return progressing(live, "stale", f"no controller says {type_} of generation {generation} yet")
        if entry.get("status") != "True":
            return progressing(live, "not-accepted", f"{type_}: {explain(entry)}")
    return DONE


PLUGIN = Kind(
    resource=Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway"),
    assess=assess,
    basis=Basis(
        "Its controller has accepted and programmed this generation.",
        ("metadata.generation", "status.conditions[Accepted]", "status.conditions[Programmed]"),
    ),
)
