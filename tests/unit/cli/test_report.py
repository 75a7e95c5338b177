"""`orchestrator report`: which run, which files, which exit code; and that it never replaces or follows anything."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from orchestrator.cli.app import run as orchestrator
from tests.unit.evidence.reported_runs import RUN, keep, recorded_item, rewrite, world_wide

PAGE = f"{RUN}.report.html"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished run in its state folder."""
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    keep(tmp_path / "state", world_wide(IS="unreachable"))
    return tmp_path


def test_by_default_a_page_is_written_into_the_workspace_for_its_owner_only(here: Path) -> None:
    """The verdict on the run costs nothing here: that the report tells it is all that was asked."""
    (here / "space").mkdir()

    assert orchestrator(["-C", "space", "report", RUN]) == 0

    page = here / "space" / PAGE
    assert "Not proven: 22 of 24 items verified" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_the_last_run_is_the_one_that_began_last(here: Path) -> None:
    (here / "state" / "runs" / "zzz").mkdir()
    (here / "state" / "runs" / "20260101T000000Z-ffff").mkdir()

    assert orchestrator(["report", "--last"]) == 0
    assert (here / PAGE).is_file()


def test_markdown_goes_to_a_file_or_alone_to_stdout(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator(["report", RUN, "--markdown", "run.md"]) == 0
    assert capsys.readouterr().out == ""
    assert orchestrator(["report", RUN, "--markdown", "-"]) == 0

    assert capsys.readouterr().out == (here / "run.md").read_text()
    assert not (here / PAGE).exists()


@pytest.mark.parametrize("arguments", [[], [RUN, "--last"], ["../../etc"], ["20260101T000000Z-0000"]])
def test_what_names_no_run_of_this_machine_is_a_usage_error(here: Path, arguments: list[str]) -> None:
    assert orchestrator(["report", *arguments]) == 2
    assert sorted(path.name for path in here.iterdir()) == ["state"]


def test_without_any_run_there_is_nothing_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "nowhere"))

    assert orchestrator(["report", "--last"]) == 2
    assert "no run is kept" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_replaced_nor_followed(here: Path) -> None:
    (here / "page.html").write_text("mine")
    (here / "link.html").symlink_to(here / "page.html")

    assert orchestrator(["report", RUN, "--html", "page.html"]) == 2
    assert orchestrator(["report", RUN, "--html", "link.html"]) == 2
    assert (here / "page.html").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_a_failure(here: Path) -> None:
    assert orchestrator(["report", RUN, "--html", "missing/page.html"]) == 1


def test_a_record_that_contradicts_itself_costs_3_and_is_still_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "state" / "runs" / RUN
    rewrite(folder / "result.json", lambda document: document["items"].append(recorded_item(cluster="forged")))

    assert orchestrator(["report", RUN]) == 3

    words = "fable-5 in forged: verified in the result, but the journal says nothing"
    assert words in capsys.readouterr().err
    assert words in (here / PAGE).read_text()


def test_an_evidence_file_of_the_run_is_named_with_its_hash(here: Path) -> None:
    assert orchestrator(["evidence", "export", RUN, "--save", "run.jsonl"]) == 0
    assert orchestrator(["report", RUN, "--evidence", "run.jsonl"]) == 0

    page = (here / PAGE).read_text()
    assert hashlib.sha256((here / "run.jsonl").read_bytes()).hexdigest() in page
    assert "intact, not signed" in page


def test_evidence_that_is_damaged_or_anothers_is_refused(here: Path) -> None:
    """Evidence of the same run's name, but of another journal, would lend this page what it does not have."""
    assert orchestrator(["evidence", "export", RUN, "--save", "run.jsonl"]) == 0
    (here / "damaged.jsonl").write_bytes((here / "run.jsonl").read_bytes().replace(b"fable-5", b"fable-6", 1))
    folder = here / "state" / "runs" / RUN
    for file in folder.iterdir():
        file.unlink()
    keep(here / "state", world_wide())

    for name in ("run.jsonl", "damaged.jsonl", "missing.jsonl"):
        assert orchestrator(["report", RUN, "--evidence", name]) == 2, name
    assert not (here / PAGE).exists()
