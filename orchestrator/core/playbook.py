"""The playbook: ordered steps that set states."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.core.schema import DOCUMENT, Seconds
from orchestrator.core.scope import Scope

DEFAULT_PROGRESS_DEADLINE = Seconds(600)
DEFAULT_DISABLE_SOAK = Seconds(3)


class OnFailure(StrEnum):
    """What happens when a wave fails. Only enabled items are ever rolled back."""

    STOP = "stop"
    ROLLBACK_WAVE = "rollback-wave"
    ROLLBACK_RUN = "rollback-run"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a state is set."""

    __pydantic_config__ = DOCUMENT

    scope: Scope
    """The clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a step proceeds, and when it gives up."""

    __pydantic_config__ = DOCUMENT

    max_concurrent: int = 10
    """Clusters worked on at once."""
    max_failures: int = 0
    """Failed clusters that are tolerated before the step fails."""
    max_unreachable: int | None = None
    """Unreachable clusters that are tolerated before the step fails; any number when absent."""
    progress_deadline: Seconds = DEFAULT_PROGRESS_DEADLINE
    """Time a cluster has to become healthy, or dark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: a state for the playbook's models in some clusters."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of the step, unique in the playbook."""
    enable: Target | None = None
    """Switch the models on there."""
    disable: Target | None = None
    """Switch the models off there."""
    strategy: Strategy = field(default_factory=Strategy)
    """How it proceeds."""
    checks: tuple[dict[str, Any], ...] = ()
    """Checks after the step, each a mapping of one check's name to its parameters."""
    soak: Seconds | None = None
    """Time that everything must hold before the next step; 3s after a disable when absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The versioned file that CI applies."""

    __pydantic_config__ = DOCUMENT

    name: str
    models: tuple[str, ...]
    """Models whose state the steps set."""
    steps: tuple[Step, ...]
    """Steps, in order."""
    on_failure: OnFailure = OnFailure.STOP
    """What happens when a step fails."""
