"""The evidence of one run as lines of canonical JSON, each bound to the one before by its hash.

header · events of the journal · items, regions, channels and result of the run · end · envelope. The end holds the
count and the hash of the record before it; the envelope holds the end once more, with the signature, so that a change
of any byte of the file contradicts another. It refuses to keep secrets, and to be silent on what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject
from orchestrator.core.redaction import Digest, redact
from orchestrator.core.schema import API_VERSION
from orchestrator.core.text import printable
from orchestrator.evidence.canonical import MAX_LINE, canonical_bytes, storable
from orchestrator.evidence.journal import JournalRecord
from orchestrator.evidence.run_record import RunRecord
from orchestrator.evidence.signing import SigningKey, envelope_of
from orchestrator.evidence.timeline import TIMES, regions_of
from orchestrator.evidence.vouching import contradictions

KIND: Final = "Evidence"
START: Final = "0" * 64
"""What stands for the hash of a record before the first."""


def bundle_lines(record: RunRecord, hide: Digest, at: datetime, key: SigningKey | None = None) -> Iterator[bytes]:
    """The lines of a run's evidence, each with its end; without a key it is not signed.

    `hide` replaces secrets, `at` is the time of the export.
    """
    chain = _Chain(hide)
    gaps = gaps_of(record)
    yield chain.line("header", at.isoformat(), _header(record, gaps, key))
    header = chain.head
    for event in record.journal.records:
        yield chain.line("event", event.event.at.isoformat(), **_event(event))
    yield from _result_lines(chain, record, at.isoformat())
    gaps = (*gaps, *chain.omitted)
    end = {"count": chain.seq, "head": chain.head, "header": header, "complete": not gaps, "gaps": list(gaps)}
    last = chain.line("end", at.isoformat(), end)
    yield last
    yield canonical_bytes(envelope_of(last.removesuffix(b"\n"), key)) + b"\n"


def gaps_of(record: RunRecord) -> tuple[str, ...]:
    """What is missing of a run's evidence, in words; empty when everything is there."""
    journal = record.journal
    gaps = list(record.gaps)
    if journal.damage:
        gaps.append(f"the journal cannot be trusted beyond {len(journal.records)} records: {journal.damage}")
    if journal.missing:
        gaps.append(f"{journal.missing} records could not be written to the journal")
    if journal.torn:
        gaps.append("the journal ends within a record: the run was cut off while it wrote")
    if not any(one.event.type is EventType.RUN_ENDED for one in journal.records):
        gaps.append("the journal does not tell of the run's end")
    gaps += contradictions(record.about, record.result, journal)
    error = (record.result or {}).get("error")
    if isinstance(error, dict) and error.get("code") == "evidence-incomplete":
        gaps.append(f"the run itself says that its journal has a gap: {printable(error.get('message'), 200)}")
    return tuple(gaps)


class _Chain:
    """Numbers records and binds each to the one before."""

    def __init__(self, hide: Digest) -> None:
        self.seq = 0
        self.head = START
        self.omitted: list[str] = []
        self._hide = hide

    def line(self, kind: str, at: str, data: Mapping[str, Any], **place: str) -> bytes:
        """The next record, without secrets."""
        record = {"seq": self.seq, "prev": self.head, "type": kind, "at": at, **place}
        content = canonical_bytes(storable({**record, "data": redact(data, self._hide)}))
        if len(content) > MAX_LINE:
            self.omitted.append(f"record {self.seq} is larger than a record can be")
            digest = hashlib.sha256(content).hexdigest()
            content = canonical_bytes(storable({**record, "data": {"omitted": len(content), "sha256": digest}}))
        self.seq += 1
        self.head = hashlib.sha256(content).hexdigest()
        return content + b"\n"


def _header(record: RunRecord, gaps: tuple[str, ...], key: SigningKey | None) -> JsonObject:
    return {
        **(record.about or {}),
        "apiVersion": API_VERSION,
        "kind": KIND,
        "run": record.run,
        "journal": {
            "records": len(record.journal.records),
            "missing": record.journal.missing,
            "torn": record.journal.torn,
            "damage": record.journal.damage,
            "head": record.journal.last_hash,
        },
        "complete": not gaps,
        "gaps": list(gaps),
        "signer": key.public.to_document() if key else None,
    }


def _event(record: JournalRecord) -> dict[str, Any]:
    event = record.event
    place = {"cluster": event.cluster, "model": event.model, "step": event.step}
    named = {name: value for name, value in place.items() if value is not None}
    return {"data": {"event": event.type.value, "journalSeq": record.seq, "data": dict(event.data)}, **named}


def _result_lines(chain: _Chain, record: RunRecord, at: str) -> Iterator[bytes]:
    result = record.result
    if result is None:
        return
    received = (record.about or {}).get("orderReceived")
    items = [one for one in _listed(result.get("items")) if isinstance(one, dict)]
    for item in items:
        times = item.get("times")
        known = times if isinstance(times, dict) else {}
        yield chain.line("item", at, {**item, "times": {TIMES[0]: received, **known}})
    for region in regions_of(items, received):
        yield chain.line("region", at, region)
    for channel in _listed(result.get("channels")):
        yield chain.line("channel", at, {"channel": channel})
    rest = {name: value for name, value in result.items() if name not in ("items", "channels")}
    yield chain.line("result", at, {**rest, "unproven": [_unproven(one) for one in items if not _is_proven(one)]})


def _is_proven(item: JsonObject) -> bool:
    return item.get("verdict") == "verified"


def _unproven(item: JsonObject) -> JsonObject:
    codes = [one.get("code") for one in _listed(item.get("reasons")) if isinstance(one, dict)]
    return {**{name: item.get(name) for name in ("model", "cluster", "region", "verdict")}, "codes": codes}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
