"""Who could bring a model back that was switched off: autoscalers, GitOps tools, owners that we do not know.

They are named, never touched. A `disable` without a hold is not verified while one of them may act.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import plugins
from orchestrator.core.kind import Reverter
from orchestrator.core.objects import JsonObject, ObjectRef, controller_of, ref_of
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness, Reason
from orchestrator.verification.findings import READING_ERRORS, finding, unreadable

_HINT = "keep it off with `disable --hold`"


def findings_on_waking(subject: Subject, observation: Observation) -> Iterator[Assessment]:
    """Everybody who could bring back one of the model's live workloads."""
    workloads = {
        one.ref: live
        for one in subject.expectations
        if _is_workload(one) and (live := observation.objects.get(one.ref)) is not None
    }
    for scaler in observation.scalers:
        try:
            yield from list(_on_scaler(scaler, workloads))
        except READING_ERRORS as error:
            yield unreadable(ref_of(scaler), error)
    for ref, live in workloads.items():
        for reverter in reverters_of(live):
            if _acts(reverter, observation):
                words = f"{reverter.tool} ({reverter.owner}) puts it back by itself; {_HINT}"
                yield finding(Readiness.UNKNOWN, "can-wake", words, object_=ref)
        if (owner := controller_of(live)) is not None and owner.group_kind not in plugins.kinds():
            words = f"its owner {printable(owner)} may start it again; {_HINT}"
            yield finding(Readiness.UNKNOWN, "can-wake", words, object_=ref)


def reverters_of(live: JsonObject) -> tuple[Reverter, ...]:
    """Tools that put this object back to what they hold, by the marks that they leave on it."""
    found = (kind.reverter(live) for kind in plugins.kinds().values() if kind.reverter is not None)
    return tuple(reverter for reverter in found if reverter is not None)


def _is_workload(expectation: Expectation) -> bool:
    kind = plugins.kinds().get(expectation.ref.group_kind)
    return kind is not None and kind.workload is not None


def _on_scaler(scaler: JsonObject, workloads: dict[ObjectRef, JsonObject]) -> Iterator[Assessment]:
    kind = plugins.kinds().get(ref_of(scaler).group_kind)
    if kind is None or kind.scaler is None:
        return
    named = {(one.group_kind, one.namespace, one.name) for one in kind.scaler.targets(scaler)}
    for ref in workloads:
        if (ref.group_kind, ref.namespace, ref.name) in named and (reason := kind.scaler.can_wake(scaler)):
            words = printable(f"{reason.message}; {_HINT}")
            told = Reason(code=reason.code, message=words, object=reason.object, field=reason.field)
            yield Assessment(Readiness.UNKNOWN, (told,))


def _acts(reverter: Reverter, observation: Observation) -> bool:
    """Whether it would act on its own; one that cannot be looked at (it may live in a hub) is believed to."""
    if not reverter.continuous:
        return False
    owner = observation.reverters.get(reverter.ref) if reverter.ref is not None else None
    kind = plugins.kinds().get(reverter.ref.group_kind) if reverter.ref is not None else None
    if owner is None or kind is None or kind.is_paused is None:
        return True
    return not kind.is_paused(owner)
