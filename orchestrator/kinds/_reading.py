"""How the rules read status, and how they say what they found."""

from __future__ import annotations

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import JsonObject, dig, find_condition, ref_of
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness, Reason

DONE = Assessment(Readiness.DONE)


def progressing(live: JsonObject, code: str, message: str, field: str | None = None) -> Assessment:
    """Not yet what is wanted."""
    return _assessment(Readiness.PROGRESSING, live, code, message, field)


def failed(live: JsonObject, code: str, message: str, field: str | None = None) -> Assessment:
    """Cannot become what is wanted without a change."""
    return _assessment(Readiness.FAILED, live, code, message, field)


def unknown(live: JsonObject, code: str, message: str, field: str | None = None) -> Assessment:
    """Not understood: never counts as done."""
    return _assessment(Readiness.UNKNOWN, live, code, message, field)


def _assessment(readiness: Readiness, live: JsonObject, code: str, message: str, field: str | None) -> Assessment:
    reason = Reason(code=code, message=printable(message), object=printable(ref_of(live)), field=field)
    return Assessment(readiness, (reason,))


def count(live: JsonObject, *path: str, default: int = 0) -> int:
    """A whole number of an object; raises ValueError when something else stands there."""
    value = dig(live, *path, default=default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{'.'.join(path)} is no whole number")
    return value


def condition(live: JsonObject, type_: str) -> JsonObject:
    """A condition of the status by type; empty when there is none."""
    return find_condition(dig(live, "status", "conditions", default=[]), type_)


def explain(entry: JsonObject) -> str:
    """What a condition says, for people: `reason: message`."""
    return ": ".join(str(part) for part in (entry.get("reason"), entry.get("message")) if part) or "no reason given"


def unless_observed(live: JsonObject, wanted: Wanted) -> Assessment | None:
    """Why the status must not be read yet: it belongs to an older generation. None when it may be read.

    Source: https://github.com/argoproj/argo-cd/issues/29410, where a stale Healthy let production roll first.
    """
    generation = count(live, "metadata", "generation")
    if wanted.generation is not None and generation < wanted.generation:
        return progressing(live, "stale", f"generation {generation} is older than our write {wanted.generation}")
    observed = count(live, "status", "observedGeneration")
    if observed < generation:
        words = f"status is of generation {observed}, the object of generation {generation}"
        return progressing(live, "stale", words, "status.observedGeneration")
    return None


def unless_replicas_as_wanted(live: JsonObject, wanted: Wanted, spec: int) -> Assessment | None:
    """Why the number itself is not the wanted one; None when it is, or when somebody else owns it."""
    if wanted.replicas is None or wanted.replicas == spec:
        return None
    words = f"{spec} replicas are asked for instead of {wanted.replicas}: somebody else changed it"
    return progressing(live, "replicas-differ", words, "spec.replicas")


def assess_stopped(live: JsonObject, wanted: Wanted) -> Assessment:
    """Whether a controller with `spec.replicas` says that it runs nothing.

    `status.replicas` leaves out pods that are terminating (KEP-3973), which is why pods are looked at elsewhere.
    """
    spec = count(live, "spec", "replicas", default=1)
    if spec != 0:
        return progressing(live, "not-scaled", f"{spec} replicas are still asked for", "spec.replicas")
    if stale := unless_observed(live, wanted):
        return stale
    for field, code in (("replicas", "replicas-left"), ("terminatingReplicas", "terminating-left")):
        if (left := count(live, "status", field)) > 0:
            return progressing(live, code, f"status.{field} is {left}", f"status.{field}")
    return DONE
