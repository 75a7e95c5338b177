"""Whatever text a cluster, a document or a file holds, no terminal obeys it: every command's tables, progress, errors.

Every printed type is filled with hostile text in every field that can hold any, and printed in every form.
"""

from __future__ import annotations

import json
import types
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import _matrix, _ordering, _plan_text, _render, _reporting, _run_tables, _running
from orchestrator.cli.app import run
from orchestrator.core.drill import DrillReport
from orchestrator.core.events import Event, EventType
from orchestrator.core.fleet_check import FleetReport
from orchestrator.core.order_report import HoldList, OrderList
from orchestrator.core.plan import Plan
from orchestrator.core.result import RunResult, StatusDocument
from orchestrator.core.run_report import AbortReport, RunList, RunReport
from orchestrator.core.text import escaped, harmless, needs_escapes, printable
from tests.unit.nesting import nested

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb\u2066\u200f\x00\r\nforged\u2028forged\x7f\ud800\U000e0041"
Print = Callable[[Any], object]


DEEPEST = 12
"""Types that hold themselves end here."""


def filled(kind: Any, depth: int = 0) -> Any:
    """A value of this type, with hostile text wherever any text may stand."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (str, Any, object):
        return HOSTILE
    if origin is Literal:
        return inner[0]
    if origin in (Union, types.UnionType):
        is_enough = depth > DEEPEST and type(None) in inner
        return None if is_enough else filled(next(one for one in inner if one is not type(None)), depth)
    if origin is tuple:
        return tuple(filled(one, depth + 1) for one in inner if one is not Ellipsis)
    return _filled_class(kind, origin or kind, inner, depth + 1)


def _filled_class(kind: Any, base: type[Any], inner: tuple[Any, ...], depth: int) -> Any:
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return base(**{one.name: filled(hints[one.name], depth) for one in fields(kind) if one.init})
    if issubclass(base, Mapping):
        keys, values = inner or (str, str)
        return {filled(keys, depth): filled(values, depth)}
    if issubclass(base, Sequence) and not issubclass(base, str):
        return [filled(one, depth) for one in inner or (str,)]
    if issubclass(base, datetime):
        return datetime(2026, 11, 23, tzinfo=UTC)
    return next(iter(base)) if issubclass(base, Enum) else base(1)


def is_harmful(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def check_harmless(text: str) -> None:
    assert text, "nothing was printed"
    assert sorted({f"U+{ord(one):04X}" for one in text if is_harmful(one)}) == []
    # A line of its own would pass for one of ours.
    assert not any(line.startswith("forged") for line in text.splitlines())


def _shown(value: Any) -> None:
    with _matrix.shown_matrix() as show:
        show(value)


TABLES: dict[str, tuple[type[Any], Print]] = {
    "status": (StatusDocument, lambda value: _render.print_result(value, "table")),
    "run": (RunResult, lambda value: _render.print_result(value, "table")),
    "watch, as lines": (StatusDocument, _shown),
    "fleet check": (FleetReport, _render.print_fleet_report),
    "plan": (Plan, lambda value: _plan_text.print_plan(value, _settings())),
    "takedown, before": (Plan, _ordering.announce_takedown),
    "takedown, after": (RunResult, lambda value: _ordering.point_onwards(value, HOSTILE)),
    "drill": (DrillReport, _ordering.print_drill),
    "hold list": (HoldList, _reporting.print_holds),
    "orders show": (OrderList, lambda value: _reporting.print_orders(value, "table", whole=True)),
    "runs list": (RunList, _run_tables.print_runs),
    "runs show": (RunReport, _run_tables.print_run),
    "runs abort": (AbortReport, _run_tables.print_abort),
}


def _settings() -> Any:
    from orchestrator.cli._settings import Settings

    return Settings(Path())


@pytest.mark.parametrize("name", TABLES)
def test_no_table_hands_hostile_text_to_the_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind, show = TABLES[name]
    show(filled(kind))
    said = capsys.readouterr()
    check_harmless(said.out + said.err)


@pytest.mark.parametrize("kind", list(dict.fromkeys(kind for kind, _ in TABLES.values() if kind is not Plan)))
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_documents_are_the_data_itself_and_harmless_to_look_at(
    kind: type[Any], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For machines nothing is replaced: what a terminal would obey is escaped, and parses to what it was."""
    value = filled(kind)
    _render.print_document(value, form)
    text = capsys.readouterr().out
    assert not any(is_harmful(one) for one in text)
    read = json.loads(text) if form == "json" else yaml.safe_load(text.replace("\\uD800", "?"))
    expected = _render.as_json(value)
    assert read == (expected if form == "json" else json.loads(json.dumps(expected).replace("\\ud800", "?")))


@pytest.mark.parametrize("kind", EventType)
def test_no_progress_hands_hostile_text_to_the_terminal(kind: EventType, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("object", "verb", "verdict", "clusters", "failure", "words", "reason", "state")
    data = {**dict.fromkeys(names, HOSTILE), "reasons": [HOSTILE], "seconds": 1.0, "replicas": HOSTILE}
    event = Event(
        type=kind, at=datetime(2026, 11, 23, tzinfo=UTC), cluster=HOSTILE, model=HOSTILE, step=HOSTILE, data=data
    )
    _running.lines_of_progress()(event)
    said = capsys.readouterr()
    if said.out + said.err:
        check_harmless(said.out + said.err)


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("status", HOSTILE),
        ("enable", HOSTILE.replace("\0", ""), "--all"),
        (HOSTILE,),
        ("plan", HOSTILE),
        ("plan", HOSTILE.replace("\0", "")),
        ("apply", HOSTILE.replace("\0", "").replace("\ud800", "\udc80")),
        ("runs", "show", HOSTILE),
        ("runs", "show", "../../x"),
        ("evidence", "export", HOSTILE),
        ("enable", "m", "--override", HOSTILE, "--all"),
        ("enable", "m", "--soak", HOSTILE, "--all"),
        ("takedown", "--order", HOSTILE.replace("\0", "").replace("\ud800", "\udc80")),
        ("schema", HOSTILE),
        ("hold", "lift", HOSTILE),
    ],
    ids=lambda arguments: " ".join(arguments)[:20].encode("ascii", "replace").decode() if arguments else "",
)
def test_errors_quote_harmlessly_whatever_was_typed(
    arguments: tuple[str, ...], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments come from scripts and file names as often as from fingers; each is an error, never a traceback."""
    code = run(["-C", str(tmp_path), *arguments, "-o", form])
    said = capsys.readouterr()
    assert code == 2
    if form == "table" or not said.out:
        check_harmless(said.out + said.err)
    else:
        assert not any(is_harmful(one) for one in said.out)
        document = (json.loads if form == "json" else yaml.safe_load)(said.out)
        assert (document["kind"], document["exitCode"]) == ("Error", 2)


@given(st.text())
def test_every_text_is_one_harmless_line(text: str) -> None:
    for line in (printable(text), harmless(text)):
        assert not any(is_harmful(one) or one == "\n" for one in line)
    assert printable(printable(text)) == printable(text)


@given(nested(st.text(), st.text(), max_leaves=5))
def test_escaping_changes_no_data(value: Any) -> None:
    text = escaped(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not needs_escapes(text)
    assert not any(is_harmful(one) for one in text)
