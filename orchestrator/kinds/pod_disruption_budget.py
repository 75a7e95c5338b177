"""PodDisruptionBudget: observed, with as many healthy pods as it demands."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, count, progressing, unless_observed


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `pdbConditions`."""
    if stale := unless_observed(live, wanted):
        return stale
    healthy, desired = count(live, "status", "currentHealthy"), count(live, "status", "desiredHealthy")
    if healthy < desired:
        words = f"{healthy} of {desired} pods that it protects are healthy"
        return progressing(live, "not-healthy", words, "status.currentHealthy")
    return DONE


PLUGIN = Kind(
    resource=Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    assess=assess,
    basis=Basis(
        "At its own generation, it counts as many healthy pods as it wants.",
        ("metadata.generation", "status.observedGeneration", "status.currentHealthy", "status.desiredHealthy"),
    ),
)
