"""KEDA's ScaledObject: scales a zero set by hand up again by design, unless it is paused."""

from __future__ import annotations

from orchestrator.core.kind import Kind, ScalerRules, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.verdict import Assessment, Reason
from orchestrator.kinds._reading import DONE, condition, explain, progressing

_PREFIX = "autoscaling.keda.sh/"


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Its Ready condition; while it is paused it scales nothing."""
    ready = condition(live, "Ready")
    if ready.get("status") != "True":
        return progressing(live, "not-ready", f"not ready: {explain(ready)}")
    if condition(live, "Paused").get("status") == "True":
        return progressing(live, "paused", "it is paused")
    return DONE


def targets(live: JsonObject) -> tuple[ObjectRef, ...]:
    """Its scaleTargetRef; KEDA's default is a Deployment."""
    target = dig(live, "spec", "scaleTargetRef", default={})
    if not target.get("name"):
        return ()
    version, kind = target.get("apiVersion") or "apps/v1", target.get("kind") or "Deployment"
    return (ObjectRef(str(version), str(kind), ref_of(live).namespace, str(target["name"])),)


def can_wake(live: JsonObject) -> Reason | None:
    """Source: KEDA 2.21, scaling-deployments: only a pause that is in effect, at zero or frozen, keeps it down."""
    notes = dig(live, "metadata", "annotations", default={})
    asked = notes.get(f"{_PREFIX}paused-replicas") == "0" or (
        notes.get(f"{_PREFIX}paused") == "true" and f"{_PREFIX}paused-replicas" not in notes
    )
    forced = notes.get(f"{_PREFIX}force-activation") == "true"
    if asked and not forced and condition(live, "Paused").get("status") == "True":
        return None
    return Reason(code="can-wake", message="it is not paused, and scales from zero by design", object=str(ref_of(live)))


PLUGIN = Kind(
    resource=Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
    assess=assess,
    scaler=ScalerRules(targets, can_wake),
)
