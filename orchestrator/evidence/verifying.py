"""Checks an evidence bundle, offline: every byte, every link, the end, the signature. Total over all files.

It refuses to believe anything that a damaged bundle says of itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from orchestrator.core.evidence import Authenticity, EvidenceReport
from orchestrator.core.objects import JsonObject
from orchestrator.core.result import exit_code_of, outcome_of
from orchestrator.core.schema import API_VERSION
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.evidence.bundle import KIND, START
from orchestrator.evidence.canonical import MAX_LINE, parse_canonical
from orchestrator.evidence.signing import PublicKey, check_envelope, read_public_key

MAX_BUNDLE: Final = 256 * 1024 * 1024


@dataclass(slots=True)
class _Found:
    """What was read so far."""

    header: JsonObject = field(default_factory=dict)
    header_hash: str = START
    end: JsonObject | None = None
    last: bytes = b""
    head: str = START
    records: int = 0
    bytes: int = 0
    line: int = 0
    gaps: list[str] = field(default_factory=list)


def verify_bundle(stream: BinaryIO, name: str, key: PublicKey | None = None) -> EvidenceReport:
    """What is to be thought of a bundle; `key` is the one that must have signed it. Raises OSError only."""
    found = _Found()
    try:
        signer = _read(stream, found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        words = printable(error) if isinstance(error, ValueError) else "not a record as it should be"
        place = f"line {found.line}: {words}"
        return _report(name, found, damage=place)
    return _report(name, found, signer=signer, key=key)


def _read(stream: BinaryIO, found: _Found) -> PublicKey | None:
    """Read to the very end; raises ValueError at the first thing that is not as it was written."""
    while found.end is None:
        line = _next_line(stream, found)
        _accept(parse_canonical(line), line, found)
    envelope = parse_canonical(_next_line(stream, found, limit=4 * MAX_LINE), limit=4 * MAX_LINE)
    signer = found.header["data"]["signer"]
    public = None if signer is None else read_public_key(signer)
    check_envelope(envelope, found.last, public)
    if stream.read(1):
        found.line += 1
        raise ValueError("something follows the envelope")
    return public


def _next_line(stream: BinaryIO, found: _Found, limit: int = MAX_LINE) -> bytes:
    found.line += 1
    line = stream.readline(limit + 2)
    found.bytes += len(line)
    if found.bytes > MAX_BUNDLE:
        raise ValueError("larger than a bundle can be")
    if not line:
        raise ValueError("the bundle ends here, before its end")
    if not line.endswith(b"\n"):
        raise ValueError("longer than a record can be" if len(line) > limit else "the bundle ends within a line")
    return line[:-1]


def _accept(record: JsonObject, line: bytes, found: _Found) -> None:
    if type(record["seq"]) is not int or record["seq"] != found.records:
        raise ValueError("numbered out of order")
    if record["prev"] != found.head:
        raise ValueError("not bound to the record before it, which was changed, or this one was")
    if not isinstance(record["at"], str) or not isinstance(record["data"], dict):
        raise ValueError("not a record as it should be")
    if (record["type"] == "header") != (found.records == 0):
        raise ValueError("a bundle begins with its header, and has one only")
    before = found.head
    found.records, found.head, found.last = found.records + 1, hashlib.sha256(line).hexdigest(), line
    if record["type"] == "header":
        _accept_header(record, found)
    elif record["type"] == "end":
        _accept_end(record, found, before)


def _accept_header(record: JsonObject, found: _Found) -> None:
    data = record["data"]
    if (data["apiVersion"], data["kind"]) != (API_VERSION, KIND):
        raise ValueError(f"no {KIND} of {API_VERSION}")
    found.header, found.header_hash = record, found.head


def _accept_end(record: JsonObject, found: _Found, before: str) -> None:
    data = record["data"]
    if type(data["count"]) is not int or data["count"] != record["seq"]:
        raise ValueError("it holds another number of records than it says")
    if (data["head"], data["header"]) != (before, found.header_hash):
        raise ValueError("its end belongs to other records")
    if type(data["complete"]) is not bool or not isinstance(data["gaps"], list):
        raise ValueError("its end does not say whether it is complete")
    found.end = record
    found.gaps = [printable(gap, 300) for gap in data["gaps"]]
    if not data["complete"] and not found.gaps:
        found.gaps = ["something is missing, and it does not say what"]


def _report(
    name: str,
    found: _Found,
    *,
    damage: str | None = None,
    signer: PublicKey | None = None,
    key: PublicKey | None = None,
) -> EvidenceReport:
    if damage is not None:
        reason = Reason(code="damaged", message=f"the bundle is damaged: {damage}")
        return EvidenceReport(
            file=name,
            records=found.records,
            integrity="damaged",
            authenticity="unchecked",
            complete=False,
            reasons=(reason,),
            outcome=outcome_of(1),
            exit_code=1,
        )
    authenticity, verdict, reasons = _authenticity(signer, key)
    code = exit_code_of((verdict, Verdict.UNVERIFIED if found.gaps else Verdict.VERIFIED))
    about = found.header["data"]
    said = {field: about.get(field) for field in ("run", "action", "orderName", "orderDigest")}
    texts = {field: value if isinstance(value, str) else None for field, value in said.items()}
    return EvidenceReport(
        file=name,
        run=texts["run"],
        action=texts["action"],
        order=texts["orderName"],
        order_digest=texts["orderDigest"],
        records=found.records,
        head=found.head,
        integrity="intact",
        authenticity=authenticity,
        signer=signer.keyid if signer else None,
        complete=not found.gaps,
        reasons=(*reasons, *(Reason(code="incomplete", message=gap) for gap in found.gaps)),
        outcome=outcome_of(code),
        exit_code=code,
    )


def _authenticity(signer: PublicKey | None, key: PublicKey | None) -> tuple[Authenticity, Verdict, tuple[Reason, ...]]:
    if signer is None:
        words = "integrity only, not authenticity: nobody signed it, so anybody can have written all of it"
        return "unsigned", Verdict.UNVERIFIED, (Reason(code="unsigned", message=words),)
    if key is None:
        words = (
            f"integrity only, not authenticity: signed by key {signer.keyid}, and no --public-key to compare it with"
        )
        return "unchecked", Verdict.UNVERIFIED, (Reason(code="signer-unchecked", message=words),)
    if signer != key:
        words = f"signed by key {signer.keyid}, which is not the one given, {key.keyid}"
        return "refused", Verdict.FAILED, (Reason(code="wrong-key", message=words),)
    return "verified", Verdict.VERIFIED, ()
