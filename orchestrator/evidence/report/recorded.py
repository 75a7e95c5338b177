"""What a run recorded, read without trust: every text made harmless, everything odd named instead of believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.core.events import EventType
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.evidence.bundle import gaps_of
from orchestrator.evidence.run_record import RunRecord

STEPS: Final = ("guarded", "trafficCut", "stopped", "lastPodGone", "verified")
NOTHING: Final = "\N{EN DASH}"
"""What stands for a text that is not there."""
_SEEN: Final = ("enabled", "disabled", "mixed")
_MOST: Final = 20
_TEXT: Final = 200
_SENTENCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedItem:
    """One model in one cluster, as the result tells it."""

    model: str
    cluster: str
    region: str
    country: str | None
    want: str
    state: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    desired: int | None = None
    ready: int | None = None
    pods: int | None = None
    holds: tuple[str, ...] = ()
    guard: str = "none"
    times: Mapping[str, datetime] = field(default_factory=dict)
    """By step, only those that are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedChannel:
    """A way to a model that the tool cannot switch."""

    name: str
    verdict: Verdict
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """All that a report rests on."""

    items: tuple[RecordedItem, ...]
    channels: tuple[RecordedChannel, ...]
    has_result: bool
    outcome: str
    error: str | None
    doubts: tuple[str, ...]
    """Why the record cannot be relied on, in words; empty when it is whole and nothing contradicts anything."""


def read_recorded(record: RunRecord) -> Recorded:
    """Read the result against the journal and against what the run was about. Total over all records."""
    doubts = [printable(gap, _SENTENCE) for gap in gaps_of(record)]
    result = record.result or {}
    if record.result is None:
        items = _from_journal(record)
    else:
        items = _items(result.get("items"), doubts)
        doubts += _contradictions(record, items)
    error = result.get("error")
    message = text(error.get("message"), _SENTENCE) if isinstance(error, dict) else None
    return Recorded(
        items=tuple(items),
        channels=tuple(_channels(result.get("channels"), doubts)),
        has_result=record.result is not None,
        outcome=text(result.get("outcome")),
        error=message,
        doubts=tuple(dict.fromkeys(doubts)),
    )


def text(value: object, limit: int = _TEXT) -> str:
    """One harmless line; a dash for what is not there."""
    return NOTHING if value is None or value == "" else printable(value, limit)


def moment(value: object) -> datetime | None:
    """A time of the record, in UTC; None where it is none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def texts(value: object, limit: int = _TEXT) -> tuple[str, ...]:
    """The entries of a list as harmless lines; empty where it is none."""
    return tuple(text(one, limit) for one in value) if isinstance(value, list) else ()


def _items(found: object, doubts: list[str]) -> list[RecordedItem]:
    entries = found if isinstance(found, list) else []
    items = [_item(entry, doubts) for entry in entries if isinstance(entry, dict)]
    if not isinstance(found, list) or len(items) < len(entries):
        doubts.append("parts of the result cannot be read")
    return items


def _item(entry: Mapping[str, Any], doubts: list[str]) -> RecordedItem:
    replicas, times = (entry.get(name) for name in ("replicas", "times"))
    # Zeros of a cluster in which nothing could be seen would read as "no replica is left".
    counts = replicas if isinstance(replicas, dict) and entry.get("state") in _SEEN else {}
    moments = times if isinstance(times, dict) else {}
    name = f"{text(entry.get('model'))} in {text(entry.get('cluster'))}"
    verdict = _verdict(entry.get("verdict"), name, doubts)
    known = {step: at for step in ("started", *STEPS) if (at := moment(moments.get(step))) is not None}
    if verdict is not Verdict.VERIFIED:
        known.pop("verified", None)
    country = entry.get("country")
    return RecordedItem(
        model=text(entry.get("model")),
        cluster=text(entry.get("cluster")),
        region=text(entry.get("region")),
        country=text(country) if country else None,
        want=text(entry.get("want")),
        state=text(entry.get("state")),
        verdict=verdict,
        reasons=_reasons(entry.get("reasons")),
        desired=_count(counts.get("desired")),
        ready=_count(counts.get("ready")),
        pods=_count(counts.get("pods")),
        holds=texts(entry.get("holds")),
        guard=text(entry.get("guard")),
        times=known,
    )


def _channels(found: object, doubts: list[str]) -> list[RecordedChannel]:
    return [
        RecordedChannel(
            name=" of ".join(text(entry[key]) for key in ("name", "model") if entry.get(key)),
            verdict=_verdict(entry.get("verdict"), f"the channel {text(entry.get('name'))}", doubts),
            contact=text(entry.get("contact")),
        )
        for entry in (found if isinstance(found, list) else [])
        if isinstance(entry, dict)
    ]


def _verdict(value: Any, whose: str, doubts: list[str]) -> Verdict:
    try:
        return Verdict(value)
    except ValueError:
        doubts.append(f"the verdict on {whose} is not one that is understood: {text(value)}")
        return Verdict.UNVERIFIED


def _reasons(found: object) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            code=text(entry.get("code")),
            message=text(entry.get("message"), _SENTENCE),
            object=text(entry["object"]) if entry.get("object") else None,
            field=text(entry["field"]) if entry.get("field") else None,
        )
        for entry in (found if isinstance(found, list) else [])
        if isinstance(entry, dict)
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _last_words(record: RunRecord) -> dict[tuple[str, str], str]:
    """By model and cluster: the verdict that the journal tells last."""
    return {
        (text(one.event.model), text(one.event.cluster)): text(one.event.data.get("verdict"))
        for one in record.journal.records
        if one.event.type is EventType.ITEM_ENDED
    }


def _contradictions(record: RunRecord, items: list[RecordedItem]) -> list[str]:
    """The result is a plain file; the journal is a chain of hashes. Where the two differ nothing is proven."""
    doubts = []
    result, said = record.result or {}, _last_words(record)
    if result.get("run") != record.run:
        doubts.append("the result is that of another run")
    # What the journal ends otherwise is among the gaps already; on what it never ends no `verified` may rest.
    doubts += _few(
        [
            f"{item.model} in {item.cluster}: verified in the result, but the journal says nothing"
            for item in items
            if item.verdict is Verdict.VERIFIED and (item.model, item.cluster) not in said
        ]
    )
    named = {item.cluster for item in items}
    left_out = [cluster for cluster in scope_of(record) if cluster not in named]
    if left_out:
        doubts += _few([f"the result says nothing of {cluster}, which the run was about" for cluster in left_out])
    if result.get("outcome") in ("verified", "late") and any(
        item.verdict not in (Verdict.VERIFIED, Verdict.HELD) for item in items
    ):
        doubts.append("the result says that everything is proven, and its items say that it is not")
    return doubts


def _few(doubts: list[str]) -> list[str]:
    """So many as somebody will read; the number of the others."""
    return [*doubts[:_MOST], f"and {len(doubts) - _MOST} more like this"] if len(doubts) > _MOST else doubts


def scope_of(record: RunRecord) -> tuple[str, ...]:
    """Every cluster that the run was about, in the plan's order, those that joined it last."""
    waves = (record.about or {}).get("scope")
    found = (wave for wave in (waves if isinstance(waves, list) else []) if isinstance(wave, dict))
    keys = ("clusters", "unreachable", "awaited")
    planned = [name for wave in found for key in keys for name in texts(wave.get(key))]
    return tuple(dict.fromkeys((*planned, *(name for name, _ in _joined(record)))))


def _joined(record: RunRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Clusters that answered once the run had begun, each with the models that it is about there."""
    for one in record.journal.records:
        places = one.event.data.get("places") if one.event.type is EventType.JOINED else None
        for name, place in places.items() if isinstance(places, dict) else ():
            yield text(name), texts(place.get("models") if isinstance(place, dict) else None)


def _from_journal(record: RunRecord) -> list[RecordedItem]:
    """Without a result nothing is proven; what the journal saw is told as just that."""
    said = _last_words(record)
    models = texts((record.about or {}).get("models"))
    joined = ((model, cluster) for cluster, found in _joined(record) for model in found)
    keys = dict.fromkeys((*said, *((model, cluster) for cluster in scope_of(record) for model in models), *joined))
    return [
        RecordedItem(
            model=model,
            cluster=cluster,
            region=NOTHING,
            country=None,
            want=NOTHING,
            state="unknown",
            verdict=Verdict.UNVERIFIED,
            reasons=(Reason(code="no-result", message=_word(said.get((model, cluster)))),),
        )
        for model, cluster in keys
    ]


def _word(told: str | None) -> str:
    if told is None:
        return "the run left no result, and its journal tells of no end of this"
    return f"the run left no result; the last word of its journal was {told}"
