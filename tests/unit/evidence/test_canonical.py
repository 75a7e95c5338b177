"""One spelling per value: what RFC 8785 says, and the narrower rule for numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.canonical import MAX_DEPTH, MAX_LINE, canonical_bytes, depth_of, parse_canonical, storable
from tests.unit.nesting import nested

ANY = nested(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.characters(categories=["Cs"])),
    st.text(),
    most=4,
    max_leaves=20,
)


@given(st.dictionaries(st.text(), ANY, max_size=5))
def test_whatever_was_stored_is_read_back_from_its_line(value: dict[str, Any]) -> None:
    line = canonical_bytes(storable(value))
    assert b"\n" not in line
    assert parse_canonical(line) == storable(value)


@given(st.dictionaries(st.text(), ANY, max_size=5))
def test_storing_twice_changes_nothing(value: dict[str, Any]) -> None:
    assert storable(storable(value)) == storable(value)


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused_and_nothing_else_happens(line: bytes) -> None:
    try:
        value = parse_canonical(line)
    except ValueError:
        return
    assert canonical_bytes(value) == line


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (1.0, 1),
        (-0.0, 0),
        (0.5, 0.5),
        (1e-7, "1e-07"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ({1: (2, 3)}, {"1": [2, 3]}),
    ],
)
def test_what_a_json_number_or_text_cannot_say_becomes_text(value: Any, stored: Any) -> None:
    assert storable(value) == stored


def test_members_are_in_the_order_of_utf_16_and_text_is_not_escaped_needlessly() -> None:
    """RFC 8785, section 3.2.3: an astral character sorts by its surrogates, before U+FFFD."""
    assert canonical_bytes({"\ufffd": 1, "\U0001f600": "ü\n\x1f", "a": None}) == (
        '{"a":null,"\U0001f600":"ü\\n\\u001f","\ufffd":1}'.encode()
    )


def test_long_lines_and_deep_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        parse_canonical(b'{"a":"' + b"x" * MAX_LINE + b'"}')
    at_most: Any = {}
    for _ in range(MAX_DEPTH - 1):
        at_most = {"a": at_most}
    assert depth_of(parse_canonical(json.dumps(at_most, separators=(",", ":")).encode())) == MAX_DEPTH
    with pytest.raises(ValueError, match="deep"):
        parse_canonical(json.dumps({"a": at_most}, separators=(",", ":")).encode())
    with pytest.raises(ValueError, match="deep"):
        parse_canonical(b'{"a":' + b"[" * 100_000)
