"""ReplicaSet that stands alone; those of a Deployment are read through it."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import (
    DONE,
    condition,
    count,
    explain,
    progressing,
    unless_observed,
    unless_replicas_as_wanted,
)
from orchestrator.kinds._workload import SCALABLE, replicas_of


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `replicasetConditions`."""
    spec = replicas_of(live)
    if (early := unless_observed(live, wanted)) or (early := unless_replicas_as_wanted(live, wanted, spec)):
        return early
    failure = condition(live, "ReplicaFailure")
    if failure.get("status") == "True":
        return progressing(live, "replica-failure", explain(failure))
    for field in ("fullyLabeledReplicas", "availableReplicas", "readyReplicas"):
        if (number := count(live, "status", field)) < spec:
            return progressing(live, "rolling-out", f"{field}: {number} of {spec}", f"status.{field}")
    if (number := count(live, "status", "replicas")) > spec:
        return progressing(live, "rolling-out", f"{number - spec} replicas too many are still there", "status.replicas")
    return DONE


PLUGIN = Kind(
    resource=Resource("apps", "v1", "replicasets", "ReplicaSet"),
    assess=assess,
    basis=Basis(
        "At its own generation, all replicas are available and ready, and none too many is left.",
        (
            "metadata.generation",
            "status.observedGeneration",
            "spec.replicas",
            "status.replicas",
            "status.availableReplicas",
            "status.readyReplicas",
        ),
    ),
    workload=SCALABLE,
)
