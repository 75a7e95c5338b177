"""What must be right of a playbook besides the types of its fields, before any fleet is looked at."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.playbook import Playbook, Step, Strategy
from orchestrator.documents._parameter_rules import check_parameters
from orchestrator.documents._scope_rules import check_scope
from orchestrator.documents.names import DNS_LABEL, STEP, is_dns_label, is_step_name
from orchestrator.documents.problems import Path, Problems, shown
from orchestrator.documents.vocabulary import Vocabulary


def check_playbook(playbook: Playbook, problems: Problems, vocabulary: Vocabulary) -> None:
    """Models, and each step's name, target, strategy and checks."""
    _check_models(playbook.models, problems)
    if not playbook.steps:
        problems.add("steps: expected at least one step", ("spec", "steps"))
    seen: set[str] = set()
    for index, step in enumerate(playbook.steps):
        path: Path = ("spec", "steps", index)
        if step.name in seen:
            problems.add(f"there is already a step {shown(step.name)}", (*path, "name"))
        seen.add(step.name)
        _check_step(step, path, problems, vocabulary)


def _check_models(models: Iterable[str], problems: Problems) -> None:
    seen: set[str] = set()
    for index, model in enumerate(models):
        if not is_dns_label(model):
            problems.add(f"{shown(model)} cannot name a model", ("spec", "models", index), DNS_LABEL)
        if model in seen:
            problems.add(f"{model} is there already", ("spec", "models", index))
        seen.add(model)
    if not seen:
        problems.add("models: expected at least one model", ("spec", "models"))


def _check_step(step: Step, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    if not is_step_name(step.name):
        problems.add(f"{shown(step.name)} cannot name a step", (*path, "name"), STEP)
    for field, target in (("enable", step.enable), ("disable", step.disable)):
        if target is not None:
            check_scope(target.scope, (*path, field, "scope"), problems, vocabulary.jurisdictions)
    if (step.enable is None) == (step.disable is None):
        problems.add(f"step {step.name}: expected either enable or disable", path)
    _check_strategy(step.strategy, (*path, "strategy"), problems)
    for index, entry in enumerate(step.checks):
        inner: Path = (*path, "checks", index)
        if len(entry) != 1:
            problems.add(f"expected one check by its name, not {len(entry)}", inner)
        for name, parameters in entry.items():
            check_parameters(name, parameters, (*inner, name), problems, vocabulary)


def _check_strategy(strategy: Strategy, path: Path, problems: Problems) -> None:
    for field, value, least in (
        ("maxConcurrent", strategy.max_concurrent, 1),
        ("maxFailures", strategy.max_failures, 0),
        ("maxUnreachable", strategy.max_unreachable or 0, 0),
    ):
        if value < least:
            problems.add(f"{field}: expected {least} or more, not {value}", (*path, field))
    if strategy.progress_deadline <= 0:
        problems.add("progressDeadline: expected more than 0", (*path, "progressDeadline"))
