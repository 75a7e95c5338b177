"""Deployment: kstatus' order of rules, with a progress deadline that is exceeded as failure."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import (
    DONE,
    condition,
    count,
    explain,
    failed,
    progressing,
    unless_observed,
    unless_replicas_as_wanted,
)
from orchestrator.kinds._workload import SCALABLE, replicas_of


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `deploymentConditions`, with kapp's `apps_v1_deployment.go` on failures."""
    spec = replicas_of(live)
    if (early := unless_observed(live, wanted)) or (early := unless_replicas_as_wanted(live, wanted, spec)):
        return early
    if dig(live, "spec", "paused"):
        return progressing(live, "paused", "the rollout is paused", "spec.paused")
    return _from_failure(live) or _from_counts(live, spec) or _from_conditions(live) or DONE


def _from_failure(live: JsonObject) -> Assessment | None:
    entry = condition(live, "Progressing")
    if entry.get("status") == "False":
        exceeded = entry.get("reason") == "ProgressDeadlineExceeded"
        return failed(live, "progress-deadline-exceeded" if exceeded else "not-progressing", explain(entry))
    return None


def _from_counts(live: JsonObject, spec: int) -> Assessment | None:
    replicas, updated, available, ready = (
        count(live, "status", field) for field in ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
    )
    rules = (
        (replicas < spec, f"{replicas} of {spec} replicas exist", "status.replicas"),
        (updated < spec, f"{updated} of {spec} replicas are of the new template", "status.updatedReplicas"),
        (replicas > spec, f"{replicas - spec} old replicas are still there", "status.replicas"),
        (available < updated, f"{available} of {updated} updated replicas are available", "status.availableReplicas"),
        (ready < spec, f"{ready} of {spec} replicas are ready", "status.readyReplicas"),
    )
    for holds, words, field in rules:
        if holds:
            failure = condition(live, "ReplicaFailure")
            if failure.get("status") == "True":
                return progressing(live, "replica-failure", f"{words}: {explain(failure)}", field)
            return progressing(live, "rolling-out", words, field)
    return None


def _from_conditions(live: JsonObject) -> Assessment | None:
    failure, rollout, available = (condition(live, type_) for type_ in ("ReplicaFailure", "Progressing", "Available"))
    if failure.get("status") == "True":
        return progressing(live, "replica-failure", explain(failure))
    # Without a progress deadline (its largest value means none) the controller keeps no Progressing condition.
    has_deadline = dig(live, "spec", "progressDeadlineSeconds", default=600) != 2**31 - 1
    if has_deadline and rollout.get("reason") != "NewReplicaSetAvailable":
        return progressing(live, "rolling-out", f"the rollout is not complete: {explain(rollout)}")
    if available.get("status") != "True":
        return progressing(live, "not-available", f"not available: {explain(available)}")
    return None


PLUGIN = Kind(
    resource=Resource("apps", "v1", "deployments", "Deployment"),
    assess=assess,
    basis=Basis(
        "At its own generation, all replicas are updated, available and ready, none older is left; it says Available.",
        (
            "metadata.generation",
            "status.observedGeneration",
            "spec.replicas",
            "status.replicas",
            "status.updatedReplicas",
            "status.availableReplicas",
            "status.readyReplicas",
            "status.conditions[Progressing]",
            "status.conditions[Available]",
        ),
    ),
    workload=SCALABLE,
)
