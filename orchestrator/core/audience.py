"""Who is told of a run besides the person at the terminal: the values that they are told, and what they answer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestrator.core.events import Event
from orchestrator.core.result import RunResult, StatusDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a run sets out to do, in words that may leave the house."""

    run: str
    action: str
    at: datetime
    fleet: str
    models: tuple[str, ...]
    clusters: tuple[str, ...]
    """Clusters that it concerns, those out of reach included."""
    rehearsal: bool
    is_due: bool
    """Whether anything is to be changed; else the run only looks."""
    words: Mapping[str, str] = field(default_factory=dict)
    """An order's public words, by their name in the document: the only ones of it that outsiders may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a command came to that changes nothing."""

    action: str
    """`status` or `verify`."""
    fleet: str
    document: StatusDocument
    is_of_order: bool = False
    """Whether it was asked if an order is kept."""


class Onlooker(Protocol):
    """Somebody who is told. Each call returns at once; what takes time is done in the background."""

    def begins(self, beginning: Beginning) -> None:
        """A run begins."""

    def sees(self, event: Event) -> None:
        """Something happened in it."""

    def ends(self, result: RunResult) -> None:
        """It came to this."""

    def looks(self, look: Look) -> None:
        """Somebody looked, and changed nothing."""

    def close(self, until: float) -> None:
        """Wait for what is under way, at most until this moment of `time.monotonic()`."""
