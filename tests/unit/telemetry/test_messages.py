"""What a notification says, and what it never says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.core.audience import Beginning
from orchestrator.core.order import About, Order
from orchestrator.core.result import Outcome, ResultItem, RunResult, Times
from orchestrator.core.verdict import Reason, State, Verdict, Want
from orchestrator.telemetry.measures import Measure, measures_of, phases_of
from orchestrator.telemetry.messages import on_beginning, on_result

AT = datetime(2026, 6, 12, 17, 21, tzinfo=UTC)
ORDER = Order(
    name="directive-2026-06-12",
    authority="Bureau of Examples",
    reference="EX-1",
    models=("fable-5",),
    about=About(everyone=True),
    contact="desk@models.example",
    notice="Off by order.",
)


def beginning(order: Order = ORDER, clusters: int = 2) -> Beginning:
    names = tuple(f"c{number}" for number in range(clusters))
    return Beginning(
        run="20260612T172100Z-3f9a",
        action="takedown",
        at=AT,
        fleet="production",
        models=("fable-5",),
        clusters=names,
        rehearsal=False,
        is_due=True,
        words=order.public_words,
    )


def item(cluster: str, verdict: Verdict, times: Times | None = None) -> ResultItem:
    return ResultItem(
        model="fable-5",
        cluster=cluster,
        region="eu",
        country="DE",
        want=Want.DISABLED,
        state=State.DISABLED,
        verdict=verdict,
        reasons=(Reason(code="held", message="kept off by directive-2026-06-12, by Bureau of Examples"),),
        times=times or Times(),
    )


def result(*items: ResultItem, outcome: Outcome = Outcome.UNPROVEN) -> RunResult:
    return RunResult(
        run="20260612T172100Z-3f9a",
        action="takedown",
        order=ORDER.name,
        rehearsal=False,
        outcome=outcome,
        exit_code=3,
        seconds=4.2,
        items=items,
    )


def test_of_an_order_only_its_public_words_are_told() -> None:
    """Neither its name, nor who demands it, nor reasons, which may hold both."""
    found = result(item("c0", Verdict.VERIFIED), item("c1", Verdict.UNREACHABLE))
    for message in (on_beginning(beginning()), on_result(beginning(), found)):
        text = message.title + message.body
        assert "desk@models.example" in text and "Off by order." in text
        assert not [hidden for hidden in (ORDER.name, ORDER.authority, ORDER.reference) if hidden in text]
    public = on_beginning(beginning(replace(ORDER, public=True))).body
    assert "Authority: Bureau of Examples" in public and "Reference: EX-1" in public


def test_what_is_not_proven_is_named_and_many_are_counted() -> None:
    message = on_result(beginning(), result(*(item(f"c{number}", Verdict.UNREACHABLE) for number in range(30))))
    assert message.title == "takedown not proven: fable-5"
    assert "- fable-5 in c0: unreachable" in message.body and "- and 20 more" in message.body
    assert message.type == "warning"


def test_names_from_documents_are_one_harmless_line() -> None:
    hostile = replace(beginning(), fleet="pro\nduction\x1b[2J", words={"notice": "line\r\none \x07"})
    body = on_beginning(hostile).body
    assert "\x1b" not in body and "\x07" not in body
    assert "Notice: line one" in body


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_words(outcome: Outcome) -> None:
    assert on_result(beginning(), result(outcome=outcome)).title.endswith(": fable-5")


def sample(measures: tuple[Measure, ...], name: str) -> dict[tuple[str, ...], float]:
    (found,) = (one for one in measures if one.name == name)
    return dict(found.samples)


def test_what_was_not_proven_has_no_time_of_proof_and_is_owed() -> None:
    times = Times(started=AT, guarded=AT.replace(second=2), verified=AT.replace(second=9))
    open_ = item("c1", Verdict.UNVERIFIED, times)
    assert dict(phases_of(item("c0", Verdict.VERIFIED, times))) == {"guarded": 2.0, "verified": 9.0}
    assert dict(phases_of(open_)) == {"guarded": 2.0}
    assert dict(phases_of(item("c2", Verdict.UNREACHABLE))) == {}
    found = measures_of(result(item("c0", Verdict.VERIFIED, times), open_), AT, is_of_order=True)
    assert sample(found, "order_debt") == {("fable-5",): 1.0}
    assert sample(found, "phase_seconds")["fable-5", "c1", "eu", "guarded"] == 2.0
    assert ("fable-5", "c1", "eu", "verified") not in sample(found, "phase_seconds")
    assert sample(measures_of(result(open_), AT, is_of_order=False), "order_debt") == {}
