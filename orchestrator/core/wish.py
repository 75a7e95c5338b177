"""What is wished for, before anybody looked at a cluster: documents and resolved scopes, joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Model, Override
from orchestrator.core.objects import JsonObject
from orchestrator.core.playbook import OnFailure, Strategy
from orchestrator.core.verdict import Want


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One model in one cluster, as the documents want it."""

    model: Model
    cluster: Cluster
    step: str
    want: Want
    playbook: str | None
    """The playbook that sets it; None for a single command."""
    manifests: tuple[JsonObject, ...]
    """Raw, from the workspace; empty for an adopted model."""
    overrides: tuple[Override, ...] = ()
    """Those whose scope holds this cluster, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishedWave:
    """One step: its wishes, and how it proceeds."""

    step: str
    want: Want
    words: tuple[str, ...]
    strategy: Strategy
    checks: tuple[dict[str, Any], ...] = ()
    soak: float = 0.0
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the caller permits beyond the defaults."""

    force_conflicts: bool = False
    prune: bool = False
    take_over: bool = False
    overridden_rules: Mapping[str, str] = field(default_factory=dict)
    """By name of a safety rule: the reason to override it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Everything that planning needs besides the snapshots."""

    action: str
    name: str
    fleet: Fleet
    waves: tuple[WishedWave, ...]
    on_failure: OnFailure = OnFailure.STOP
    options: PlanOptions = PlanOptions()
