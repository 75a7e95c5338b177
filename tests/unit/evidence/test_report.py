"""A report calls a run proven only where result, journal and scope agree; else it says first what is odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.events import EventType
from orchestrator.core.verdict import Verdict
from orchestrator.evidence import JournalContents, RunRecord
from orchestrator.evidence.report import html_of, markdown_of, view_of
from tests.unit.evidence.reported_runs import (
    RUN,
    about,
    after,
    events,
    keep,
    recorded_item,
    result,
    rewrite,
    view,
    world_wide,
)
from tests.unit.nesting import nested


def test_a_takedown_that_everything_agrees_on_is_proven(tmp_path: Path) -> None:
    found = view(keep(tmp_path, world_wide()))

    assert found.headline.tone == "proven"
    assert found.headline.sentence == (
        "Proven: fable-5 and mythos-5 are switched off in all 12 clusters of 12 countries, "
        "5 min 18 s after the order was received and before its deadline."
    )
    assert (found.doubts, found.unproven, found.owed) == ((), (), ())


def test_one_cluster_out_of_reach_leaves_the_whole_unproven_and_is_named_first(tmp_path: Path) -> None:
    found = view(keep(tmp_path, world_wide(IS="unreachable", BR="residue")))

    assert found.headline.tone == "unproven"
    assert found.headline.sentence.startswith("Not proven: 20 of 24 items verified; 2 residue, 2 unreachable (")
    assert [item.cluster for item in found.unproven] == ["sa-east-1a"] * 2 + ["is-north-1a"] * 2
    assert [(one.code, one.verdict) for one in found.countries[:2]] == [
        ("BR", Verdict.RESIDUE),
        ("IS", Verdict.UNREACHABLE),
    ]
    assert len(found.owed) == 4


def test_a_result_that_says_more_than_the_journal_is_not_believed(tmp_path: Path) -> None:
    """The result is a plain file: whoever can write it can turn residue into verified."""
    honest = world_wide(BR="residue")
    directory = keep(tmp_path, honest, outcome=result(world_wide()))

    found = view(directory)

    assert found.headline.tone == "unproven"
    assert "cannot be relied on" in found.headline.sentence
    assert found.doubts[0] == "fable-5 in sa-east-1a: verified in the result, but the journal says residue"


def test_an_item_that_the_journal_never_ended_is_not_believed(tmp_path: Path) -> None:
    items = world_wide()
    told = [one for one in events(items) if one.type is not EventType.ITEM_ENDED or one.cluster != "us-east-1a"]

    found = view(keep(tmp_path, items, told=told))

    assert found.headline.tone == "unproven"
    assert "fable-5 in us-east-1a: verified in the result, but the journal says nothing" in found.doubts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document.update(run="20260101T000000Z-0000"), "another run"),
        (lambda document: document["items"].pop(), "says nothing of is-north-1a"),
        (lambda document: document["items"].append("gone"), "cannot be read"),
        (lambda document: document.update(items="all fine"), "cannot be read"),
        (lambda document: document["items"][0].update(verdict="perfect"), "not one that is understood: perfect"),
        (lambda document: document["items"][0].update(verdict=["verified"]), "not one that is understood"),
        (lambda document: document["items"][0].update(verdict="residue"), "its items say that it is not"),
    ],
)
def test_a_result_that_was_tampered_with_is_named_and_proves_nothing(tmp_path: Path, change: Any, words: str) -> None:
    items = world_wide()[::2]
    directory = keep(tmp_path, items)
    rewrite(directory / "result.json", change)

    found = view(directory)

    assert found.headline.tone == "unproven"
    assert any(words in doubt for doubt in found.doubts), found.doubts


def test_a_damaged_journal_is_said_first_and_nothing_counts_as_proven(tmp_path: Path) -> None:
    directory = keep(tmp_path, world_wide())
    journal = directory / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    bad = next(number for number, line in enumerate(lines) if b'"verified"' in line)
    journal.write_bytes(b"".join([*lines[:bad], lines[bad].replace(b"verified", b"Verified"), *lines[bad + 1 :]]))

    found = view(directory)

    assert found.headline.tone == "unproven"
    assert f"cannot be trusted beyond {bad} records" in found.headline.sentence
    assert f"cannot be trusted beyond {bad} records" in found.doubts[0]
    page = html_of(found)
    assert page.index("Gaps in the record</h2>") < page.index("What is not proven</h2>") < page.index("Where</h2>")


def test_without_a_result_nothing_is_proven_and_the_journals_last_words_are_told(tmp_path: Path) -> None:
    items = world_wide(BR="residue")
    directory = keep(tmp_path, items)
    (directory / "result.json").unlink()

    found = view(directory)

    assert found.headline.sentence == "Not proven: the run left no result, so nothing of it counts as verified."
    assert {item.verdict for item in found.items} == {Verdict.UNVERIFIED}
    assert len(found.items) == 24
    words = {(item.model, item.cluster): item.reasons[0].message for item in found.items}
    assert words["fable-5", "sa-east-1a"].endswith("the last word of its journal was residue")
    assert "the last word of its journal was verified" in words["fable-5", "us-east-1a"]


@pytest.mark.parametrize("gone", ["about.json", "journal.jsonl"])
def test_what_is_missing_of_the_record_is_said_and_proves_nothing(tmp_path: Path, gone: str) -> None:
    directory = keep(tmp_path, world_wide())
    (directory / gone).unlink()

    found = view(directory)

    assert found.headline.tone == "unproven"
    assert any("missing" in doubt for doubt in found.doubts)
    assert html_of(found)
    assert markdown_of(found)


def test_nothing_is_not_everything(tmp_path: Path) -> None:
    """A result without a single item, whatever it says of itself, proves nothing."""
    header = about([])
    found = view(keep(tmp_path, [], header=header, outcome=result([], outcome="verified", exitCode=0)))

    assert found.headline.tone == "unproven"


def test_a_channel_that_nobody_vouched_for_leaves_the_whole_unproven(tmp_path: Path) -> None:
    channel = {"name": "partner-api", "verdict": "unverified", "contact": "duty desk"}
    outcome = result(world_wide(), channels=[channel], outcome="unproven", exitCode=3)

    found = view(keep(tmp_path, world_wide(), outcome=outcome))

    assert found.headline.sentence == "Not proven: 24 of 24 items verified; 1 channel not shown to be closed."
    assert [one.name for one in found.open_channels] == ["partner-api"]


def test_what_is_proven_too_late_says_so(tmp_path: Path) -> None:
    items = [recorded_item()]
    header = about(items, deadline=after(10))
    found = view(keep(tmp_path, items, header=header, outcome=result(items, outcome="late", exitCode=5)))

    assert found.headline.sentence.endswith("5 min 18 s after the order was received, but after its deadline.")


def test_a_rehearsal_never_reads_like_the_real_thing(tmp_path: Path) -> None:
    found = view(keep(tmp_path, world_wide(), outcome=result(world_wide(), rehearsal=True)))

    assert found.headline.sentence.startswith("Rehearsal on sandbox clusters. Proven: ")


@pytest.mark.parametrize(
    ("outcome", "tone", "word"), [("failed", "failed", "Failed"), ("interrupted", "unproven", "Int")]
)
def test_a_run_that_failed_or_was_stopped_is_called_so(tmp_path: Path, outcome: str, tone: str, word: str) -> None:
    items = world_wide(BR="failed") if outcome == "failed" else world_wide(BR="not_run")
    found = view(keep(tmp_path, items, outcome=result(items, outcome=outcome, exitCode=1)))

    assert found.headline.tone == tone
    assert found.headline.sentence.startswith(word)


def test_items_under_a_hold_are_counted_apart(tmp_path: Path) -> None:
    items = [recorded_item(want="enabled", state="enabled"), recorded_item(country="DE", verdict="held")]
    header = {**about(items), "action": "apply", "orderName": None, "orderReceived": None, "deadline": None}
    outcome = result(items, action="apply", order=None, outcome="verified", exitCode=0)

    found = view(keep(tmp_path, items, header=header, outcome=outcome))

    assert found.headline.sentence == (
        "Proven: each model is as wanted in 1 cluster, 18 s after the run began; 1 item kept off by a hold."
    )
    assert not found.is_order


def test_a_time_of_verification_is_told_only_of_what_is_verified(tmp_path: Path) -> None:
    item = recorded_item(verdict="residue")
    item["times"]["verified"] = after(18)
    found = view(keep(tmp_path, [item]))

    assert "verified" not in found.items[0].times
    assert found.timeline is not None
    assert "verified" not in found.timeline.steps


def test_the_zeros_of_a_cluster_that_nobody_could_see_are_not_told_as_numbers(tmp_path: Path) -> None:
    found = view(keep(tmp_path, world_wide(IS="unreachable")))

    assert [item.pods for item in found.items if item.country == "IS"] == [None, None]
    assert "not known" in html_of(found)


json_values = nested(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12), st.text(max_size=8)
)
FIELDS = (*recorded_item(), "object", "outcome", "channels", "items", "scope", "startedAt", "run", "action", "error")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_record_breaks_a_report_or_makes_it_believe_what_is_not_there(data: st.DataObject) -> None:
    """Whatever stands in the files, a report is made, and without a journal nothing in it is proven."""
    items = [recorded_item()]
    documents = [about(items), result(items)]
    for document in (*documents, items[0]):
        for name in data.draw(st.lists(st.sampled_from(FIELDS), max_size=4)):
            document[name] = data.draw(json_values)
    kept = json.loads(json.dumps(documents))
    record = RunRecord(run=RUN, about=kept[0], result=kept[1], journal=JournalContents(records=(), intact_bytes=0))

    found = view_of(record, {})

    assert found.headline.tone != "proven"
    assert found.doubts
    assert html_of(found).endswith("</html>\n")
    assert markdown_of(found)
