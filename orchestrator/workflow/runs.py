"""The runs that this machine keeps: which there were, how they ended, who continues whom, what they left.

It looks at the state folder alone. What it reads there may be torn, changed or missing: that is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator import evidence
from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.result import Outcome
from orchestrator.core.run_report import (
    RunEntry,
    RunList,
    RunState,
)
from orchestrator.core.text import printable
from orchestrator.errors import UsageError
from orchestrator.workflow.asked import UNBEGUN, Asked, from_kept
from orchestrator.workflow.processes import lives

_NOTHING_KEPT = "$ORCHESTRATOR_STATE says where runs are kept; a run that had nothing to do leaves nothing"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """One run of the state folder."""

    entry: RunEntry
    record: evidence.RunRecord
    asked: Asked | None
    """How it was asked; None where that is not kept, or cannot be believed."""
    holder: str | None
    """What its locks are held by."""
    pid: int | None
    has_begun: bool
    """Whether it may have sent anything: False only where it was cut off before the first record of its journal."""


def list_runs(state: Path, limit: int) -> RunList:
    """The newest runs, and how many older ones there are. Raises OrchestratorError."""
    names = evidence.list_runs(state)
    after = _successors(state, names)
    shown = tuple(_entry(state, name, after.get(name)) for name in names[:limit])
    return RunList(runs=shown, more=max(0, len(names) - limit))


def find_run(state: Path, given: str | None) -> str:
    """The run of this identity, or of a beginning or end of one that no other has; None for the newest.

    Raises UsageError when there is none, or more than one.
    """
    names = evidence.list_runs(state)
    if given is None:
        if not names:
            raise UsageError("there is no run on this machine", hint=_NOTHING_KEPT)
        return names[0]
    found = [name for name in names if name == given] or [
        name for name in names if given and (name.startswith(given) or name.endswith(given))
    ]
    if not found:
        raise UsageError(f"there is no run {printable(given, 60)} on this machine", hint="`orchestrator runs list`")
    if len(found) > 1:
        few = ", ".join(found[:5])
        raise UsageError(f"{printable(given, 60)} may be any of {len(found)} runs", hint=f"say which: {few}")
    return found[0]


def read_kept(state: Path, run: str) -> KeptRun:
    """Everything that is kept of one run. Raises UsageError when nothing is."""
    record = evidence.read_run(evidence.run_directory(state, run))
    after = _successors(state, evidence.list_runs(state)).get(run)
    process = dig(record.request, "process", default={})
    holder, pid = dig(process, "holder"), dig(process, "pid")
    return KeptRun(
        entry=_entry(state, run, after, record),
        record=record,
        asked=from_kept(record.request),
        holder=holder if isinstance(holder, str) else None,
        pid=pid if isinstance(pid, int) else None,
        has_begun=bool(record.journal.records) or dig(record.request, UNBEGUN) is not True,
    )


def chain_of(state: Path, run: str) -> tuple[KeptRun, ...]:
    """The runs that this one belongs to: from the first that was cut off to the newest that continues it."""
    names = evidence.list_runs(state)
    after = _successors(state, names)
    newest, seen = run, {run}
    while (next_one := after.get(newest)) is not None and next_one not in seen:
        newest = next_one
        seen.add(newest)
    chain = [read_kept(state, newest)]
    seen = {newest}
    while (before := chain[0].entry.continues) in names and before is not None and before not in seen:
        chain.insert(0, read_kept(state, before))
        seen.add(before)
    return tuple(chain)


def _successors(state: Path, names: Iterable[str]) -> dict[str, str]:
    """By run: the newest one that says that it continues it."""
    found: dict[str, str] = {}
    for name in reversed(list(names)):
        before = _continued(evidence.read_about(evidence.run_directory(state, name)), name)
        if before is not None:
            found[before] = name
    return found


def _continued(about: JsonObject | None, run: str) -> str | None:
    """The run that this one says it continues; a later one, or itself, it cannot."""
    before = dig(about, "continues")
    if not isinstance(before, str) or not evidence.is_run_id(before) or before == run:
        return None
    # Both may have begun within one second; what follows in the names is chance.
    return before if before.partition("-")[0] <= run.partition("-")[0] else None


def _entry(state: Path, run: str, after: str | None, record: evidence.RunRecord | None = None) -> RunEntry:
    directory = evidence.run_directory(state, run)
    about, request, result = (record.about, record.request, record.result) if record else evidence.read_heads(directory)
    started = _time(dig(about, "startedAt")) or _time_of(run)
    stage, ended = _stage(directory, request, result, record)
    if result is not None and started is not None and ended is None:
        seconds = result.get("seconds")
        ended = _after(started, seconds)
    code = dig(result, "exitCode")
    return RunEntry(
        run=run,
        action=harmless(dig(about, "action") or dig(result, "action")),
        name=harmless(dig(about, "orderName") or dig(about, "name")),
        models=tuple(printable(name, 100) for name in listed(dig(about, "models")) if isinstance(name, str)),
        state=stage,
        outcome=_outcome(dig(result, "outcome")),
        exit_code=code if isinstance(code, int) else None,
        started=started,
        ended=ended,
        user=harmless(dig(about, "localUser")),
        workspace=harmless(dig(request, "asked", "workspace"), 1000),
        continues=_continued(about, run),
        continued_by=after,
    )


def _stage(
    directory: Path, request: JsonObject | None, result: JsonObject | None, record: evidence.RunRecord | None
) -> tuple[RunState, datetime | None]:
    """How far it came, and the time of its last record where that tells when it ended."""
    interrupted = dig(result, "outcome") == Outcome.INTERRUPTED.value
    if result is not None and not interrupted:
        return RunState.ENDED, None
    journal = (record or evidence.read_run(directory)).journal.records
    last = journal[-1].event if journal else None
    if last is not None and last.type is EventType.RUN_ENDED and last.data.get("aborted"):
        return RunState.ABORTED, last.at
    if interrupted:
        return RunState.INTERRUPTED, None
    alive = lives(dig(request, "process"))
    if alive:
        return RunState.RUNNING, None
    return (RunState.UNKNOWN if alive is None else RunState.DIED), last.at if last else None


def _outcome(value: object) -> Outcome | None:
    try:
        return Outcome(str(value))
    except ValueError:
        return None


def listed(value: object) -> list[Any]:
    """A list as it was kept; an empty one for anything else."""
    return value if isinstance(value, list) else []


def harmless(value: object, limit: int = 200) -> str | None:
    """A text as it was kept, safe to be printed; None for anything else."""
    return printable(value, limit) if isinstance(value, str) else None


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _time_of(run: str) -> datetime | None:
    return _time(f"{run[:4]}-{run[4:6]}-{run[6:8]}T{run[9:11]}:{run[11:13]}:{run[13:15]}+00:00")


def _after(started: datetime, seconds: Any) -> datetime | None:
    try:
        return started + timedelta(seconds=seconds) if isinstance(seconds, int | float) else None
    except (OverflowError, ValueError):
        return None
