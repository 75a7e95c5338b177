"""A playbook against a fleet: where each step acts, and that no two steps set the same model in the same cluster."""

from __future__ import annotations

from typing import Literal, Protocol

from orchestrator.core.fleet import Fleet
from orchestrator.core.playbook import Playbook, Step, Target
from orchestrator.core.scope import ResolvedScope, Scope
from orchestrator.documents.envelope import Document
from orchestrator.documents.problems import Path
from orchestrator.errors import DocumentError, UsageError


class ScopeResolver(Protocol):
    """Resolves scopes; geography is another room's."""

    def __call__(self, scope: Scope, fleet: Fleet, *, purpose: Literal["enable", "disable"]) -> ResolvedScope:
        """The clusters of a scope; raises UsageError."""
        ...


def place_steps(playbook: Document[Playbook], fleet: Fleet, resolve: ScopeResolver) -> tuple[ResolvedScope, ...]:
    """The clusters of each step, in the order of the steps.

    Raises DocumentError at the step whose scope makes no sense for this fleet, or which sets what an earlier step sets
    (every step sets all models of the playbook).
    """
    placed: list[ResolvedScope] = []
    setting: dict[str, tuple[Step, int]] = {}
    for index, step in enumerate(playbook.value.steps):
        purpose, target = purpose_of(step)
        path: Path = ("spec", "steps", index, purpose, "scope")
        line = playbook.source.line("spec", "steps", index)
        try:
            resolved = resolve(target.scope, fleet, purpose=purpose)
        except UsageError as error:
            raise playbook.source.error(f"step {step.name}: {error.message}", *path, hint=error.hint) from error
        for cluster in resolved.clusters:
            if cluster in setting:
                raise _doubly_set(playbook, step, path, cluster, setting[cluster], resolved)
            setting[cluster] = (step, line)
        placed.append(resolved)
    return tuple(placed)


def purpose_of(step: Step) -> tuple[Literal["enable", "disable"], Target]:
    """What a checked step does, and where."""
    if step.enable is not None:
        return "enable", step.enable
    if step.disable is not None:
        return "disable", step.disable
    raise ValueError(f"step {step.name} neither enables nor disables")


def _doubly_set(
    playbook: Document[Playbook], step: Step, path: Path, cluster: str, earlier: tuple[Step, int], scope: ResolvedScope
) -> DocumentError:
    first, line = earlier
    message = f"step {step.name}: {cluster} is set already by step {first.name}, in line {line}"
    doubt = next(
        (words for words in scope.words if words.startswith(f"{cluster} ") and cluster in scope.undeclared), ""
    )
    return playbook.source.error(message, *path, hint=doubt or "leave it out by `except`")
