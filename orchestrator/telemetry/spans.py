"""A run as spans: pure. The run holds its clusters, a cluster its items, an item its phases and what was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from orchestrator.core.audience import Beginning
from orchestrator.core.events import Event, EventType
from orchestrator.core.result import Outcome, ResultItem, RunResult
from orchestrator.core.verdict import Verdict

_PHASES: Final = ("guarded", "traffic_cut", "stopped", "last_pod_gone", "verified")
_SHOWN: Final = ("verb", "object", "error", "seconds", "verdict", "state", "readiness", "steps")
"""Fields of an event that a span tells: never a message, which may hold anything."""
_MOST_OF_AN_ITEM: Final = 100
_FINE: Final = (Verdict.VERIFIED, Verdict.HELD)


@dataclass(frozen=True, slots=True)
class Span:
    """One span; times in nanoseconds since 1970, as OpenTelemetry has them."""

    id: int
    parent: int | None
    name: str
    start: int
    end: int
    attributes: dict[str, str | int | float | bool]
    error: str | None = None
    """Why it is no success: a verdict, an outcome."""
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run left to draw spans from."""

    beginning: Beginning
    result: RunResult
    events: tuple[Event, ...]


def spans_of(seen: Seen) -> list[dict[str, Any]]:
    """The spans of a run, parents before children, as JSON."""
    return [asdict(one) for one in _Drawing(seen).draw()]


class _Drawing:
    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._next = 0
        self._began = seen.beginning.at
        last = max((event.at for event in seen.events), default=self._began)
        self._ended = max(last, self._began + timedelta(seconds=seen.result.seconds))

    def draw(self) -> Iterator[Span]:
        beginning, result = self._seen.beginning, self._seen.result
        attributes: dict[str, str | int | float | bool] = {
            "orchestrator.run": result.run,
            "orchestrator.action": result.action,
            "orchestrator.fleet": beginning.fleet,
            "orchestrator.models": ",".join(beginning.models),
            "orchestrator.rehearsal": result.rehearsal,
            "orchestrator.outcome": result.outcome.value,
            "orchestrator.exit_code": result.exit_code,
        }
        fine = result.outcome in (Outcome.VERIFIED, Outcome.LATE)
        error = None if fine else result.outcome.value
        own = [event for event in self._seen.events if event.cluster is None]
        root = self._span(None, result.action, (self._began, self._ended), attributes, error=error, events=_told(own))
        yield root
        by_cluster: dict[str, list[ResultItem]] = {}
        for item in result.items:
            by_cluster.setdefault(item.cluster, []).append(item)
        for cluster, items in by_cluster.items():
            yield from self._cluster(root, cluster, items)

    def _cluster(self, root: Span, name: str, items: list[ResultItem]) -> Iterator[Span]:
        times = [self._times(item) for item in items]
        bad = [item.verdict.value for item in items if item.verdict not in _FINE]
        attributes: dict[str, str | int | float | bool] = {
            "orchestrator.cluster": name,
            "orchestrator.region": items[0].region,
            "orchestrator.country": items[0].country or "",
        }
        within = (min(start for start, _ in times), max(end for _, end in times))
        cluster = self._span(root.id, f"cluster {name}", within, attributes, error=", ".join(sorted(set(bad))) or None)
        yield cluster
        for item, (start, end) in zip(items, times, strict=True):
            yield from self._item(cluster, item, start, end)

    def _item(self, cluster: Span, item: ResultItem, start: datetime, end: datetime) -> Iterator[Span]:
        attributes: dict[str, str | int | float | bool] = {
            "orchestrator.model": item.model,
            "orchestrator.cluster": item.cluster,
            "orchestrator.want": item.want.value if item.want else "",
            "orchestrator.state": item.state.value,
            "orchestrator.verdict": item.verdict.value,
            "orchestrator.guard": item.guard,
            "orchestrator.changed": item.changed,
            "orchestrator.reasons": ",".join(reason.code for reason in item.reasons),
        }
        error = None if item.verdict in _FINE else item.verdict.value
        name, events = f"{item.model} in {item.cluster}", _told(self._events_of(item))
        span = self._span(cluster.id, name, (start, end), attributes, error=error, events=events)
        yield span
        for phase in _PHASES:
            moment = getattr(item.times, phase)
            if moment is not None and not (phase == "verified" and item.verdict is not Verdict.VERIFIED):
                yield self._span(span.id, f"until {phase}", (start, moment), {"orchestrator.phase": phase})

    def _times(self, item: ResultItem) -> tuple[datetime, datetime]:
        """From when to when it was worked on: what was never begun has the run's own beginning, and no length."""
        start = item.times.started or self._began
        moments = [moment for phase in _PHASES if (moment := getattr(item.times, phase)) is not None]
        events = [event.at for event in self._events_of(item)]
        return start, max([start, *moments, *events])

    def _events_of(self, item: ResultItem) -> list[Event]:
        wanted = (item.cluster, item.model)
        return [event for event in self._seen.events if (event.cluster, event.model) == wanted]

    def _span(
        self,
        parent: int | None,
        name: str,
        times: tuple[datetime, datetime],
        attributes: dict[str, str | int | float | bool],
        **more: Any,
    ) -> Span:
        self._next += 1
        start, end = times
        return Span(self._next, parent, name, _nanoseconds(start), _nanoseconds(max(start, end)), attributes, **more)


def _told(events: Iterable[Event]) -> list[dict[str, Any]]:
    found = [event for event in events if event.type is not EventType.PROGRESS]
    return [
        {
            "name": event.type.value,
            "at": _nanoseconds(event.at),
            "attributes": {
                f"orchestrator.{key}": str(value)[:200] for key, value in event.data.items() if key in _SHOWN
            },
        }
        for event in found[:_MOST_OF_AN_ITEM]
    ]


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
