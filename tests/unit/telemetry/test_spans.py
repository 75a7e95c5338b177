"""A run as spans: who holds whom, from when to when, what is an error, and what is never told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.result import Outcome, Times
from orchestrator.core.verdict import Verdict
from orchestrator.telemetry.spans import Seen, spans_of
from tests.unit.telemetry.test_messages import AT, beginning, item, result

TIMES = Times(started=AT, guarded=AT + timedelta(seconds=1), verified=AT + timedelta(seconds=4))
EVENTS = (
    Event(
        type=EventType.SENDING,
        at=AT + timedelta(seconds=1),
        cluster="c0",
        model="fable-5",
        data={"verb": "create", "object": "Policy x", "message": "by Bureau of Examples", "replicas": {"after": 0}},
    ),
    Event(type=EventType.RUN_ENDED, at=AT + timedelta(seconds=6)),
)


def drawn(*verdicts: Verdict, outcome: Outcome = Outcome.UNPROVEN) -> list[dict[str, Any]]:
    items = (item(f"c{number}", verdict, TIMES) for number, verdict in enumerate(verdicts))
    return spans_of(Seen(beginning(), result(*items, outcome=outcome), EVENTS))


def test_a_run_holds_its_clusters_these_their_items_and_these_their_phases() -> None:
    spans = drawn(Verdict.VERIFIED, Verdict.UNVERIFIED)
    by_id = {span["id"]: span for span in spans}
    assert [span["parent"] is None for span in spans] == [True, *[False] * (len(spans) - 1)]
    paths = []
    for span in spans:
        names = [span["name"]]
        while (span := by_id.get(span["parent"])) is not None:
            names.append(span["name"])
        paths.append(tuple(reversed(names)))
    first = ("takedown", "cluster c0", "fable-5 in c0")
    assert {first, (*first, "until guarded"), (*first, "until verified")} <= set(paths)
    second = ("takedown", "cluster c1", "fable-5 in c1")
    assert (*second, "until guarded") in paths and (*second, "until verified") not in paths
    for span in spans:
        assert span["start"] <= span["end"]
        if (parent := by_id.get(span["parent"])) is not None:
            assert parent["start"] <= span["start"] and span["end"] <= parent["end"]


def test_only_what_is_verified_or_held_is_no_error() -> None:
    errors = {span["name"]: span["error"] for span in drawn(Verdict.VERIFIED, Verdict.RESIDUE)}
    assert (errors["takedown"], errors["cluster c1"], errors["fable-5 in c1"]) == ("unproven", "residue", "residue")
    assert errors["cluster c0"] is errors["fable-5 in c0"] is errors["until guarded"] is None
    late = drawn(Verdict.VERIFIED, outcome=Outcome.LATE)
    assert late[0]["error"] is None


def test_what_was_sent_is_told_and_no_message_or_value() -> None:
    (found,) = (span for span in drawn(Verdict.VERIFIED) if span["name"] == "fable-5 in c0")
    (event,) = found["events"]
    assert event["attributes"] == {"orchestrator.verb": "create", "orchestrator.object": "Policy x"}
    assert "Bureau of Examples" not in str(drawn(Verdict.VERIFIED))
    assert "directive" not in str(drawn(Verdict.VERIFIED))
