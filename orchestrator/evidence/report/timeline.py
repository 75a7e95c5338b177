"""When each region passed each step, on one scale: from the order's arrival, through the run's start, to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.core.verdict import Verdict
from orchestrator.evidence.report.durations import clock, span
from orchestrator.evidence.report.recorded import NOTHING, STEPS, RecordedItem
from orchestrator.evidence.report.verdicts import counted, in_words, worst

LENGTH: Final = 1000
_LEAD: Final = 140
_MARGIN: Final = 18
_NOTABLE: Final = 0.02
"""Part of the run's own length from which on a wait before it is drawn."""
_TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
STEP_LABELS: Final = {
    "guarded": "guarded",
    "trafficCut": "traffic cut",
    "stopped": "stopped",
    "lastPodGone": "last pod gone",
    "verified": "verified",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A step that a region has passed, in all of its items or in some."""

    step: str
    label: str
    x: int | None
    """Where on the track, 0 to LENGTH; None where no item passed it."""
    words: str
    """How long after the run began the last item passed it, and how many never did."""
    at: str | None
    """The moment itself."""
    is_whole: bool
    """Whether every item passed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One region."""

    region: str
    clusters: int
    verdict: Verdict
    words: str
    """Its verdicts, counted."""
    marks: tuple[Mark, ...]
    reach: int
    """How far its line is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A number under the tracks."""

    x: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All regions on one scale."""

    lanes: tuple[Lane, ...]
    steps: tuple[str, ...]
    """Those that at least one item passed."""
    ticks: tuple[Tick, ...]
    started_x: int
    has_lead: bool
    """Whether the order arrived before the run began."""
    words: tuple[str, ...]
    """What the scale cannot show."""
    deadline_x: int | None


@dataclass(frozen=True, slots=True)
class Milestones:
    """The moments that are not a region's."""

    received: datetime | None
    started: datetime
    deadline: datetime | None


def timeline_of(items: Sequence[RecordedItem], milestones: Milestones | None) -> Timeline | None:
    """The timeline of a run; None where no time of it is known."""
    moments = [at for item in items for at in item.times.values()]
    if milestones is None or not moments:
        return None
    scale = _Scale(milestones, max(moments))
    steps = tuple(step for step in STEPS if any(step in item.times for item in items))
    regions: dict[str, list[RecordedItem]] = {}
    for item in items:
        regions.setdefault(item.region, []).append(item)
    lanes = [_lane(name, found, steps, scale) for name, found in sorted(regions.items())]
    return Timeline(
        lanes=tuple(lanes),
        steps=steps,
        ticks=scale.ticks(),
        started_x=scale.x(milestones.started),
        has_lead=scale.has_lead,
        words=_words(milestones, max(moments), has_lead=scale.has_lead),
        deadline_x=scale.x(milestones.deadline) if milestones.deadline and scale.shows(milestones.deadline) else None,
    )


class _Scale:
    """Two straight parts: the wait before the run, of fixed length however long it was, and the run itself."""

    def __init__(self, milestones: Milestones, end: datetime) -> None:
        self.started = milestones.started
        self._seconds = max((end - self.started).total_seconds(), 0.1)
        lead = (self.started - milestones.received).total_seconds() if milestones.received else 0.0
        self._received = milestones.received if lead > _NOTABLE * self._seconds else None
        self.has_lead = self._received is not None
        self._from = _LEAD if self.has_lead else _MARGIN

    def x(self, at: datetime) -> int:
        after = (at - self.started).total_seconds()
        if after >= 0:
            part = min(after / self._seconds, 1.0)
            return round(self._from + part * (LENGTH - _MARGIN - self._from))
        if self._received is None:
            return self._from
        lead = (self.started - self._received).total_seconds()
        return round(_MARGIN + max(0.0, 1 + after / lead) * (_LEAD - _MARGIN))

    def shows(self, at: datetime) -> bool:
        return timedelta() <= at - self.started <= timedelta(seconds=self._seconds)

    def ticks(self) -> tuple[Tick, ...]:
        step = next((one for one in _TICKS if self._seconds / one <= 5), self._seconds)
        count = int(self._seconds / step)
        return tuple(
            Tick(
                x=self.x(self.started + timedelta(seconds=number * step)),
                label=f"+{span(number * step)}" if number else "0",
            )
            for number in range(count + 1)
        )


def _lane(region: str, items: Sequence[RecordedItem], steps: Iterable[str], scale: _Scale) -> Lane:
    marks = tuple(_mark(step, items, scale) for step in steps)
    verdicts = [item.verdict for item in items]
    return Lane(
        region=region,
        clusters=len({item.cluster for item in items}),
        verdict=worst(verdicts),
        words=in_words(counted(verdicts)),
        marks=marks,
        reach=max((mark.x for mark in marks if mark.x is not None), default=scale.x(scale.started)),
    )


def _mark(step: str, items: Sequence[RecordedItem], scale: _Scale) -> Mark:
    found = [item.times[step] for item in items if step in item.times]
    missing = len(items) - len(found)
    if not found:
        return Mark(step=step, label=STEP_LABELS[step], x=None, words=NOTHING, at=None, is_whole=False)
    last = max(found)
    after = (last - scale.started).total_seconds()
    words = f"{'+' if after >= 0 else ''}{span(after)}" + (f" ({len(found)} of {len(items)})" if missing else "")
    return Mark(step=step, label=STEP_LABELS[step], x=scale.x(last), words=words, at=clock(last), is_whole=not missing)


def _words(milestones: Milestones, end: datetime, *, has_lead: bool) -> tuple[str, ...]:
    words = [f"Times count from the start of the run, {clock(milestones.started)}."]
    if milestones.received:
        lead = (milestones.started - milestones.received).total_seconds()
        how = f"{span(lead)} before it" if lead >= 0 else f"{span(-lead)} after it"
        drawn = " (not drawn to scale)" if has_lead else ""
        words.append(f"The order was received at {clock(milestones.received)}, {how}{drawn}.")
    if milestones.deadline:
        left = (milestones.deadline - end).total_seconds()
        how = f"{span(left)} after" if left >= 0 else f"{span(-left)} before"
        words.append(f"The order's deadline is {clock(milestones.deadline)}, {how} the last time in this table.")
    return tuple(words)
