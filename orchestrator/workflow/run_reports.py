"""One run told to people: what it was to do, what happened, what it left, and by which command somebody goes on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from orchestrator import evidence
from orchestrator.core.events import EventType
from orchestrator.core.explaining import of_verdict
from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.result import Outcome
from orchestrator.core.run_report import ExplainedVerdict, LeftItem, RunReport, RunState, TimelineEntry
from orchestrator.core.text import printable
from orchestrator.evidence.bundle import gaps_of
from orchestrator.evidence.report.recorded import read_recorded
from orchestrator.evidence.telling import words_of
from orchestrator.execution.begun import begun_by
from orchestrator.workflow.asking import command_line_of
from orchestrator.workflow.runs import KeptRun, harmless, listed, read_kept


def report_run(state: Path, run: str, *, explains: bool = False) -> RunReport:
    """What one run was to do, what happened, what is missing, what to do next. Raises UsageError.

    With `explains` also on what its verdicts rested.
    """
    kept = read_kept(state, run)
    records = kept.record.journal.records
    return RunReport(
        run=kept.entry,
        scope=tuple(_scope_words(kept.record.about)),
        timeline=tuple(
            TimelineEntry(
                at=one.event.at,
                cluster=harmless(one.event.cluster),
                model=harmless(one.event.model),
                step=harmless(one.event.step),
                words=words_of(one.event),
            )
            for one in records
        ),
        left=left_of(kept),
        verdicts=_explained(kept.record) if explains else (),
        gaps=gaps_of(kept.record),
        next=next_steps(kept),
    )


def _explained(record: evidence.RunRecord) -> tuple[ExplainedVerdict, ...]:
    """By the reasons that the run kept; what was found right there only the run itself could tell."""
    return tuple(
        ExplainedVerdict(
            model=one.model,
            cluster=one.cluster,
            verdict=one.verdict,
            explanation=of_verdict(one.verdict, one.reasons),
        )
        for one in read_recorded(record).items
    )


def left_of(kept: KeptRun) -> tuple[LeftItem, ...]:
    """Every model in every cluster that the run had begun, by its journal."""
    records = kept.record.journal.records
    begun = begun_by(one.event for one in records)
    verdicts: dict[tuple[str | None, str | None], str] = {}
    going_back = set()
    for one in records:
        key = (one.event.cluster, one.event.model)
        if one.event.type is EventType.ITEM_ENDED:
            verdicts[key] = str(one.event.data.get("verdict"))
        elif one.event.type is EventType.ROLLING_BACK and one.event.cluster:
            going_back.add(key)
            verdicts.pop(key, None)
    return tuple(
        LeftItem(
            model=printable(model, 100),
            cluster=printable(cluster, 100),
            sent=tuple(printable(f"{one.verb} {one.object}", 300) for one in item.attempts),
            unanswered=tuple(printable(f"{one.verb} {one.object}", 300) for one in item.attempts if not one.answered),
            verdict=verdicts.get((cluster, model)),
            rolling_back=(cluster, model) in going_back,
        )
        for (cluster, model), item in sorted(begun.items.items())
    )


def next_steps(kept: KeptRun) -> tuple[str, ...]:
    """The commands by which somebody goes on from here."""
    entry = kept.entry
    again = (command_line_of(kept.asked),) if kept.asked else ()
    match entry.state:
        case RunState.RUNNING:
            return (f"kill -INT {kept.pid}", "orchestrator runs list") if kept.pid else ("orchestrator runs list",)
        case RunState.ABORTED:
            return again
        case RunState.ENDED if entry.outcome in (Outcome.VERIFIED, Outcome.LATE):
            return (f"orchestrator evidence export {entry.run} --key FILE",)
    if entry.continued_by is not None:
        return (f"orchestrator runs show {entry.continued_by}",)
    if kept.asked is None or is_rolled_back(kept):
        return again
    return (resume_command(entry.run, entry.workspace), f"orchestrator runs abort {entry.run}")


def is_rolled_back(kept: KeptRun) -> bool:
    """Whether the run failed, took everything back and came to its end."""
    decided = any(
        one.event.type is EventType.ROLLING_BACK and one.event.cluster is None for one in kept.record.journal.records
    )
    return kept.entry.state is RunState.ENDED and decided


def resume_command(run: str, workspace: str | None) -> str:
    """The exact command line that goes on with a run, quoted for a shell."""
    place = f"-C {shlex.quote(workspace)} " if workspace else ""
    return f"orchestrator {place}runs resume {run}"


def _scope_words(about: JsonObject | None) -> Iterable[str]:
    for wave in listed(dig(about, "scope")):
        clusters = ", ".join(map(str, listed(dig(wave, "clusters"))))
        away = ", ".join(map(str, listed(dig(wave, "unreachable"))))
        late = ", ".join(map(str, listed(dig(wave, "awaited"))))
        more = (f"; out of reach: {away}" if away else "") + (f"; had not answered yet: {late}" if late else "")
        yield printable(f"{dig(wave, 'step')}: {clusters or 'no cluster'}{more}")
        yield from (printable(words, 400) for words in listed(dig(wave, "words")))
