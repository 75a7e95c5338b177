"""Fuzzes the journal's reader: any bytes are records of the right types, a torn end or damage, and nothing else.

Every input is read twice: as it is, and with its hashes set right, for anybody can set them right.
Called by `run.py`; the arguments are libFuzzer's.
"""

from __future__ import annotations

import hashlib
import json
import sys

import atheris

with atheris.instrument_imports(include=["orchestrator.evidence", "orchestrator.core"]):
    from orchestrator.evidence.journal import JournalContents, parse_journal

START = "0" * 64


def read(content: bytes) -> None:
    """One execution."""
    check(content, parse_journal(content))
    chained = rechained(content)
    check(chained, parse_journal(chained))


def rechained(content: bytes) -> bytes:
    """The same lines, each bound to the one before, so that the reader looks beyond the hashes."""
    lines, previous = [], START
    for line in content.split(b"\n"):
        try:
            document = json.loads(line)
            del document["hash"]
            document["prev"] = previous
            plain = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
            previous = hashlib.sha256(plain).hexdigest()
            lines.append(json.dumps({**document, "hash": previous}, sort_keys=True, separators=(",", ":")).encode())
        except (ValueError, TypeError, KeyError, RecursionError):
            lines.append(line)
    return b"\n".join(lines)


def check(content: bytes, contents: JournalContents) -> None:
    """What is believed is whole lines from the beginning, and reading only those says the same."""
    assert 0 <= contents.intact_bytes <= len(content), "more than there is"
    assert not (contents.torn and contents.damage), "torn and damaged"
    intact = content[: contents.intact_bytes]
    assert intact.count(b"\n") == len(contents.records), "a record that is no line"
    again = parse_journal(intact)
    # A value that is not equal to itself (NaN) may be within: the hashes say that the records are the same.
    assert [record.hash for record in again.records] == [record.hash for record in contents.records], "other records"
    assert not again.damage and not again.torn, "intact, but not when read alone"
    assert contents.damage is None or contents.damage.isprintable(), "hostile text in a message"
    for record in contents.records:
        assert record.event.at.utcoffset() is not None, "a time without its zone"
        names = (record.event.cluster, record.event.model, record.event.step)
        assert all(name is None or isinstance(name, str) for name in names), "a name that is no text"


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
