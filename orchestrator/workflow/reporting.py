"""A report of a run: made of what the run left on this machine, and of nothing else; no cluster is asked."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator import evidence
from orchestrator.core.text import printable
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.evidence.report import ReportView, Sealed, html_of, markdown_of, view_of
from orchestrator.geo.jurisdictions import load_jurisdictions

_MAX_BUNDLE = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a run, ready to be written in either form."""

    view: ReportView

    @property
    def is_whole(self) -> bool:
        """Whether the run's record is complete and nothing in it contradicts anything."""
        return not self.view.doubts

    def html(self) -> str:
        """One page that needs nothing else."""
        return html_of(self.view)

    def markdown(self) -> str:
        """The same in Markdown."""
        return markdown_of(self.view)


def make_report(state: Path, run: str, bundle: Path | None = None) -> Report:
    """Read a run; with `bundle`, say of that evidence file what it is worth.

    Raises UsageError when there is no such run, or the file is not intact evidence of exactly this run.
    """
    record = evidence.read_run(evidence.run_directory(state, run))
    sealed = _sealed(bundle, record) if bundle else None
    return Report(view_of(record, load_jurisdictions().countries, sealed))


def latest_run(state: Path) -> str:
    """The run that began last on this machine. Raises UsageError where none is kept."""
    if runs := evidence.list_runs(state):
        return runs[0]
    raise UsageError(
        "no run is kept on this machine",
        hint="$ORCHESTRATOR_STATE says where runs are kept; a run that had nothing to do leaves nothing",
    )


def write_report(target: Path, content: str) -> None:
    """Write a report to a new file of mode 0600. Raises UsageError when the file exists, OrchestratorError else."""
    try:
        evidence.write_new(target, content.encode())
    except FileExistsError as error:
        raise UsageError(f"{target} exists already", hint="name another file; a report never replaces one") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            target.unlink()
        raise OrchestratorError(
            f"{target} cannot be written: {error.strerror}", code="report", hint="name a file that can be written"
        ) from error


def _sealed(bundle: Path, record: evidence.RunRecord) -> Sealed:
    content = _read(bundle)
    found = evidence.verify_bundle(io.BytesIO(content), str(bundle))
    if found.integrity != "intact":
        raise UsageError(f"{bundle} is not intact evidence", hint=f"`orchestrator evidence verify {bundle}` says why")
    # Intact says only that its parts hang together: anybody can make such a file and give it this run's name.
    header = json.loads(content.partition(b"\n")[0])["data"]
    journal = header.get("journal")
    head = journal.get("head") if isinstance(journal, dict) else None
    if found.run != record.run or head != record.journal.last_hash:
        raise UsageError(
            f"{bundle} is evidence of another run, or of another journal than the one kept here",
            hint="export it anew: `orchestrator evidence export RUN --key FILE`",
        )
    return Sealed(
        name=printable(bundle.name, 200),
        sha256=hashlib.sha256(content).hexdigest(),
        integrity=found.integrity,
        authenticity=found.authenticity,
        signer=found.signer,
    )


def _read(bundle: Path) -> bytes:
    try:
        # Never wait for a pipe that somebody named like a bundle.
        with os.fdopen(os.open(bundle, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            content = stream.read(_MAX_BUNDLE + 1)
    except OSError as error:
        raise UsageError(f"{bundle} cannot be read: {error.strerror}", hint="name a file that can be read") from error
    if content is None or len(content) > _MAX_BUNDLE:
        raise UsageError(f"{bundle} is no evidence file", hint="name a file that `orchestrator evidence export` wrote")
    return content
