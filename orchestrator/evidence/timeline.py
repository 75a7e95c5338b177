"""When a region was done with each step of a run: the latest of its items, and null where one of them never was."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.core.objects import JsonObject

TIMES: Final = ("orderReceived", "guarded", "trafficCut", "stopped", "lastPodGone", "verified")


def regions_of(items: Iterable[JsonObject], received: object) -> list[JsonObject]:
    """For each region, by name, its clusters and models, its verdicts, and when its last item passed each step.

    `items` are those of a RunResult, as JSON; `received` is when the order arrived.
    """
    regions: dict[str, list[JsonObject]] = {}
    for item in items:
        regions.setdefault(str(item.get("region")), []).append(item)
    return [
        {
            "region": name,
            "clusters": sorted({str(item.get("cluster")) for item in found}),
            "models": sorted({str(item.get("model")) for item in found}),
            "verdicts": _counted(str(item.get("verdict")) for item in found),
            "times": {
                TIMES[0]: received,
                **{step: _latest(_time(item, step) for item in found) for step in TIMES[1:]},
            },
        }
        for name, found in sorted(regions.items())
    ]


def _counted(verdicts: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def _time(item: JsonObject, step: str) -> Any:
    if step == "verified" and item.get("verdict") != "verified":
        # The pods were gone for the whole soak; something else keeps the item from being proven.
        return None
    times = item.get("times")
    return times.get(step) if isinstance(times, dict) else None


def _latest(texts: Iterable[Any]) -> str | None:
    """The latest of some times, as it is written; None when one is missing or no time."""
    found: list[tuple[datetime, str]] = []
    for text in texts:
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            return None
        found.append((moment if moment.tzinfo else moment.replace(tzinfo=UTC), text))
    return max(found)[1] if found else None
