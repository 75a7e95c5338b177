"""What a drill found: which steps of a takedown would work, cluster by cluster, and how long each server took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.core.result import Outcome
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillStep:
    """One write or permission that a takedown needs, tried as a server-side dry run or asked as an access review."""

    __pydantic_config__ = DOCUMENT

    cluster: str
    model: str
    step: Literal["reach", "hold", "record", "guard", "cut", "stop", "search", "drain"]
    works: bool
    seconds: float
    reason: Reason | None = None
    """Why it would not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """Printed by `drill`."""

    __pydantic_config__ = DOCUMENT

    order: str
    rehearsal: bool
    outcome: Outcome
    exit_code: int
    seconds: float
    words: tuple[str, ...]
    """How the order's scope was resolved."""
    collateral: tuple[Reason, ...] = ()
    """What else would be hit, or stay open."""
    steps: tuple[DrillStep, ...]
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["DrillReport"] = "DrillReport"
