"""HorizontalPodAutoscaler: owns replicas, and can bring back a workload that it idled itself."""

from __future__ import annotations

import json

from orchestrator.core.kind import Basis, Kind, Pause, ScalerRules, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, find_condition, ref_of
from orchestrator.core.verdict import Assessment, Reason
from orchestrator.kinds._reading import DONE, condition, count, explain, progressing, unless_observed


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Able to scale its target. Metrics that are missing for a while leave the replicas as they are."""
    if wanted.generation is not None and count(live, "metadata", "generation") < wanted.generation:
        return progressing(live, "stale", "the object is older than our write")
    # Servers before 1.37 keep no generation of an autoscaler; there a status may be up to 15 s old.
    observed = dig(live, "status", "observedGeneration")
    if observed is not None and (stale := unless_observed(live, wanted)):
        return stale
    able, active = _condition(live, "AbleToScale"), _condition(live, "ScalingActive")
    if able.get("status") != "True":
        return progressing(live, "cannot-scale", f"cannot scale its target: {explain(able)}")
    if active.get("status") == "False" and active.get("reason") == "ScalingDisabled":
        return progressing(live, "scaling-disabled", explain(active))
    return DONE


def targets(live: JsonObject) -> tuple[ObjectRef, ...]:
    """Its scaleTargetRef, in its own namespace."""
    target = dig(live, "spec", "scaleTargetRef", default={})
    name, kind = target.get("name"), target.get("kind")
    if not name or not kind:
        return ()
    return (ObjectRef(str(target.get("apiVersion") or ""), str(kind), ref_of(live).namespace, str(name)),)


def can_wake(live: JsonObject) -> Reason | None:
    """Source: KEP-2021 and `horizontal.go` of 1.37: a target idled by the autoscaler itself wakes on a metric.

    With `minReplicas` above 0 a zero set by hand stops it. With 0 it depends on the server's version; proof that it
    stops is its own `ScalingDisabled`, or that it has kept the ScaledToZero condition (false) at all.
    """
    idled, active = _condition(live, "ScaledToZero"), _condition(live, "ScalingActive")
    name = str(ref_of(live))
    if idled.get("status") == "True":
        words = "it scaled the workload to zero itself and wakes it on the next metric"
        return Reason(code="can-wake", message=words, object=name)
    if count(live, "spec", "minReplicas", default=1) > 0 or idled.get("status") == "False":
        return None
    if active.get("status") == "False" and active.get("reason") == "ScalingDisabled":
        return None
    words = "its minReplicas is 0 and it has not said that it leaves a zero set by hand alone"
    return Reason(code="scaler-unsettled", message=words, object=name, field="spec.minReplicas")


def _condition(live: JsonObject, type_: str) -> JsonObject:
    """Its condition; `autoscaling/v1` keeps them as JSON in an annotation."""
    noted = dig(live, "metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions")
    if live.get("apiVersion") == "autoscaling/v1" and noted:
        return find_condition(json.loads(noted), type_)
    return condition(live, type_)


PLUGIN = Kind(
    resource=Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    assess=assess,
    basis=Basis(
        "It can scale its target, and scaling is not disabled.",
        ("status.conditions[AbleToScale]", "status.conditions[ScalingActive]"),
    ),
    scaler=ScalerRules(targets, can_wake),
    # A zero that it set itself it takes back on a metric, whatever its spec says.
    pause=lambda live: Pause(deletes=True),
)
