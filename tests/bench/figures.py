"""What a measurement says: figures with their bars, as a table and as one JSON document that can be checked."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

JsonObject = dict[str, Any]


class Wrong(Exception):
    """What was timed did not do what it should: a fast failure is no speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure.

    `rounds` holds one number per round, in `unit`; what is judged is their median, or `judged` where another one
    counts (a percentile over the samples of all rounds). `bar` is the most that is allowed, with `at_least` the least;
    None for a figure that is only told. `reason` says why it could not be measured, or why it is missed. `details` are
    what it was made of, by name.
    """

    measure: str
    name: str
    unit: str
    bar: float | None
    rounds: tuple[float, ...] = ()
    at_least: bool = False
    judged: float | None = None
    reason: str = ""
    details: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """The median of the rounds; None where nothing could be measured."""
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def value(self) -> float | None:
        """What is judged."""
        return self.median if self.judged is None else self.judged

    @property
    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest round."""
        return (min(self.rounds), max(self.rounds)) if self.rounds else None

    @property
    def is_met(self) -> bool:
        """Whether it was measured and keeps its bar."""
        if self.value is None or math.isnan(self.value):
            return False
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def to_json(self) -> JsonObject:
        """As the results keep it."""
        return {
            "measure": self.measure,
            "name": self.name,
            "unit": self.unit,
            "bar": self.bar,
            "sense": "at least" if self.at_least else "at most",
            "value": self.value,
            "median": self.median,
            "spread": list(self.spread) if self.spread else None,
            "rounds": list(self.rounds),
            "met": self.is_met,
            "reason": self.reason,
            "details": dict(self.details),
        }


_NUMBER = {"type": ["number", "null"]}
_WORDS = {"type": "object", "required": ["orchestrator", "python"], "additionalProperties": {"type": "string"}}
SCHEMA: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "began", "seconds", "rounds", "clusters", "machine", "versions", "met", "figures"],
    "properties": {
        "kind": {"const": "BenchResult"},
        "began": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number"},
        "rounds": {"type": "integer", "minimum": 1},
        "clusters": {"type": "integer", "minimum": 1},
        "machine": {"type": "object", "required": ["processor", "cores", "memoryGiB", "system"]},
        "versions": {
            "type": "object",
            "required": ["orchestrator", "python"],
            "additionalProperties": {"type": "string"},
        },
        "met": {"type": "boolean"},
        "figures": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["measure", "name", "unit", "bar", "sense", "value", "median", "spread", "rounds", "met"],
                "properties": {
                    "measure": {"type": "string"},
                    "name": {"type": "string"},
                    "unit": {"type": "string"},
                    "bar": _NUMBER,
                    "sense": {"enum": ["at most", "at least"]},
                    "value": _NUMBER,
                    "median": _NUMBER,
                    "spread": {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                    "rounds": {"type": "array", "items": {"type": "number"}},
                    "met": {"type": "boolean"},
                    "reason": {"type": "string"},
                    "details": {"type": "object"},
                },
            },
        },
    },
}
"""What every file of results keeps to."""


def percentile(samples: Iterable[float], share: float) -> float:
    """The smallest sample that is not below `share` of all of them (nearest rank). Raises Wrong without samples."""
    ordered = sorted(samples)
    if not ordered:
        raise Wrong("there is no sample")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Round by round, ours as a multiple of theirs: what disturbs the machine disturbs both."""
    return tuple(one / other for one, other in zip(ours, theirs, strict=True))


def table(figures: Iterable[Figure]) -> Table:
    """A line per figure."""
    result = Table(box=None, pad_edge=False)
    for heading in ("measure", "bar", "measured", "spread", "rounds", ""):
        result.add_column(heading, justify="left" if heading in ("measure", "") else "right", overflow="fold")
    for one in figures:
        low, high = one.spread or (math.nan, math.nan)
        result.add_row(
            f"{one.measure}: {one.name}",
            "-" if one.bar is None else f"{'≥' if one.at_least else '≤'} {shown(one.bar)} {one.unit}",
            "-" if one.value is None else f"{shown(one.value)} {one.unit}",
            f"{shown(low)} to {shown(high)}" if one.spread else "-",
            str(len(one.rounds)),
            "told" if one.bar is None and one.is_met else "met" if one.is_met else "MISSED",
        )
    return result


def shown(number: float) -> str:
    """Three figures are as many as a noisy machine gives."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def write(path: Path, document: JsonObject) -> None:
    """Keep a document of results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    new.replace(path)
