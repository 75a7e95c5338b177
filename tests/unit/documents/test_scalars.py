"""Plain scalars are read by YAML 1.2, and what YAML 1.1 reads otherwise is quoted or refused."""

from __future__ import annotations

import pytest

from orchestrator.documents._scalars import Scalar, is_plain_string, read_plain


@pytest.mark.parametrize(
    "word", ["NO", "no", "No", "yes", "YES", "on", "off", "y", "n", "2026-06-12", "12:30", "1_000", "1.2.3", "<<", "-",
             "+", ".", "0x", "1e", "v1", "10m", "=", "0o9", "infinity", "nan"],
)  # fmt: skip
def test_it_stays_a_string(word: str) -> None:
    """`NO` is Norway, dates and times are text."""
    assert read_plain(word) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("NULL", None), ("true", True), ("TRUE", True), ("False", False),
     ("0", 0), ("-0", 0), ("+7", 7), ("42", 42), ("0o17", 15), ("0x1F", 31), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0),
     ("-1.5E-2", -0.015), ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63))],
)  # fmt: skip
def test_it_has_another_type(text: str, value: Scalar) -> None:
    """The core schema of YAML 1.2."""
    read = read_plain(text)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0644", "octal in YAML 1.1"),
        ("-07", "octal in YAML 1.1"),
        (".inf", "JSON"),
        ("-.INF", "JSON"),
        (".nan", "JSON"),
        ("1e999", "too large"),
        ("9223372036854775808", "too large"),
        ("9" * 5000, "too large"),
        ("0x" + "f" * 30, "too large"),
    ],
)
def test_it_is_refused(text: str, words: str) -> None:
    """Numbers that other tools read differently, or that JSON does not know."""
    with pytest.raises(ValueError, match=words):
        read_plain(text)


def test_only_what_would_be_read_back_is_written_plain() -> None:
    """Otherwise a label `1e3` would come back as a number."""
    assert is_plain_string("NO")
    assert not is_plain_string("1e3")
    assert not is_plain_string("0644")
    assert not is_plain_string("true")
