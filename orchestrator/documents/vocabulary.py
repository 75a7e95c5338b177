"""The words that documents may use and this room does not own: countries, checks, safety rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.scope import Jurisdictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What is known besides the fields themselves; a word that is not in here is an error in a document."""

    jurisdictions: Jurisdictions
    """Countries and country groups."""
    checks: Mapping[str, type[Any]] = field(default_factory=dict)
    """Parameter class of each check, by the check's name."""
    safety_rules: Collection[str] = ()
    """Names of the fleet's possible safety rules."""
