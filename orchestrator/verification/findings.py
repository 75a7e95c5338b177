"""What the rules find, added up; and which findings waiting does not change."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Judgement, Readiness, Reason

DONE = Assessment(Readiness.DONE)

LASTING = frozenset(
    {
        "can-wake",
        "forbidden",
        "found-nowhere",
        "guard-absent",
        "mirror-pod",
        "more",
        "no-manifest",
        "no-observed-generation",
        "not-switchable",
        "nothing-runs",
        "nothing-to-adopt",
        "on-delete",
        "other-version",
        "partition",
        "pod-unclear",
        "scaled-to-zero",
        "shared",
        "stray",
        "unknown-kind",
        "unreadable",
        "unseen",
    }
)
"""Codes of what only somebody's decision changes: a wait ends when nothing else is left to wait for."""

PROBING = frozenset({"probe-not-asked", "probe-silent", "probe-lists", "probe-misses"})
"""Codes that only another look at an endpoint changes: endpoints send no events."""

READING_ERRORS = (TypeError, ValueError, KeyError, AttributeError)
"""What pure rules raise over objects of an unexpected shape; anything else is a defect and passes through."""

_ORDER = (Readiness.FAILED, Readiness.PROGRESSING, Readiness.UNKNOWN, Readiness.DONE)
_MOST_REASONS = 20


def finding(
    readiness: Readiness, code: str, message: str, *, object_: object = None, field: str | None = None
) -> Assessment:
    """An assessment with one reason; the text may be a cluster's."""
    name = None if object_ is None else printable(object_)
    return Assessment(readiness, (Reason(code=code, message=printable(message), object=name, field=field),))


def unreadable(ref: object, error: Exception) -> Assessment:
    """An object whose shape no rule understands: never healthy, never gone."""
    return finding(Readiness.UNKNOWN, "unreadable", f"it cannot be read: {error}", object_=ref)


def combined(findings: Iterable[Assessment]) -> Assessment:
    """The worst of the findings: failed, progressing, unknown, done, with their reasons in that order.

    Progressing comes before unknown because it is worth waiting for: what is unknown is still so afterwards. Among
    equals what may pass comes first, so that reasons which are too many to be told are lasting, unless all are not.
    """
    ordered = sorted(findings, key=lambda one: (_ORDER.index(one.readiness), _is_lasting(one.reasons)))
    if not ordered:
        return DONE
    reasons = list(dict.fromkeys(reason for one in ordered for reason in one.reasons))
    if len(reasons) > _MOST_REASONS:
        more = Reason(code="more", message=f"and {len(reasons) - _MOST_REASONS} more reasons")
        reasons = [*reasons[:_MOST_REASONS], more]
    return Assessment(ordered[0].readiness, tuple(reasons))


def is_lasting(judgement: Judgement) -> bool:
    """Whether everything that keeps it from being done stays so without somebody's decision."""
    return judgement.readiness is Readiness.UNKNOWN and _is_lasting(judgement.reasons)


def needs_probes_only(judgement: Judgement) -> bool:
    """Whether nothing but probes keeps it from being done."""
    return judgement.readiness is not Readiness.DONE and all(reason.code in PROBING for reason in judgement.reasons)


def _is_lasting(reasons: Iterable[Reason]) -> bool:
    return all(reason.code in LASTING for reason in reasons)
