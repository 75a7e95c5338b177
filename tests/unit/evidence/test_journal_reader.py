"""The journal's reader, against files that crashed processes leave and liars write: never a record that was not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.events import EventType
from orchestrator.core.schema import API_VERSION
from orchestrator.evidence.journal import JournalRecord, parse_journal
from tests.unit.evidence.test_journal import event, journal_with
from tests.unit.nesting import nested

START = "0" * 64
AT = "2026-11-23T20:45:00+00:00"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A real journal of six records."""
    return journal_with(tmp_path_factory.mktemp("journal"), 6).path.read_bytes()


def line(previous: str = START, **fields: Any) -> bytes:
    """A line whose hash is right, whatever it says: hashing needs no secret."""
    document = {
        "apiVersion": API_VERSION,
        "seq": 0,
        "at": AT,
        "type": "sending",
        "cluster": None,
        "model": None,
        "step": None,
        "data": {},
        "prev": previous,
        **fields,
    }
    plain = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return (
        json.dumps(
            {**document, "hash": hashlib.sha256(plain).hexdigest()}, sort_keys=True, separators=(",", ":")
        ).encode()
        + b"\n"
    )


def test_cut_at_every_byte_it_is_whole_or_torn_and_believes_only_whole_lines(written: bytes) -> None:
    """Whatever a crash left: every line that is complete, in order, and nothing of the one that is not."""
    whole = parse_journal(written).records
    assert [record.event for record in whole] == [event(number) for number in range(6)]
    for length in range(len(written) + 1):
        contents = parse_journal(written[:length])
        complete = written[:length].count(b"\n")
        assert contents.records == whole[:complete]
        assert contents.damage is None
        assert contents.torn is (not written[:length].endswith(b"\n") and length > 0)
        assert contents.intact_bytes == written[:length].rfind(b"\n") + 1


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_spliced_doubled_or_overwritten_it_never_tells_what_was_not_written(
    written: bytes, data: st.DataObject
) -> None:
    """A piece taken out, put elsewhere, or replaced: what is still believed is a beginning of what was written."""
    whole = parse_journal(written).records
    ends = st.integers(0, len(written))
    first, second = sorted((data.draw(ends), data.draw(ends)))
    piece = data.draw(st.sampled_from([b"", written[first:second] * 2]) | st.binary(max_size=40))
    place = data.draw(st.sampled_from([first, 0, len(written)]))
    rest = written[:first] + written[second:]
    contents = parse_journal(rest[:place] + piece + rest[place:])
    assert contents.records == whole[: len(contents.records)]


_JSON = nested(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10), st.text(max_size=5), max_leaves=5
)


@settings(deadline=None, max_examples=150)
@given(
    fields=st.dictionaries(
        st.sampled_from(["seq", "at", "type", "cluster", "model", "step", "data", "apiVersion", "prev", "more"]),
        _JSON | st.sampled_from([AT, START, *EventType]),
        max_size=3,
    )
)
def test_a_well_hashed_line_is_a_record_of_the_right_types_or_damage(fields: dict[str, Any]) -> None:
    """Whoever reads records further on may rely on what their types say."""
    contents = parse_journal(line(**fields))
    assert bool(contents.damage) is not bool(contents.records)
    for record in contents.records:
        check_types(record)


def check_types(record: JournalRecord) -> None:
    assert type(record.seq) is int
    assert isinstance(record.event.data, dict)
    assert record.event.at.utcoffset() is not None
    for name in (record.event.cluster, record.event.model, record.event.step):
        assert name is None or isinstance(name, str)


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": True},
        {"seq": 1.0},
        {"at": "2026-11-23T20:45:00"},
        {"at": "2026-11-23"},
        {"cluster": {"a": 1}},
        {"model": ["m"]},
        {"step": 5},
        {"more": 1},
    ],
    ids=str,
)
def test_a_line_of_wrong_types_is_damage(fields: dict[str, Any]) -> None:
    assert parse_journal(line(**fields)).damage


def test_a_well_hashed_line_is_read() -> None:
    """So that the tests above refuse lines for what they say, not for how they are made."""
    assert parse_journal(line(cluster="eu-west-1a")).records[0].event.cluster == "eu-west-1a"


def test_damage_is_told_in_harmless_words(tmp_path: Path) -> None:
    """The file's own text is hostile: none of it reaches a terminal as it is."""
    for content in (line(type="\x1b]0;x\x07\u202e"), b"\x1b[31m\n", line(at="\x9b31m")):
        damage = parse_journal(content).damage
        assert damage is not None
        assert damage.isprintable()
