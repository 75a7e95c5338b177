"""What it takes to go on with a run besides what it was asked, and what is made of that again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.plan import Plan
from orchestrator.core.schema import Seconds
from orchestrator.delivery import Timeouts
from orchestrator.workflow.applying import RunRequest
from orchestrator.workflow.asked import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingOn:
    """How a run is continued."""

    request: RunRequest
    announce: Callable[[Plan], None]
    """Says what is about to happen."""
    confirm: Callable[[Iterable[str]], None]
    """Returns only when these models are confirmed: those that the run had not confirmed already."""


def kubeconfig_of(asked: Asked) -> Path | None:
    """The kubeconfig that was given; None where none was."""
    return Path(asked.kubeconfig) if asked.kubeconfig else None


def timeouts_of(asked: Asked) -> Timeouts:
    """How long each cluster was to be waited for. Raises ValueError for what is no duration."""
    return Timeouts(connect=Seconds.parse(asked.connect_timeout), request=Seconds.parse(asked.request_timeout))
