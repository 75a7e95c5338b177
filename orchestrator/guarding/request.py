"""What a guard is drawn from: plain values, the same in every cluster but for the workloads and routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.takedown import RouteCut
from orchestrator.errors import OrchestratorError


class GuardImpossible(OrchestratorError):
    """No guard can be drawn that an API server would carry and that misses nothing."""

    code = "guard-impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRequest:
    """One order and one of its models, in one cluster."""

    order: str
    """Name of the order."""
    digest: str
    """The order's digest."""
    model: str
    public: Mapping[str, str] = field(default_factory=dict)
    """The only words of the order that reach clusters: contact, substitute, notice, noticeUrl."""
    match: Match = field(default_factory=Match)
    """How pods of the model are recognised: model's and order's, merged."""
    workloads: tuple[tuple[ObjectRef, JsonObject | None], ...] = ()
    """Workloads that are known to be the model's, adopted ones included, with the LabelSelector of their pods."""
    cuts: tuple[RouteCut, ...] = ()
    """Its routes, and how they are cut."""

    @property
    def short_digest(self) -> str:
        """What names and labels carry of the digest."""
        return self.digest[:16]

    @property
    def name(self) -> str:
        """Name of the policy and of its binding."""
        return f"orchestrator.guard.{self.short_digest}.{self.model}"

    @property
    def key(self) -> str:
        """What tells this guard from every other."""
        return f"{self.short_digest}/{self.model}"

    @property
    def marker(self) -> str:
        """Text that every refusal of this guard carries, and no other policy's."""
        return marker_of(self.key)


def marker_of(key: str) -> str:
    """The marker of the guard with this key."""
    return f"[orchestrator guard {key}]"
