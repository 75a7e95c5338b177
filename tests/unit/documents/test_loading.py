"""Hostile and broken YAML: an error with file and line, quickly, and nothing built."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestrator.documents._parsing import MOST_FROM_ALIASES, MOST_NESTED, parse_documents
from orchestrator.documents.loading import LARGEST_FILE, load_all, load_one
from orchestrator.documents.writing import dump
from orchestrator.errors import DocumentError
from tests.unit.documents.conftest import Refusal, Write
from tests.unit.nesting import nested

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""


def value_of(text: str) -> Any:
    (source,) = parse_documents(text, "f.yaml")
    return source.value


@contextmanager
def under_a_second() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 1


def bomb() -> str:
    """Ten levels, each of ten times the one before."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(), f"4: aliases expand to more than {MOST_FROM_ALIASES} values"),
        ("a: !!python/object/apply:os.system [id]", "1: tags are not allowed"),
        ("a: 1\nb: !custom x", "2: tags are not allowed"),
        ("a: ! x", "1: tags are not allowed"),
        ("!!map {a: 1}", "1: tags are not allowed"),
        ("a: &a [*a]", "1: alias *a contains itself"),
        ("a: 1\nb: *nowhere", "2: alias *nowhere has no anchor before it"),
        ("a: &a {b: 1}\nc:\n  <<: *a", "3: merge keys (<<) are not part of YAML 1.2"),
        ("a: 1\nb: 2\na: 3", "3: a is there already, in line 1"),
        ("a: {b: 1, b: 2}", "1: b is there already"),
        ("1: a", "1: expected a string as key: write 1 in quotes"),
        ("true: a", "1: expected a string as key: write true in quotes"),
        ("~: a", "1: expected a string as key: write null in quotes"),
        ("? [a]\n: b", "1: expected a string as key, not a mapping or list"),
        ("a:\n- 0644", "2: 0644 is octal in YAML 1.1"),
        ("a: 1\nb: \0", "2: character U+0000 is not allowed"),
        ("a: 1\n\nb: \x1b[31m", "3: character U+001B is not allowed"),
        ('a: "\\0"', "1: character U+0000 is not allowed"),
        ('a: "\\e[31m"', "1: character U+001B is not allowed"),
        ("a: \u202ebad", "1: character U+202E is not allowed"),
        ('a: "\\u2066"', "1: character U+2066 is not allowed"),
        ('"\\0": a', "1: character U+0000 is not allowed"),
        ("%YAML 1.1\n---\na: 1", "documents are YAML 1.2"),
        ("a: [1\nb: 2", "not YAML"),
        ("a: b: c", "1: not YAML"),
        ("a: 1\n\tb: 2", "2: not YAML"),
        ("[" * (MOST_NESTED + 1), f"1: nested more than {MOST_NESTED} deep"),
        ("[" * 500_000, f"1: nested more than {MOST_NESTED} deep"),
        ("{a: " * 250_000, f"1: nested more than {MOST_NESTED} deep"),
        ("- " * 500_000, f"1: nested more than {MOST_NESTED} deep"),
        ("? " * 500_000, "1: expected a string as key"),
        ("- " + "9" * 1_000_000, "1: 99999999999999999999 is too large"),
        (
            "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
            f"2: nested more than {MOST_NESTED} deep",
        ),
    ],
)
def test_hostile_or_broken_yaml_is_refused(write: Write, refusal: Refusal, text: str, words: str) -> None:
    """With the line, and in no time."""
    path = write("f.yaml", "")
    path.write_text(text, encoding="utf-8")
    with under_a_second():
        assert words in refusal(lambda: load_one(path))


class TestFiles:
    """What is read at all."""

    def test_ten_megabytes_are_refused_unread(self, tmp_path: Path, refusal: Refusal) -> None:
        """By the size of the file."""
        path = tmp_path / "big.yaml"
        path.write_bytes(b"- a\n" * (10 << 18))
        with under_a_second():
            assert "big.yaml:None: larger than 1024 KiB" in refusal(lambda: load_one(path))

    def test_the_largest_file_is_read(self, tmp_path: Path) -> None:
        """The limit itself is allowed."""
        path = tmp_path / "f.yaml"
        path.write_bytes(b"a: " + b"x" * (LARGEST_FILE - 3))
        assert len(load_one(path).value["a"]) == LARGEST_FILE - 3

    def test_not_utf_8(self, tmp_path: Path, refusal: Refusal) -> None:
        """The line is told."""
        path = tmp_path / "f.yaml"
        path.write_bytes(b"a: 1\nb: \xff\n")
        assert "f.yaml:2: not UTF-8" in refusal(lambda: load_one(path))

    def test_a_byte_order_mark_is_no_content(self, tmp_path: Path) -> None:
        """Some editors write one."""
        path = tmp_path / "f.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: 1\n")
        assert load_one(path).value == {"a": 1}

    def test_what_is_no_file(self, tmp_path: Path, refusal: Refusal) -> None:
        """A folder, nothing, a named pipe (which would block), an endless device."""
        os.mkfifo(tmp_path / "pipe")
        with under_a_second():
            assert "not a regular file" in refusal(lambda: load_one(tmp_path))
            assert "cannot be read: No such file" in refusal(lambda: load_one(tmp_path / "missing"))
            assert "not a regular file" in refusal(lambda: load_one(tmp_path / "pipe"))
            assert "not a regular file" in refusal(lambda: load_one(Path("/dev/zero")))

    def test_one_document_and_no_more(self, write: Write, refusal: Refusal) -> None:
        """A second one begins at a line."""
        assert "f.yaml:1: the file holds no document" in refusal(lambda: load_one(write("f.yaml", "# nothing\n")))
        two = write("g.yaml", "a: 1\n---\nb: 2\n")
        assert "g.yaml:3: expected one document" in refusal(lambda: load_one(two))

    def test_many_documents_where_they_are_expected(self, write: Write) -> None:
        """Manifests; scripts in them may hold escaped control characters."""
        path = write("f.yaml", '---\na: "\\e[0m"\n---\nb: 2\n')
        assert [source.value for source in load_all(path)] == [{"a": "\x1b[0m"}, {"b": 2}]


class TestValues:
    """What YAML means."""

    def test_norway(self) -> None:
        """And everything else that YAML 1.1 takes for a boolean or a date."""
        assert value_of("[NO, on, yes, 2026-06-12, 12:30, true]") == ["NO", "on", "yes", "2026-06-12", "12:30", True]

    def test_quotes_make_strings(self) -> None:
        """Whatever is in them."""
        assert value_of("['1', \"true\", '', \"0644\"]") == ["1", "true", "", "0644"]

    def test_json_is_yaml(self) -> None:
        """Manifests may be JSON."""
        assert value_of('{\n\t"a": [1, 2.5, null, true, "\\/"]\n}') == {"a": [1, 2.5, None, True, "/"]}

    def test_aliases_repeat_values(self) -> None:
        """Each use is a value of its own: changing one does not change the other."""
        value = value_of("a: &a {x: [1]}\nb: *a\n&k c: *a\n")
        assert value == {"a": {"x": [1]}, "b": {"x": [1]}, "c": {"x": [1]}}
        value["a"]["x"].append(2)
        assert value["b"] == {"x": [1]}

    def test_lines(self) -> None:
        """Of keys and of items, or of the nearest thing around."""
        (source,) = parse_documents("a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n", "f")
        assert source.line() == 1
        assert source.line("a", "b") == 2
        assert source.line("a", "b", 1) == 4
        assert source.line("a", "b", 1, "d") == 5
        assert source.line("a", "b", 7, "d") == 2
        assert source.line("a", "zzz") == 1


json_values = nested(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    st.text(),
    most=4,
    max_leaves=20,
)


@unhurried
@given(st.text() | st.text(alphabet="[]{}:,&*!|>'\"%@`#-? \n\tab01~<\\", max_size=40))
@example("*a")
@example("&a &a")
@example("- !")
@example("--- |\n a\n...\n---\n")
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    """No other error than ours ever comes out."""
    try:
        for source in parse_documents(text, "f"):
            assert source.line() >= 1
    except DocumentError as error:
        assert error.line is None or error.line >= 1


@unhurried
@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    """Whatever it looks like: words that are booleans elsewhere, numbers in quotes, lines, colons."""
    try:
        (source,) = parse_documents(dump(value), "f")
    except DocumentError as error:
        assert "is not allowed" in error.message  # control characters are never accepted
    else:
        assert source.value == value
        assert type(source.value) is type(value)


def paths_of(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (key,), inner
        yield from (((key, *path), found) for path, found in paths_of(inner))


@unhurried
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), json_values, max_size=4))
def test_every_key_and_item_is_told_at_the_line_where_it_stands(value: dict[str, Any]) -> None:
    """An error that points at the wrong line costs more than none."""
    text = dump(value)
    try:
        (source,) = parse_documents(text, "f")
    except DocumentError:
        return
    lines = text.split("\n")
    told = [source.line(*path) for path, _ in paths_of(source.value)]
    assert told == sorted(told), "in the order in which they are written"
    for key in value:
        assert lines[source.line(key) - 1].lstrip("\"'").startswith(key)


@unhurried
@given(value=json_values, cut=st.integers(0, 400))
def test_a_file_that_was_cut_off_is_refused_or_is_what_it_still_says(value: Any, cut: int) -> None:
    """An upload that broke off: never another error than ours, and never a value that was not written."""
    text = dump({"first": "whole", "then": value})
    try:
        sources = list(parse_documents(text[:cut], "f"))
    except DocumentError:
        return
    for source in sources:
        assert source.value is None or isinstance(source.value, str | dict)
        if isinstance(source.value, dict) and "then" in source.value:
            assert source.value["first"] == "whole"
