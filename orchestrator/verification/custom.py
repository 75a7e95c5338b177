"""Kinds that no file in `kinds/` describes, judged by the model's own `health` rules."""

from __future__ import annotations

from orchestrator.core.kind import Wanted
from orchestrator.core.model import HealthRule
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness
from orchestrator.verification.findings import DONE, finding


def assess_custom(rule: HealthRule, live: JsonObject, wanted: Wanted) -> Assessment:
    """Whether the named condition holds at the object's own generation; an inert kind only has to be there.

    A kind that says nowhere which generation its status is about is never called healthy: such a status may be stale.
    Source: krane's rules for custom resources, which make observedGeneration mandatory.
    """
    if rule.inert:
        return DONE
    if rule.ready is None:
        return finding(Readiness.UNKNOWN, "unknown-kind", "its health rule names no condition", object_=ref_of(live))
    name, ref = printable(rule.ready.condition, 100), ref_of(live)
    entry = _condition(live, rule.ready.condition)
    if not entry:
        return finding(Readiness.PROGRESSING, "not-ready", f"no condition {name} yet", object_=ref)
    if (early := _unless_observed(name, entry, live, wanted)) is not None:
        return early
    if entry.get("status") != rule.ready.status:
        words = f"{name} is {entry.get('status')}, not {rule.ready.status}: {entry.get('message') or 'no message'}"
        return finding(Readiness.PROGRESSING, "not-ready", words, object_=ref)
    return DONE


def _unless_observed(name: str, entry: JsonObject, live: JsonObject, wanted: Wanted) -> Assessment | None:
    ref = ref_of(live)
    observed = entry.get("observedGeneration", dig(live, "status", "observedGeneration"))
    generation = max(_number(dig(live, "metadata", "generation", default=0)), wanted.generation or 0)
    if observed is None:
        words = f"nothing says which generation {name} is about"
        return finding(Readiness.UNKNOWN, "no-observed-generation", words, object_=ref)
    if _number(observed) < generation:
        words = f"{name} is of generation {observed}, the object of generation {generation}"
        return finding(Readiness.PROGRESSING, "stale", words, object_=ref)
    return None


def _condition(live: JsonObject, type_: str) -> JsonObject:
    for entry in dig(live, "status", "conditions", default=[]):
        if entry.get("type") == type_:
            return dict(entry)
    return {}


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a generation is no whole number")
    return value
