"""The report as Markdown (CommonMark with tables): for a step summary, an issue, a mail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from orchestrator.core.verdict import Reason
from orchestrator.evidence.report.durations import many, span
from orchestrator.evidence.report.recorded import NOTHING, RecordedItem
from orchestrator.evidence.report.verdicts import LABELS, in_words
from orchestrator.evidence.report.view import ReportView

_SIGNS: Final = {"proven": "✔", "unproven": "?", "failed": "✘"}
_MEANINGFUL: Final = re.compile(r"([\\`*_{}\[\]#|!~$])")


def markdown_of(view: ReportView) -> str:
    """The text; equal views give equal bytes."""
    parts = (
        _verdict(view),
        _unknowns(view),
        _places(view),
        _times(view),
        _items(view),
        _channels(view),
        _owed(view),
        _run(view),
        _evidence(view),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def _safe(text: str) -> str:
    """A text of the record that renders as itself: no markup, no link, no mention of anybody."""
    escaped = _MEANINGFUL.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    broken = escaped.replace("@", "&#64;").replace("://", ":&#47;/")
    return re.sub(r"(?i)\bwww\.", lambda found: found[0][:-1] + "&#46;", broken)


def _code(text: str) -> str:
    """A text that is to be copied; no backtick can end the span early."""
    return f"`{text.replace('`', '')}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _verdict(view: ReportView) -> Iterator[str]:
    yield f"# {_safe(view.title)}"
    yield ""
    yield f"**{_SIGNS[view.headline.tone]} {_safe(view.headline.sentence)}**"
    if view.counts:
        yield ""
        yield f"Items: {in_words(view.counts)}."
    if view.doubts:
        yield ""
        yield "## Gaps in the record"
        yield ""
        yield from (f"- {_safe(doubt)}" for doubt in view.doubts)


def _unknowns(view: ReportView) -> Iterator[str]:
    yield "## What is not proven"
    yield ""
    if not view.unproven and not view.open_channels:
        yield "Nothing among the items and channels." if not view.doubts else "No item by itself; see the gaps above."
    for item in view.unproven:
        where = ", ".join(_safe(part) for part in (item.region, item.country) if part)
        what = f"{_safe(item.model)} in {_safe(item.cluster)} ({where})"
        yield f"- **{LABELS[item.verdict]}**: {what}; last seen {_safe(item.state)}"
        yield from (f"    - {_reason(reason)}" for reason in item.reasons)
    for channel in view.open_channels:
        yield f"- **{LABELS[channel.verdict]}**: channel {_safe(channel.name)}; contact: {_safe(channel.contact)}"


def _places(view: ReportView) -> Iterator[str]:
    yield "## Where"
    yield ""
    if view.countries:
        rows = (
            (
                f"{_safe(one.name)} ({_safe(one.code)})",
                LABELS[one.verdict],
                one.words,
                ", ".join(map(_safe, one.clusters)),
            )
            for one in view.countries
        )
        yield from _table(("Country", "State", "Items", "Clusters"), rows)
    if view.homeless:
        yield ""
        yield f"In no recorded country: {', '.join(map(_safe, view.homeless))}."
    elif not view.countries:
        yield "No cluster is recorded."


def _times(view: ReportView) -> Iterator[str]:
    yield "## When"
    yield ""
    if view.timeline is None or not view.timeline.steps:
        yield "No times were recorded."
        return
    head = ("Region", "Items", *(mark.label for mark in view.timeline.lanes[0].marks))
    rows = ((_safe(lane.region), lane.words, *(mark.words for mark in lane.marks)) for lane in view.timeline.lanes)
    yield from _table(head, rows)
    yield ""
    yield " ".join(view.timeline.words)


def _items(view: ReportView) -> Iterator[str]:
    yield "## Models and clusters"
    yield ""
    head = (
        "Cluster",
        "Model",
        "Verdict",
        "Wanted; seen",
        "Desired, ready, pods",
        "Guard",
        "Verified",
        "Holds and reasons",
    )
    yield from _table(head, (_row(view, item) for item in view.items))


def _row(view: ReportView, item: RecordedItem) -> tuple[str, ...]:
    verified = item.times.get("verified")
    when = f"+{span((verified - view.started).total_seconds())}" if verified and view.started else NOTHING
    counts = ", ".join(NOTHING if one is None else str(one) for one in (item.desired, item.ready, item.pods))
    said = [*(f"held by {_safe(hold)}" for hold in item.holds), *map(_reason, item.reasons)]
    return (
        _safe(item.cluster),
        _safe(item.model),
        LABELS[item.verdict],
        _safe(f"{item.want}; {item.state}"),
        counts,
        _safe(item.guard),
        when,
        "; ".join(said) or NOTHING,
    )


def _reason(reason: Reason) -> str:
    about = f" ({_safe(reason.object)})" if reason.object else ""
    return f"{_safe(reason.message)}{about} \\[{_safe(reason.code)}\\]"


def _channels(view: ReportView) -> Iterator[str]:
    if view.channels:
        yield "## Channels"
        yield ""
        rows = ((_safe(one.name), LABELS[one.verdict], _safe(one.contact)) for one in view.channels)
        yield from _table(("Channel", "Verdict", "Contact"), rows)


def _owed(view: ReportView) -> Iterator[str]:
    if view.is_order and (view.owed or view.open_channels):
        yield "## What is owed"
        yield ""
        owed = f"{many(len(view.owed), 'item')} and {many(len(view.open_channels), 'channel')}"
        yield f"When the run ended: {owed}."
        yield "`orchestrator takedown --order FILE --follow` works off the debt;"
        yield "`orchestrator orders show ORDER` tells what is owed now."


def _run(view: ReportView) -> Iterator[str]:
    yield "## The run"
    yield ""
    yield from (f"- {name}: {_safe(value)}" for name, value in view.facts)
    yield from (f"- Scope: {_safe(words)}" for words in view.scope)


def _evidence(view: ReportView) -> Iterator[str]:
    yield "## Evidence, and how to check it"
    yield ""
    yield "This text proves nothing by itself; the evidence file of the run does."
    yield ""
    count, head = view.journal
    yield f"- Journal: {count} records that hang together; SHA-256 of the last: {_code(head)}"
    name = f"{view.run}.evidence.jsonl"
    if view.sealed:
        name = view.sealed.name
        yield f"- Evidence file {_safe(name)}: SHA-256 {_code(view.sealed.sha256)}, {view.sealed.integrity}"
    else:
        yield f"- Export it: {_code(f'orchestrator evidence export {view.run} --key evidence.key')}"
    yield f"- Check it: {_code(f'orchestrator evidence verify {name} --public-key evidence.pub')}"
    yield f"- Or without this tool: {_code(f'python docs/verify_evidence.py {name} evidence.pub')}"
