"""Everything that a report says, decided once for HTML and Markdown alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject
from orchestrator.core.verdict import Verdict
from orchestrator.evidence.report.durations import clock, many
from orchestrator.evidence.report.headline import Headline, headline_of
from orchestrator.evidence.report.places import Country, WorldMap, countries_of, map_of
from orchestrator.evidence.report.recorded import (
    Recorded,
    RecordedChannel,
    RecordedItem,
    moment,
    read_recorded,
    text,
    texts,
)
from orchestrator.evidence.report.timeline import Milestones, Timeline, timeline_of
from orchestrator.evidence.report.verdicts import WORST_FIRST, counted
from orchestrator.evidence.run_record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An evidence file of the same run, as it was found."""

    name: str
    sha256: str
    """Of the whole file."""
    integrity: str
    authenticity: str
    signer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """What is told of one run; every text in it is one harmless line."""

    run: str
    title: str
    headline: Headline
    doubts: tuple[str, ...]
    counts: tuple[tuple[Verdict, int], ...]
    unproven: tuple[RecordedItem, ...]
    """Worst first."""
    items: tuple[RecordedItem, ...]
    channels: tuple[RecordedChannel, ...]
    open_channels: tuple[RecordedChannel, ...]
    countries: tuple[Country, ...]
    homeless: tuple[str, ...]
    """Clusters whose country nobody declared."""
    world: WorldMap
    timeline: Timeline | None
    facts: tuple[tuple[str, str], ...]
    scope: tuple[str, ...]
    """How the clusters were chosen, in words."""
    journal: tuple[int, str]
    """Records that hang together, and the hash of the last."""
    started: datetime | None
    owed: tuple[RecordedItem, ...]
    is_order: bool
    """Whether it was a takedown under an order, which is owed something until all is proven."""
    sealed: Sealed | None


def view_of(record: RunRecord, names: Mapping[str, str], sealed: Sealed | None = None) -> ReportView:
    """What there is to tell of a run; `names` are those of countries by code. Total over all records."""
    recorded = read_recorded(record)
    about = record.about or {}
    result = record.result or {}
    action = text(about.get("action") or result.get("action"))
    order = about.get("orderName") or result.get("order")
    milestones = _milestones(record)
    items = recorded.items
    unproven = tuple(sorted((one for one in items if one.verdict not in _SETTLED), key=_by_weight))
    countries = countries_of(items, names)
    models = tuple(dict.fromkeys(item.model for item in items)) or texts(about.get("models"))
    return ReportView(
        run=text(record.run),
        title=_title(action, models, text(order) if order else None),
        headline=headline_of(recorded, action, models, milestones, is_rehearsal=result.get("rehearsal") is True),
        doubts=recorded.doubts,
        counts=counted(item.verdict for item in items),
        unproven=unproven,
        items=tuple(sorted(items, key=lambda one: (one.region, one.cluster, one.model))),
        channels=recorded.channels,
        open_channels=tuple(one for one in recorded.channels if one.verdict is not Verdict.VERIFIED),
        countries=countries,
        homeless=tuple(sorted({item.cluster for item in items if not item.country})),
        world=map_of(countries),
        timeline=timeline_of(items, milestones),
        facts=tuple(_facts(record, recorded, milestones)),
        scope=tuple(_scope(about)),
        journal=(len(record.journal.records), record.journal.last_hash),
        started=milestones.started if milestones else None,
        owed=tuple(one for one in items if one.verdict is not Verdict.VERIFIED),
        is_order=action == "takedown" and bool(order),
        sealed=sealed,
    )


_SETTLED = (Verdict.VERIFIED, Verdict.HELD)


def _by_weight(item: RecordedItem) -> tuple[int, str, str, str]:
    return WORST_FIRST.index(item.verdict), item.region, item.cluster, item.model


def _title(action: str, models: tuple[str, ...], order: str | None) -> str:
    few = ", ".join(models[:4]) + (f" and {len(models) - 4} more" if len(models) > 4 else "")
    return f"{action.capitalize()} of {few or 'unknown models'}" + (f" under {order}" if order else "")


def _milestones(record: RunRecord) -> Milestones | None:
    about = record.about or {}
    began = next((one.event.at for one in record.journal.records if one.event.type is EventType.RUN_STARTED), None)
    started = moment(about.get("startedAt")) or (moment(began.isoformat()) if began else None)
    if started is None:
        return None
    return Milestones(moment(about.get("orderReceived")), started, moment(about.get("deadline")))


def _facts(record: RunRecord, recorded: Recorded, milestones: Milestones | None) -> Iterable[tuple[str, str]]:
    about, result = record.about or {}, record.result or {}
    yield "Run", text(record.run)
    named = {
        "Order": "orderName",
        "Authority": "authority",
        "Reference": "reference",
        "Lifted by": "liftReference",
        "Digest of the order": "orderDigest",
    }
    yield from ((label, text(about[key])) for label, key in named.items() if about.get(key))
    yield from _moments(record, milestones)
    yield "Outcome", recorded.outcome if recorded.has_result else "none was recorded"
    if recorded.error:
        yield "Error", recorded.error
    if result.get("rehearsal") is True:
        yield "Rehearsal", "yes: these are sandbox clusters, and nothing here is said of the real ones"
    yield from ((label, text(about[key])) for label, key in _WHO.items() if about.get(key))
    for actor, count in _actors(record).items():
        yield "Known to the API servers as", f"{actor} ({many(count, 'cluster')})"


_WHO = {"Local user": "localUser", "Version of the tool": "toolVersion", "Digest of the plan": "planDigest"}


def _moments(record: RunRecord, milestones: Milestones | None) -> Iterable[tuple[str, str]]:
    if milestones is None:
        return
    ended = [one.event.at for one in record.journal.records if one.event.type is EventType.RUN_ENDED]
    moments: dict[str, datetime | None] = {
        "Order received": milestones.received,
        "Run began": milestones.started,
        "Run ended": moment(ended[-1].isoformat()) if ended else None,
        "Deadline": milestones.deadline,
    }
    yield from ((label, clock(at)) for label, at in moments.items() if at)


def _actors(record: RunRecord) -> dict[str, int]:
    """Whom the API servers took us for, and how many of them."""
    seen: dict[str, set[str | None]] = {}
    for one in record.journal.records:
        actor = one.event.data.get("actor") if one.event.type is EventType.ITEM_STARTED else None
        if isinstance(actor, str) and actor:
            seen.setdefault(text(actor), set()).add(one.event.cluster)
    return {actor: len(clusters) for actor, clusters in sorted(seen.items())}


def _scope(about: JsonObject) -> Iterable[str]:
    waves = about.get("scope")
    for wave in waves if isinstance(waves, list) else []:
        if isinstance(wave, dict):
            count = sum(len(texts(wave.get(key))) for key in ("clusters", "unreachable", "awaited"))
            words = "; ".join(texts(wave.get("words"), 600))
            yield f"{text(wave.get('step'))}: {many(count, 'cluster')}" + (f" ({words})" if words else "")
