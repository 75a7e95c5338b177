"""The journal of a run: append-only JSON lines, each bound to the one before by a hash, durable before it counts.

It refuses to hold secrets (what an event carries passes `core.redaction` first), to take a name for a path,
and to raise because a disk is full or read-only: then it says that it is incomplete, and the run goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orchestrator.core.events import Event, EventType
from orchestrator.core.redaction import redact
from orchestrator.core.schema import API_VERSION
from orchestrator.core.text import printable
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.evidence.private import make_private, read_kept, run_digest
from orchestrator.evidence.syncing import GroupSync

FILE_NAME: Final = "journal.jsonl"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_START: Final = "0" * 64
_NEXT: Final = "look into $ORCHESTRATOR_STATE; the command again begins a new journal"
_MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_LINE: Final = 1024 * 1024
_MAX_DATA: Final = 768 * 1024
"""Bytes of one record's data that are kept; hashes in place of secrets can make a small object a large one."""


def new_run_id(now: datetime | None = None) -> str:
    """A new identity of a run, sortable by time: `20261123T204500Z-3f9a`."""
    at = (now or datetime.now(UTC)).astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def is_run_id(text: str) -> bool:
    """Whether it has the form of a run's identity."""
    return _RUN.fullmatch(text) is not None


def run_directory(state: Path, run: str) -> Path:
    """Where a run is kept under the state folder; raises `UsageError` when `run` is no identity of a run."""
    if not is_run_id(run):
        raise UsageError("not the identity of a run", hint="it looks like 20261123T204500Z-3f9a")
    return state / "runs" / run


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record that was read back."""

    seq: int
    event: Event
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContents:
    """What a journal says, as far as it can be trusted."""

    records: tuple[JournalRecord, ...]
    """Everything up to the first damage."""
    intact_bytes: int
    """Length of the file up to there."""
    torn: bool = False
    """Whether the last line is unfinished: the process died while writing it, so nothing was sent on its strength."""
    missing: int = 0
    """Records that could not be written when they were due."""
    damage: str | None = None
    """What is wrong with the first line that cannot be trusted; None when there is none."""

    @property
    def last_hash(self) -> str:
        """Hash to which the next record is bound."""
        return self.records[-1].hash if self.records else _START

    @property
    def next_seq(self) -> int:
        """Number of the next record."""
        return self.records[-1].seq + 1 if self.records else 0


def read_journal(path: Path) -> JournalContents:
    """Read a journal and check its chain. Never raises for what is in the file; raises OrchestratorError without one.

    A torn last line is no damage; anything else that is not what was written is.
    """
    try:
        return parse_journal(read_kept(path, _MAX_BYTES))
    except ValueError:
        return JournalContents(records=(), intact_bytes=0, damage="larger than a journal can be")
    except OSError as error:
        raise OrchestratorError(f"the journal cannot be read: {error.strerror}", code="journal", hint=_NEXT) from error


def parse_journal(content: bytes) -> JournalContents:
    """What the bytes of a journal say; pure, and total over all byte strings."""
    records: list[JournalRecord] = []
    intact, previous, expected, missing = 0, _START, 0, 0
    *lines, rest = content.split(b"\n")
    damage = None
    for number, line in enumerate(lines, start=1):
        try:
            found = _parse_line(line, previous)
            if found.seq < expected:
                raise ValueError("numbered out of order")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            damage = f"line {number}: {_describe(error)}"
            break
        records.append(found)
        missing += found.seq - expected
        previous, expected = found.hash, found.seq + 1
        intact += len(line) + 1
    torn = damage is None and bool(rest)
    return JournalContents(records=tuple(records), intact_bytes=intact, torn=torn, missing=missing, damage=damage)


@contextlib.contextmanager
def open_journal(directory: Path, *, due: bool = True) -> Iterator[FileJournal]:
    """The journal of the run kept in this folder, closed at the end; where nothing is due it writes nothing at all."""
    journal = FileJournal(directory, due=due)
    try:
        yield journal
    finally:
        journal.close()


class FileJournal:
    """Writes a run's journal, from its first record on: without one, no file and no folder is left behind."""

    def __init__(self, directory: Path, *, due: bool = True) -> None:
        self.path: Final = directory / FILE_NAME
        self._due = due
        self._hide = run_digest(directory)
        self.incomplete = False
        """Whether a record could not be made durable: the evidence has a gap."""
        self.fault: str | None = None
        """Why, for people."""
        self.repaired = False
        """Whether a torn last line was cut off when the file was opened."""
        self._file: int | None = None
        self._size = 0
        self._hash = _START
        self._seq = 0
        self._sync = GroupSync(self._note)

    def record(self, event: Event) -> None:
        """Append; a disk that refuses is noted in `incomplete`, never raised.

        What is recorded outlives this process at once, and the machine after `make_durable` or `close`.
        """
        if not self._due:
            return
        try:
            self._append(event)
        except (OSError, OrchestratorError) as error:
            self._note(error)
            self._cut_back()
        finally:
            # A number is spent also when the record was lost, so that a reader sees the gap.
            self._seq += 1

    async def make_durable(self) -> None:
        """Return when everything recorded so far is on the disk; a disk that refuses is noted, never raised."""
        if self._file is not None:
            await self._sync.settle(self._file)

    def close(self) -> None:
        """Make durable and close the file; recording opens it again."""
        if self._file is not None:
            self._sync.settle_now(self._file)
            os.close(self._file)
            self._file = None

    def _append(self, event: Event) -> None:
        file = self._file if self._file is not None else self._open()
        event = replace(event, data=_bounded(redact(event.data, self._hide)))
        line, digest = _format_line(event, self._seq, self._hash)
        remaining = memoryview(line)
        while remaining:
            remaining = remaining[os.write(file, remaining) :]
        self._sync.append()
        self._size += len(line)
        self._hash = digest

    def _open(self) -> int:
        make_private(self.path.parent)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(file, 0o600)
            contents = read_journal(self.path)
            if contents.damage:
                raise OrchestratorError(f"somebody changed the journal: {contents.damage}", code="journal", hint=_NEXT)
            if contents.torn:
                os.ftruncate(file, contents.intact_bytes)
                self.repaired = True
            _sync_directory(self.path.parent)
        except BaseException:
            os.close(file)
            raise
        self._file, self._size = file, contents.intact_bytes
        self._hash, self._seq = contents.last_hash, max(self._seq, contents.next_seq)
        return file

    def _note(self, error: Exception) -> None:
        self.incomplete = True
        self.fault = self.fault or str(error)

    def _cut_back(self) -> None:
        """Remove what a failed write left of its line, or the next record would be glued to it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _canonical(value: dict[str, Any]) -> bytes:
    # ASCII only: no text of a cluster, not even a lone surrogate, can make a line that cannot be written or read.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str).encode("ascii")


def _bounded(data: dict[str, Any]) -> dict[str, Any]:
    """The data, its largest values left out and named until a reader accepts what remains as one record."""
    if len(_canonical(data)) <= _MAX_DATA // 2:
        return data
    sizes = {name: len(_canonical({name: value})) for name, value in data.items()}
    excess = sum(sizes.values()) - _MAX_DATA
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if excess <= 0:
            break
        data = {**data, name: f"[left out: {sizes[name]} bytes]"}
        excess -= sizes[name]
    return data


def _format_line(event: Event, seq: int, previous: str) -> tuple[bytes, str]:
    # In two parts, between which the hash has its place, so that nothing is written out twice.
    begin = {"apiVersion": API_VERSION, "at": event.at.isoformat(), "cluster": event.cluster, "data": dict(event.data)}
    head = _canonical(begin)[:-1]
    tail = _canonical(
        {"model": event.model, "prev": previous, "seq": seq, "step": event.step, "type": event.type.value}
    )[1:]
    digest = hashlib.sha256(b"%b,%b" % (head, tail)).hexdigest()
    return b'%b,"hash":"%b",%b\n' % (head, digest.encode(), tail), digest


def _parse_line(line: bytes, previous: str) -> JournalRecord:
    if len(line) > _MAX_LINE:
        raise ValueError("longer than a record can be")
    document = json.loads(line)
    digest = document.pop("hash")
    if document["apiVersion"] != API_VERSION:
        raise ValueError("of another version")
    if document["prev"] != previous:
        raise ValueError("not bound to the record before it")
    if hashlib.sha256(_canonical(document)).hexdigest() != digest:
        raise ValueError("changed since it was written")
    event = Event(
        type=EventType(document.pop("type")),
        at=datetime.fromisoformat(document.pop("at")),
        cluster=document.pop("cluster"),
        model=document.pop("model"),
        step=document.pop("step"),
        data=document.pop("data"),
    )
    seq = document.pop("seq")
    # Anybody can hash a line: a chain that holds does not make it one that we wrote.
    is_ours = type(seq) is int and isinstance(event.data, dict) and event.at.tzinfo is not None
    names = (event.cluster, event.model, event.step)
    if not is_ours or not all(name is None or isinstance(name, str) for name in names):
        raise ValueError("not a record")
    if document.keys() != {"apiVersion", "prev"}:
        raise ValueError("with fields that no record has")
    return JournalRecord(seq, event, digest)


def _describe(error: Exception) -> str:
    # The parser's own words may quote the file, which is hostile text.
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | KeyError | TypeError | AttributeError):
        return "not a record"
    return "nested too deeply" if isinstance(error, RecursionError) else printable(error, limit=120)
