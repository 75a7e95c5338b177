"""A document as plain JSON values, together with the line of every key and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: its line, and the places inside it. Lines count from 1."""

    line: int
    fields: Mapping[str, tuple[int, Place]] = field(default_factory=dict)
    """For a mapping: by key, the key's line and the value's place."""
    items: Sequence[Place] = ()
    """For a list: the places of its items."""


@dataclass(frozen=True, slots=True)
class Source:
    """One YAML document."""

    file: str
    """The file as people know it: relative to the workspace where it lies in one."""
    value: Any
    """JSON values only."""
    place: Place

    def line(self, *path: str | int) -> int:
        """The line of the key or item at this path, or of the nearest thing around it that is there."""
        line, place = self.place.line, self.place
        for step in path:
            if isinstance(step, str) and step in place.fields:
                line, place = place.fields[step]
            elif isinstance(step, int) and 0 <= step < len(place.items):
                place = place.items[step]
                line = place.line
            else:
                break
        return line

    def error(self, message: str, *path: str | int, hint: str | None = None) -> DocumentError:
        """An error at the line of this path."""
        return DocumentError(message, file=self.file, line=self.line(*path), hint=hint)
