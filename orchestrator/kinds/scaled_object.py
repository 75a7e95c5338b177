"""KEDA's ScaledObject: scales a zero set by hand up again by design, unless it is paused."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Pause, ScalerRules, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.takedown import FieldCut
from orchestrator.core.verdict import Assessment, Reason
from orchestrator.kinds._reading import DONE, condition, count, explain, progressing, unknown, unless_observed

_PREFIX = "autoscaling.keda.sh/"


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Its Ready condition, where it can only be about the present spec; while it is paused it scales nothing.

    KEDA 2.21 says nowhere which generation its status is about (`ScaledObjectStatus` has no observedGeneration). A
    spec that was never changed has one generation, and a status cannot be older than that.
    """
    if stale := _unless_about_this_spec(live, wanted):
        return stale
    ready = condition(live, "Ready")
    if ready.get("status") != "True":
        return progressing(live, "not-ready", f"not ready: {explain(ready)}")
    if condition(live, "Paused").get("status") == "True" or _asks_for_pause(live):
        return progressing(live, "paused", "it is paused")
    return DONE


def _unless_about_this_spec(live: JsonObject, wanted: Wanted) -> Assessment | None:
    if dig(live, "status", "observedGeneration") is not None:
        return unless_observed(live, wanted)
    generation = count(live, "metadata", "generation")
    if wanted.generation is not None and generation < wanted.generation:
        return progressing(live, "stale", f"generation {generation} is older than our write {wanted.generation}")
    if generation == 1:
        return None
    words = (
        f"nothing says that its status is about generation {generation}; a health rule with `inert: true` "
        "goes by its content alone"
    )
    return unknown(live, "no-observed-generation", words)


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


def pause(live: JsonObject) -> Pause:
    """By `paused-replicas: "0"`, which scales to zero first; `paused` alone would freeze what runs.

    Source: KEDA 2.21, scaling-deployments. `force-activation` would wake it all the same.
    """
    wanted = {f"{_PREFIX}paused-replicas": "0"}
    notes = dig(live, "metadata", "annotations")
    if notes is None:
        return Pause(fields=(FieldCut(pointer="/metadata/annotations", after=wanted),))
    if notes.get(f"{_PREFIX}force-activation") == "true":
        wanted[f"{_PREFIX}force-activation"] = "false"
    return Pause(
        fields=tuple(
            FieldCut(pointer=f"/metadata/annotations/{key.replace('/', '~1')}", before=notes.get(key), after=value)
            for key, value in wanted.items()
            if notes.get(key) != value
        )
    )


def _asks_for_pause(live: JsonObject) -> bool:
    """Whether it is to be paused: annotations raise no generation, so the condition may not say so yet."""
    notes = dig(live, "metadata", "annotations", default={})
    return f"{_PREFIX}paused-replicas" in notes or str(notes.get(f"{_PREFIX}paused", "false")).lower() != "false"


PLUGIN = Kind(
    resource=Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
    assess=assess,
    basis=Basis(
        "It is Ready and not paused, in a status about its own generation.",
        ("metadata.generation", "status.conditions[Ready]", "status.conditions[Paused]"),
    ),
    scaler=ScalerRules(targets, can_wake),
    pause=pause,
)
