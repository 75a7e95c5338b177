"""What a model's way of deployment contributes to its item: applied manifests, adopted workloads, or a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.objects import ObjectRef
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change
from orchestrator.core.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Writes, expectations, and what stands in the way."""

    changes: tuple[Change, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    replicas: Mapping[ObjectRef, int] = field(default_factory=dict)
    """What is recorded in the catalogue: wanted, or seen running just before the stop."""
    objects: frozenset[ObjectRef] = frozenset()
    """What the catalogue names: everything of the model that is, or will be, in the cluster."""
    notes: tuple[Reason, ...] = ()
    refusals: tuple[Reason, ...] = ()
    doubts: tuple[Reason, ...] = ()
    """Why nothing can be called verified, whatever is seen; the rest is written all the same."""
    blind: tuple[Reason, ...] = ()
    """What could not be read and had to be: with any, nothing is written, and verification says why."""
