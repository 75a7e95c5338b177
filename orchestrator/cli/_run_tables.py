"""Runs as tables for people. All text comes from files that anybody may have written."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.cli._render import print_explanations
from orchestrator.cli._terminal import console, plain_table
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.core.run_report import AbortReport, LeftItem, RunEntry, RunList, RunReport


def print_runs(found: RunList) -> None:
    """A line for each run, the newest first, and how many are not shown."""
    table = plain_table(("RUN", "ACTION", "OF", "STARTED", "ENDED", "STATE", "OUTCOME", "CONTINUES"))
    for run in found.runs:
        cells = (
            run.run,
            run.action or "-",
            run.name or ",".join(run.models) or "-",
            _time(run.started),
            _time(run.ended),
            _state(run),
            run.outcome or "-",
            run.continues or "-",
        )
        table.add_row(*(printable(cell, 60) for cell in cells))
    if found.runs:
        console().print(table)
    more = f"; {found.more} older ones are not shown: --limit" if found.more else ""
    console(stderr=True).print(f"{len(found.runs)} runs{more}")


def print_run(found: RunReport) -> None:
    """One run: the facts, the timeline, what was left, what is missing, what next."""
    out, run = console(), found.run
    _print_facts(run)
    for words in found.scope:
        out.print(f"scope: {printable(words, 400)}")
    for entry in found.timeline:
        place = " ".join(part for part in (entry.step, entry.cluster, entry.model) if part)
        line = f"{entry.at:%H:%M:%S.%f}"[:-3] + (f" {printable(place, 200)}:" if place else "")
        out.print(f"  {line} {printable(entry.words, 400)}")
    print_explanations(found.verdicts)
    _print_end(found.left, found.gaps, found.next)


def print_abort(found: AbortReport) -> None:
    """What was released, what could not be asked, and what the run left half-done."""
    out = console()
    _print_facts(found.run)
    for lock in found.released:
        out.print(f"lock released: {printable(lock, 200)}")
    for one in found.unreachable:
        words = printable(one.reason.message, 300)
        out.print(f"out of reach: {printable(one.cluster, 60)}: {words}; a lock there expires by itself")
    _print_end(found.left, found.gaps, found.next)


def announce(plan: Plan) -> None:
    """Say on stderr what is about to happen when a run goes on."""
    if plan.action == "takedown":
        from orchestrator.cli._ordering import announce_takedown

        announce_takedown(plan)
        return
    from orchestrator.cli._acting import announce as announce_plan

    announce_plan(plan)


def _print_facts(run: RunEntry) -> None:
    out = console()
    rows = {
        "run": run.run,
        "action": f"{run.action or 'unknown'} {run.name or ''}".strip(),
        "models": ", ".join(run.models) or "-",
        "by": run.user or "-",
        "workspace": run.workspace or "-",
        "started": _time(run.started),
        "ended": _time(run.ended),
        "state": _state(run),
        "outcome": f"{run.outcome} (exit {run.exit_code})" if run.outcome else "-",
        "continues": run.continues or "-",
        "continued by": run.continued_by or "-",
    }
    for name, value in rows.items():
        out.print(f"{name:<13} {printable(value, 1000)}")


def _print_end(left: tuple[LeftItem, ...], gaps: tuple[str, ...], steps: tuple[str, ...]) -> None:
    out = console()
    for item in left:
        begun = f"{len(item.sent)} writes" + (f", {len(item.unanswered)} unanswered" if item.unanswered else "")
        verdict = item.verdict or ("cut off while rolling back" if item.rolling_back else "cut off")
        seen = f"; now {item.state}" if item.state else ""
        out.print(f"left: {printable(item.model, 60)} in {printable(item.cluster, 60)}: {verdict}, {begun}{seen}")
    for gap in gaps:
        out.print(f"missing: {printable(gap, 400)}")
    for step in steps:
        out.print(f"next: {printable(step, 1000)}")


def _state(run: RunEntry) -> str:
    return f"{run.state}, continued" if run.continued_by else run.state.value


def _time(moment: datetime | None) -> str:
    return moment.astimezone().isoformat(timespec="seconds") if moment else "-"
