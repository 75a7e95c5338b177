"""What goes into a cluster's pipeline and what comes out: plain, serialisable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.objects import ObjectRef
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.result import ResultItem


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTerms:
    """What a step demands of every cluster in it."""

    step: str
    soak_key: str
    """`playbook/step`: under which a cluster's catalogue entry records that the step was passed."""
    progress_deadline: float
    """Seconds that a cluster has to become healthy, or dark, once everything was sent."""
    send_deadline: float
    """Seconds within which everything has to be sent to a cluster."""
    soak: float = 0.0
    """Seconds for which it then has to hold."""
    checks: tuple[Mapping[str, Any], ...] = ()
    """Checks that follow, each a mapping of one check's name to its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One write of this run that took effect, or may have: what a rollback needs to know of it."""

    verb: Verb
    ref: ObjectRef
    uid: str | None = None
    """uid of the object written; None where the answer was lost."""
    generation: int | None = None
    """metadata.generation that the API server answered; None for `/scale` and deletions, whose answers have none."""
    replicas_before: int | None = None
    """spec.replicas just before a SCALE."""
    replicas: int | None = None
    """spec.replicas that a SCALE wrote."""
    created: bool = False
    """Whether the object exists only since this write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One model in one cluster: what was planned, what was done, what came of it."""

    item: ItemPlan
    result: ResultItem
    written: tuple[Written, ...] = ()
    entry_written: bool = False
    """Whether the cluster's catalogue entry was written."""
    restored: frozenset[str] = frozenset()
    """Objects that a rollback which was cut off had begun to write back, as printed."""

    @property
    def can_roll_back(self) -> bool:
        """Whether anything was written that a rollback could undo."""
        return bool(self.written) or self.entry_written


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterResult:
    """A cluster's part of one wave, as its pipeline left it."""

    cluster: str
    items: tuple[ItemResult, ...]
