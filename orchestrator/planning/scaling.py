"""Who owns the number of replicas, and when ours is written.

Only ever through `/scale`. An autoscaler's number is its own: ours is what a workload starts with, or is woken with
from a zero that the autoscaler leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator import plugins
from orchestrator.core.kind import ScalerRules
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.plan import Change, FieldChange, Verb
from orchestrator.core.verdict import Reason


@dataclass(frozen=True, slots=True)
class Scalers:
    """The autoscalers that concern a model: those in the cluster, and those of its manifests."""

    live: tuple[JsonObject, ...] = ()
    planned: tuple[JsonObject, ...] = ()

    def own(self, ref: ObjectRef) -> bool:
        """Whether one of them writes the replicas of this workload."""
        return any(aims_at(scaler, ref) for scaler in (*self.live, *self.planned))

    def without(self, refs: Iterable[ObjectRef]) -> Scalers:
        """The same, but for those that are about to be deleted."""
        going = frozenset(refs)
        return Scalers(tuple(scaler for scaler in self.live if ref_of(scaler) not in going), self.planned)

    def wakers(self, ref: ObjectRef) -> tuple[Reason, ...]:
        """Why any of them could bring this workload back from zero."""
        found = (rules.can_wake(scaler) for scaler in self.live if aims_at(scaler, ref) and (rules := _rules(scaler)))
        return tuple(reason for reason in found if reason)


def aims_at(scaler: JsonObject, ref: ObjectRef) -> bool:
    """Whether a scaler's target is this workload; scalers name other versions of the same group at times."""
    rules = _rules(scaler)
    return rules is not None and any(
        (target.group_kind, target.namespace, target.name) == (ref.group_kind, ref.namespace, ref.name)
        for target in rules.targets(scaler)
    )


def replicas_of(workload: JsonObject) -> int:
    """spec.replicas with the API's default."""
    return int(dig(workload, "spec", "replicas", default=1))


def scale_up(ref: ObjectRef, live: JsonObject | None, now: int, wanted: int, scalers: Scalers) -> tuple[Change, ...]:
    """The write of `/scale` that leads from `now` replicas to the wanted ones; none when nothing is due.

    An object that is about to be created starts with the API's default of 1. A workload that its autoscaler idled
    (`can-wake`) is left to it: HPA and KEDA bring it back themselves, and a second apply must find nothing to do.
    """
    if live is not None and scalers.own(ref):
        idled = any(reason.code == "can-wake" for reason in scalers.wakers(ref))
        is_due = now == 0 and wanted > 0 and not idled
    else:
        is_due = now != wanted
    return (scale_change(ref, live, now, wanted),) if is_due else ()


def scale_change(ref: ObjectRef, live: JsonObject | None, now: int, wanted: int) -> Change:
    """A write of `/scale`, bound to the object that was looked at."""
    return Change(
        verb=Verb.SCALE,
        ref=ref,
        replicas=wanted,
        fields=(FieldChange("spec.replicas", now, wanted),),
        uid=dig(live, "metadata", "uid"),
    )


def scalers_among(objects: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """The autoscalers among some objects."""
    return tuple(obj for obj in objects if _rules(obj) is not None)


def _rules(scaler: JsonObject) -> ScalerRules | None:
    kind = plugins.kinds().get(ref_of(scaler).group_kind)
    return kind.scaler if kind else None
