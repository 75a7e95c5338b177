"""The points at which a run is killed: its journal's records, named so that they are the same in every run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from orchestrator.core.events import Event, EventType

When = Literal["before", "after"]
LISTS = Path(__file__).parent / "points"
_DIGEST = re.compile(r"(?<![0-9a-z])[0-9a-f]{8,64}(?![0-9a-z])")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOLD = ("verb", "object", "moment", "standing", "want", "to", "failure")
"""What tells one record from another, of all that they say."""
_REPEATS: Mapping[str, int] = {
    EventType.OBSERVED: 1,
    EventType.FOUND: 1,
    EventType.SOAKING: 1,
    EventType.CHECKED: 1,
    EventType.LAST_POD_GONE: 1,
    EventType.GUARD_TRIED: 2,
    EventType.REVERTED: 0,
}
"""What a run looks at once more where a busy machine made it wait: how often it does so in any case, in one item."""


@dataclass(frozen=True)
class Point:
    """Just before, or just after, one record of a run was made durable."""

    when: When
    record: str
    """The record, as `Naming` calls it."""

    def __str__(self) -> str:
        return f"{self.when} {self.record}"

    @classmethod
    def read(cls, text: str) -> Point:
        """A point from its own words."""
        when, _, record = text.partition(" ")
        return cls(cast(When, when), record)


class Naming:
    """Names the records of one run in their order: alike ones are numbered, names and digests of the test are left out.

    What happens in one cluster happens side by side, so the order of records differs from run to run. What they are
    does not, but for what was refused and tried again: that is named as if it had happened once; and what a run looks
    at again where it had to wait is left out.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._seen: Counter[str] = Counter()

    def name(self, type_: str, cluster: str | None, step: str | None, data: Mapping[str, Any]) -> str | None:
        """The next record's name; None for one that a run need not have."""
        told = [str(data[key]) for key in _TOLD if data.get(key) not in (None, "")]
        what = " ".join(part for part in (cluster or "", step or "", *told) if part)
        what = _DIGEST.sub("DIGEST", _UID.sub("UID", what.replace(self._namespace, "NS")))
        if type_ == EventType.ANSWERED and data.get("error"):
            self._seen[f"{EventType.SENDING} {what}"] -= 1
            return None
        words = f"{type_} {what}".strip()
        self._seen[words] += 1
        count = self._seen[words]
        if count > _REPEATS.get(type_, count):
            return None
        return words if count == 1 else f"{words} #{count}"

    def name_event(self, event: Event) -> str | None:
        """The name of what is about to be recorded."""
        return self.name(event.type.value, event.cluster, event.step, event.data)


def points_of(journal: Path, namespace: str) -> tuple[Point, ...]:
    """Every kill point of a finished run: before its first record, after each one, and before each answer.

    Before an answer is recorded the request has been answered: the change is made, and the journal does not know it.
    """
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    return tuple(dict.fromkeys(_points(records, Naming(namespace))))


def _points(records: Iterable[Mapping[str, Any]], naming: Naming) -> Iterator[Point]:
    for number, record in enumerate(records):
        name = naming.name(record["type"], record["cluster"], record["step"], record["data"])
        if name is None:
            continue
        if number == 0 or record["type"] == EventType.ANSWERED:
            yield Point("before", name)
        yield Point("after", name)


def recorded_points(story: str) -> tuple[Point, ...]:
    """The kill points of a story, as an undisturbed run had them when the list was last made."""
    return tuple(Point.read(line) for line in (LISTS / f"{story}.txt").read_text().splitlines())


def difference_of(live: Iterable[Point], recorded: Iterable[Point]) -> str:
    """How the points of a run differ from those on record, in words; empty where they do not."""
    new, gone = {str(point) for point in live}, {str(point) for point in recorded}
    parts = [
        f"{what}: {', '.join(sorted(found))}" for what, found in (("new", new - gone), ("gone", gone - new)) if found
    ]
    return "; ".join(parts)
