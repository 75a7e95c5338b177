"""What a run leaves beside its journal: `about.json` at its start, `result.json` at its end, the key of its hashes.

The journal vouches for both by their digests, so that whoever changes one has to rewrite the journal as well.
`request.json` says how it was asked and by which process: what `runs resume` needs, and no part of its evidence. It
refuses to stop a run because a disk is full: what could not be written is missing, and evidence made of it says so.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject
from orchestrator.core.redaction import redact
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.evidence.journal import FILE_NAME, FileJournal, JournalContents, is_run_id, read_journal
from orchestrator.evidence.private import make_private, read_kept, run_digest, write_new
from orchestrator.evidence.vouching import DIGEST, digest_of

ABOUT: Final = "about.json"
RESULT: Final = "result.json"
REQUEST: Final = "request.json"
_SECOND: Final = len("20261123T204500Z")
"""Length of a run's identity up to its second."""
_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything that is kept of one run."""

    run: str
    about: JsonObject | None
    """What it was to do, for whom, when; None where that is not kept."""
    result: JsonObject | None
    """Its RunResult; None where it did not come to one."""
    journal: JournalContents
    gaps: tuple[str, ...] = ()
    """What is missing or cannot be read, in words."""
    request: JsonObject | None = None
    """How it was asked, and by which process; None where that is not kept."""


def write_about(directory: Path, about: Mapping[str, Any], at: datetime | None = None) -> bool:
    """Keep what a run is about, less secrets, as the journal's first record vouches; whether that could be written.

    `at` is now, unless it is said.
    """
    return _vouch(directory, EventType.ABOUT_KEPT, _write(directory, ABOUT, about), at)


def write_result(directory: Path, result: Mapping[str, Any], at: datetime | None = None) -> bool:
    """Keep what a run came to, its RunResult as JSON, less secrets; whether that could be written.

    It is the run's last act: the journal, in which nobody else writes any more, ends with its digest. `at` is now,
    unless it is said.
    """
    return _vouch(directory, EventType.RESULT_KEPT, _write(directory, RESULT, result), at)


def write_request(directory: Path, request: Mapping[str, Any]) -> bool:
    """Keep how a run was asked and by which process, less secrets; whether that could be written."""
    return _write(directory, REQUEST, request) is not None


def forget_request(directory: Path) -> None:
    """Delete how a run was asked, where that can be done: what could not be corrected is not to be believed."""
    with contextlib.suppress(OSError):
        (directory / REQUEST).unlink(missing_ok=True)


def list_runs(state: Path) -> tuple[str, ...]:
    """Identities of all runs under the state folder, the newest first. Raises OrchestratorError when it is closed."""
    folder = state / "runs"
    try:
        found = [entry.name for entry in folder.iterdir() if is_run_id(entry.name) and _is_run(entry)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise OrchestratorError(
            f"the runs in {folder} cannot be read: {error.strerror}",
            code="state",
            hint="$ORCHESTRATOR_STATE says where runs are kept; it must be readable",
        ) from error
    return tuple(sorted(found, key=lambda name: (name[:_SECOND], _begun_at(folder / name), name), reverse=True))


def read_run(directory: Path) -> RunRecord:
    """Everything kept of the run in this folder. Raises UsageError where there is nothing of a run."""
    if not _is_run(directory):
        raise UsageError(
            f"there is no run {directory.name} on this machine",
            hint="$ORCHESTRATOR_STATE says where runs are kept; a run that had nothing to do leaves nothing",
        )
    gaps: list[str] = []
    about, result = (_read(directory / name, gaps) for name in (ABOUT, RESULT))
    journal = JournalContents(records=(), intact_bytes=0)
    if (directory / FILE_NAME).is_file():
        journal = read_journal(directory / FILE_NAME)
    else:
        gaps.append("the journal is missing")
    return RunRecord(
        run=directory.name,
        about=about,
        result=result,
        journal=journal,
        gaps=tuple(gaps),
        request=_read(directory / REQUEST, []),
    )


def read_about(directory: Path) -> JsonObject | None:
    """What a run is about; None where that is not kept."""
    return _read(directory / ABOUT, [])


def read_heads(directory: Path) -> tuple[JsonObject | None, JsonObject | None, JsonObject | None]:
    """About, request and result of a run, each None where it is not kept: all that a list of runs needs."""
    about, request, result = (_read(directory / name, []) for name in (ABOUT, REQUEST, RESULT))
    return about, request, result


def _is_run(directory: Path) -> bool:
    """Whether anything is kept there: a run that was killed at its very beginning leaves a folder, and no more."""
    return any(os.path.lexists(directory / name) for name in (FILE_NAME, ABOUT, RESULT, REQUEST))


def _begun_at(directory: Path) -> int:
    """When the run's first file was written, in nanoseconds: it tells runs of one second apart."""
    try:
        return (directory / ABOUT).stat().st_mtime_ns
    except OSError:
        return 0


def _vouch(directory: Path, kind: EventType, digest: str | None, at: datetime | None) -> bool:
    if digest is None:
        return False
    journal = FileJournal(directory)
    journal.record(Event(type=kind, at=at or datetime.now(UTC), data={DIGEST: digest}))
    journal.close()
    return not journal.incomplete


def _write(directory: Path, name: str, document: Mapping[str, Any]) -> str | None:
    """Digest of what was written, whole or not at all: a reader never finds half a file. None where it could not be."""
    kept = redact(document, run_digest(directory))
    draft = directory / f".{name}.new"
    try:
        make_private(directory)
        draft.unlink(missing_ok=True)
        content = json.dumps(kept, default=str, indent=1)
        write_new(draft, content.encode("ascii"))
        draft.replace(directory / name)
    except OSError:
        return None
    return digest_of(json.loads(content))


def _read(path: Path, gaps: list[str]) -> JsonObject | None:
    try:
        found = json.loads(read_kept(path, _MAX_BYTES))
        if isinstance(found, dict):
            return found
        raise ValueError
    except FileNotFoundError:
        gaps.append(f"{path.name} is missing")
    except (OSError, ValueError, RecursionError):
        gaps.append(f"{path.name} cannot be read")
    return None
