"""The fleet's safety rules: one function each, found by name.

A rule refuses a whole plan, and is overridden only by naming it with a reason. Rules guard against switching off too
much by mistake: only a plan that disables can be refused, and an order's takedown does not ask them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator import plugins
from orchestrator.core.fleet import SafetyRule
from orchestrator.core.objects import dig
from orchestrator.core.plan import WavePlan
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanRequest
from orchestrator.errors import UsageError
from orchestrator.planning.scaling import replicas_of
from orchestrator.planning.subjects import refs_of


@dataclass(frozen=True, slots=True)
class Situation:
    """One model across the fleet: where it is on now, and where the plan wants what. Silent clusters count as off."""

    model: str
    wants: Mapping[str, Want]
    """By cluster of the plan that answered."""
    snapshots: Mapping[str, ClusterSnapshot]

    @property
    def on_now(self) -> frozenset[str]:
        """Clusters in which the model is recorded as enabled, is not held, and has a workload with replicas."""
        return frozenset(name for name, snapshot in self.snapshots.items() if _is_on(self.model, snapshot))

    @property
    def switched_off(self) -> frozenset[str]:
        """Clusters in which the plan switches it from on to off."""
        return frozenset(name for name in self.on_now if self.wants.get(name) is Want.DISABLED)

    @property
    def on_after(self) -> frozenset[str]:
        """Clusters in which it is on when all went well."""
        enabled = {name for name, want in self.wants.items() if want is Want.ENABLED}
        return (self.on_now - self.switched_off) | enabled


Rule = Callable[[int, Situation], str | None]
"""Limit and situation → why the plan is refused, in one sentence; None where it is not."""


def min_enabled_clusters(limit: int, situation: Situation) -> str | None:
    """At least so many clusters keep the model on."""
    left = len(situation.on_after)
    if not situation.switched_off or left >= limit:
        return None
    return f"{situation.model} would be left on in {left} clusters, at least {limit} are required"


def max_disabled_clusters(limit: int, situation: Situation) -> str | None:
    """One plan switches the model off in at most so many clusters."""
    count = len(situation.switched_off)
    return (
        f"{situation.model} would be switched off in {count} clusters, at most {limit} at once"
        if count > limit
        else None
    )


def min_ready_replicas(limit: int, situation: Situation) -> str | None:
    """At least so many ready replicas stay in the clusters that the plan does not switch off."""
    if not situation.switched_off:
        return None
    staying = situation.on_now - situation.switched_off
    ready = sum(_ready(situation.model, situation.snapshots[name]) for name in staying)
    if ready >= limit:
        return None
    return f"{situation.model} would be left with {ready} ready replicas, at least {limit} are required"


RULES: Final[Mapping[str, Rule]] = {
    "minEnabledClusters": min_enabled_clusters,
    "maxDisabledClusters": max_disabled_clusters,
    "minReadyReplicas": min_ready_replicas,
}


def judge_safety(
    request: PlanRequest, waves: tuple[WavePlan, ...], snapshots: Mapping[str, ClusterSnapshot]
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """What the fleet's rules refuse, and what they would refuse but for an override by name.

    Raises UsageError for a rule that is not known, in the fleet or in an override.
    """
    _check_known(request)
    refused: list[Reason] = []
    overridden: list[Reason] = []
    for rule in request.fleet.safety:
        excuse = request.options.overridden_rules.get(rule.rule)
        for model in _watched_by(rule, request):
            sentence = RULES[rule.rule](rule.value, Situation(model, _wants(model, waves), snapshots))
            if sentence and excuse:
                overridden.append(Reason(code=rule.rule, message=f"{rule.rule}: {sentence}; overridden: {excuse}"))
            elif sentence:
                refused.append(Reason(code=rule.rule, message=f"{rule.rule}: {sentence}"))
    return tuple(refused), tuple(overridden)


def watched_models(request: PlanRequest) -> tuple[str, ...]:
    """Models that the plan disables somewhere and that a rule watches: to be counted in every cluster of the fleet."""
    _check_known(request)
    return tuple(dict.fromkeys(model for rule in request.fleet.safety for model in _watched_by(rule, request)))


def _watched_by(rule: SafetyRule, request: PlanRequest) -> tuple[str, ...]:
    disabled = dict.fromkeys(
        wish.model.name for wave in request.waves for wish in wave.wishes if wish.want is Want.DISABLED
    )
    return tuple(model for model in disabled if not rule.models or model in rule.models)


def _wants(model: str, waves: tuple[WavePlan, ...]) -> dict[str, Want]:
    """A held item stays off, whatever it is asked to be."""
    return {
        item.subject.cluster: Want.DISABLED if item.held_by else item.want
        for wave in waves
        for part in wave.clusters
        for item in part.items
        if item.subject.model.name == model
    }


def _is_on(model: str, snapshot: ClusterSnapshot) -> bool:
    entry = snapshot.entries.get(model)
    if entry is None or entry.want is not Want.ENABLED or snapshot.held_by(model):
        return False
    workloads = [ref for ref in refs_of(entry) if ref.group_kind in plugins.switched()]
    return any(ref in snapshot.live and replicas_of(snapshot.live[ref]) > 0 for ref in workloads)


def _ready(model: str, snapshot: ClusterSnapshot) -> int:
    workloads = [ref for ref in refs_of(snapshot.entries[model]) if ref.group_kind in plugins.switched()]
    return sum(int(dig(snapshot.live.get(ref), "status", "readyReplicas", default=0)) for ref in workloads)


def _check_known(request: PlanRequest) -> None:
    for name in (*(rule.rule for rule in request.fleet.safety), *request.options.overridden_rules):
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known rules: {', '.join(RULES)}"
            raise UsageError(f"there is no safety rule {name}", hint=hint)
