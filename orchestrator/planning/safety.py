"""The fleet's safety rules: one function each, found by name. A rule refuses a whole plan, and can be overridden by
naming it with a reason. Rules protect against mistakes in rollouts; an order's takedown does not ask them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from orchestrator.core.fleet import SafetyRule
from orchestrator.core.plan import WavePlan
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanRequest
from orchestrator.errors import UsageError

Rule = Callable[[SafetyRule, str, tuple[WavePlan, ...], Mapping[str, ClusterSnapshot]], str | None]


def judge_safety(
    request: PlanRequest, waves: tuple[WavePlan, ...], snapshots: Mapping[str, ClusterSnapshot]
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """What the fleet's rules refuse, and what they would refuse but for an override by name.

    Raises UsageError for a rule that is not known, in the fleet or in an override.
    """
    for name in (*(rule.rule for rule in request.fleet.safety), *request.options.overridden_rules):
        _check_known(name)
    refused: list[Reason] = []
    overridden: list[Reason] = []
    models = dict.fromkeys(model for wave in waves for model in wave.models)
    for rule in request.fleet.safety:
        for model in rule.models or models:
            sentence = RULES[rule.rule](rule, model, waves, snapshots) if model in models else None
            excuse = request.options.overridden_rules.get(rule.rule)
            if sentence and excuse:
                overridden.append(Reason(code=rule.rule, message=f"{sentence}; overridden: {excuse}"))
            elif sentence:
                refused.append(Reason(code=rule.rule, message=f"{rule.rule}: {sentence}"))
    return tuple(refused), tuple(overridden)


def min_enabled_clusters(
    rule: SafetyRule, model: str, waves: tuple[WavePlan, ...], snapshots: Mapping[str, ClusterSnapshot]
) -> str | None:
    """At least so many clusters keep the model enabled. One that does not answer is not counted.

    Only a plan that disables the model somewhere can be refused: enabling never makes it worse.
    """
    wants = _wants(model, waves)
    if Want.DISABLED not in wants.values():
        return None
    after = {
        name: wants.get(name, snapshot.entries[model].want if model in snapshot.entries else None)
        for name, snapshot in snapshots.items()
        if not snapshot.failure
    }
    left = sum(want is Want.ENABLED for want in after.values())
    return (
        f"{model} would be enabled in {left} clusters, at least {rule.value} are required"
        if left < rule.value
        else None
    )


def max_disabled_clusters(
    rule: SafetyRule, model: str, waves: tuple[WavePlan, ...], snapshots: Mapping[str, ClusterSnapshot]
) -> str | None:
    """One plan switches the model off in at most so many clusters where it is enabled now."""
    disabled = [
        name
        for name, want in _wants(model, waves).items()
        if want is Want.DISABLED
        and model in (entries := snapshots[name].entries)
        and entries[model].want is Want.ENABLED
    ]
    count = len(disabled)
    return (
        f"{model} would be switched off in {count} clusters, at most {rule.value} at once"
        if count > rule.value
        else None
    )


RULES: Mapping[str, Rule] = {
    "minEnabledClusters": min_enabled_clusters,
    "maxDisabledClusters": max_disabled_clusters,
}


def _wants(model: str, waves: tuple[WavePlan, ...]) -> dict[str, Want]:
    return {
        item.subject.cluster: item.want
        for wave in waves
        for part in wave.clusters
        for item in part.items
        if item.subject.model.name == model
    }


def _check_known(name: str) -> None:
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known rules: {', '.join(RULES)}"
        raise UsageError(f"there is no safety rule {name}", hint=hint)
