"""What `fleet check`, `fleet import` and `fleet prepare` print: the contract with pipelines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Reason, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCheck:
    """What one cluster answered."""

    __pydantic_config__ = DOCUMENT

    cluster: str
    context: str
    region: str
    country: str | None
    verdict: Verdict
    """`verified` when nothing stands in the way of any role that was asked about."""
    uid: str | None = None
    version: str | None = None
    actor: str | None = None
    """Who the API server says we are."""
    sandbox: bool = False
    milliseconds: int | None = None
    """Time of the first answer."""
    roles: dict[str, bool] = field(default_factory=dict)
    """By role: whether every permission of it is there."""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """Every cluster of the fleet, or every context that was imported."""

    __pydantic_config__ = DOCUMENT

    exit_code: int
    clusters: tuple[ClusterCheck, ...]
    not_covered: tuple[str, ...] = ()
    """Contexts of the kubeconfig that no cluster of the fleet uses."""
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["FleetReport"] = "FleetReport"
