"""What lies beside a journal is believed as far as the journal vouches for it, and every change is a gap."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.events import EventType
from orchestrator.evidence import FileJournal, read_run
from orchestrator.evidence.journal import parse_journal
from tests.unit.evidence.bundles import WHOLE, Judges, bundle, event, item, keep_run, key_of, result
from tests.unit.evidence.test_bundle import gaps_found


def change(file: Path, **fields: Any) -> None:
    """As somebody with an editor does before the export."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def ended(verdict: str, model: str = "fable-5") -> Any:
    one = event(EventType.ITEM_ENDED, 19, verdict=verdict)
    return type(one)(type=one.type, at=one.at, cluster="eu-west-1a", model=model, data=one.data)


def told(directory: Path) -> str:
    return " ".join(gaps_found(directory))


class TestDigests:
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("result.json", {"items": [item(verdict="residue")], "exitCode": 3}),
            ("result.json", {"items": []}),
            ("result.json", {"channels": [{"name": "partner-api", "verdict": "verified", "contact": "jo"}]}),
            ("about.json", {"orderReceived": "2020-01-01T00:00:00+00:00"}),
            ("about.json", {"scope": []}),
        ],
    )
    def test_a_file_that_was_changed_before_the_export_is_a_gap(
        self, tmp_path: Path, name: str, fields: dict[str, Any]
    ) -> None:
        """The bundle is signed all the same, and both judges call it incomplete, as with a damaged journal."""
        directory = keep_run(tmp_path / "state")
        change(directory / name, **fields)
        assert f"{name} is not what the journal vouches for" in told(directory)
        judge = Judges(tmp_path, key_of("ed25519"))
        assert judge(bundle(directory, key_of("ed25519"))) == ("intact verified incomplete", 3)

    def test_another_spelling_of_the_same_is_no_change(self, tmp_path: Path) -> None:
        directory = keep_run(tmp_path)
        for name in ("about.json", "result.json"):
            change(directory / name)
        assert gaps_found(directory) == []

    @pytest.mark.parametrize(("last", "name"), [(1, "result.json"), (99, "about.json")])
    def test_a_journal_that_names_no_digest_vouches_for_nothing(self, tmp_path: Path, last: int, name: str) -> None:
        """Its last line can be cut off without a trace in the chain."""
        directory = keep_run(tmp_path)
        journal = directory / "journal.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-last]))
        assert f"does not vouch for {name}" in told(directory)

    def test_a_second_digest_at_the_end_does_not_replace_the_first(self, tmp_path: Path) -> None:
        """Anybody can append a line that fits the chain."""
        directory = keep_run(tmp_path)
        before = parse_journal((directory / "journal.jsonl").read_bytes()).records[-1].event
        journal = FileJournal(directory)
        journal.record(before)
        journal.close()
        assert "vouches more than once for result.json" in told(directory)


class TestItems:
    def test_an_item_that_ended_otherwise_by_the_journal_is_a_gap(self, tmp_path: Path) -> None:
        directory = keep_run(tmp_path, [WHOLE[0], ended("residue"), WHOLE[-1]])
        assert gaps_found(directory) == ["fable-5 in eu-west-1a: verified in the result, but the journal says residue"]

    def test_also_where_the_result_is_the_worse_one(self, tmp_path: Path) -> None:
        directory = keep_run(tmp_path, [WHOLE[0], ended("verified"), WHOLE[-1]], result(item(verdict="residue")))
        assert "residue in the result, but the journal says verified" in told(directory)

    def test_one_that_the_result_leaves_out_is_a_gap(self, tmp_path: Path) -> None:
        directory = keep_run(tmp_path, [WHOLE[0], ended("residue", "mythos-5"), WHOLE[-1]])
        assert "mythos-5 in eu-west-1a: the result leaves it out, and the journal says residue" in told(directory)

    def test_the_last_word_of_the_journal_counts(self, tmp_path: Path) -> None:
        """As after a rollback."""
        directory = keep_run(tmp_path, [WHOLE[0], ended("failed"), ended("verified"), WHOLE[-1]])
        assert gaps_found(directory) == []

    def test_however_many_they_are_the_gaps_stay_few(self, tmp_path: Path) -> None:
        directory = keep_run(tmp_path, [WHOLE[0], *(ended("residue", f"m-{n}") for n in range(50)), WHOLE[-1]])
        assert len(gaps_found(directory)) == 21


def test_every_shape_of_every_file_has_an_answer(tmp_path: Path) -> None:
    directory = keep_run(tmp_path, [WHOLE[0], ended("verified"), WHOLE[-1]])
    for items in (5, None, [None, {"model": 5}], {"a": 1}):
        change(directory / "result.json", items=items)
        assert "is not what the journal vouches for" in told(directory)
        assert read_run(directory).result is not None
