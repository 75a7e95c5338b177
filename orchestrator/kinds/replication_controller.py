"""ReplicationController: the oldest of the scalable kinds; its selector is a plain map of labels."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, count, progressing, unless_observed, unless_replicas_as_wanted
from orchestrator.kinds._workload import SCALABLE, replicas_of


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """The same counts as a ReplicaSet's."""
    spec = replicas_of(live)
    if (early := unless_observed(live, wanted)) or (early := unless_replicas_as_wanted(live, wanted, spec)):
        return early
    for field in ("fullyLabeledReplicas", "availableReplicas", "readyReplicas"):
        if (number := count(live, "status", field)) < spec:
            return progressing(live, "rolling-out", f"{field}: {number} of {spec}", f"status.{field}")
    if (number := count(live, "status", "replicas")) > spec:
        return progressing(live, "rolling-out", f"{number - spec} replicas too many are still there", "status.replicas")
    return DONE


def selector_of(live: JsonObject) -> JsonObject | None:
    """Its plain map as a LabelSelector; an empty map selects nothing."""
    labels = dig(live, "spec", "selector", default={})
    return {"matchLabels": labels} if isinstance(labels, dict) and labels else None


PLUGIN = Kind(
    resource=Resource("", "v1", "replicationcontrollers", "ReplicationController"),
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
    workload=replace(SCALABLE, selector=selector_of),
)
