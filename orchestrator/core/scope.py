"""Which clusters: the words of a document or of the command line, before they are resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.schema import DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which clusters. Fields narrow each other; `except` always wins; an empty result is an error."""

    __pydantic_config__ = DOCUMENT

    regions: tuple[str, ...] = ()
    """Regions, by the names that the fleet uses."""
    clusters: tuple[str, ...] = ()
    """Clusters, by name."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels that the fleet gives the cluster; all must match."""
    in_: tuple[str, ...] = ()
    """Countries (ISO 3166-1 alpha-2) or country groups in which the cluster stands."""
    serves: tuple[str, ...] = ()
    """Countries or country groups whose audience the cluster serves."""
    all: bool = False
    """Every cluster of the fleet."""
    except_: Scope | None = None
    """Clusters left out, whatever the other fields say."""


@dataclass(frozen=True, slots=True)
class ResolvedScope:
    """A scope against one fleet: which clusters, and the words that led there."""

    clusters: tuple[str, ...]
    words: tuple[str, ...]
    """Sentences such as `in EU: IE, DE (jurisdictions as of 2026-11-01)`, shown by every plan."""
    undeclared: tuple[str, ...] = ()
    """Clusters whose geography is undeclared or contradicted, and which are in or out for safety's sake."""
