"""`runs list` and `runs show` on a state folder that nobody vouches for, as their user sees them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrator import evidence
from orchestrator.cli.app import run
from orchestrator.core.events import Event, EventType
from orchestrator.documents import schemas

RUN = "20261123T204500Z-3f9a"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with one run whose every word is hostile."""
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path))
    directory = evidence.run_directory(tmp_path, RUN)
    words = "\x1b[2J\x1b]0;x\x07 [red]x[/red]"
    evidence.write_about(directory, {"action": words, "name": words, "models": [words], "localUser": words})
    with evidence.open_journal(directory) as journal:
        for type_ in EventType:
            data: dict[str, Any] = {"object": words, "message": words, "reasons": [words], "error": words}
            at = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
            journal.record(Event(type=type_, at=at, cluster=words, model=words, step=words, data=data))
    return tmp_path


@pytest.mark.parametrize("command", [["list"], ["show", "--last"], ["show", "3f9a"]])
def test_no_control_character_of_a_run_reaches_the_terminal(
    state: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is anything of it taken for markup."""
    assert run(["runs", *command]) == 0
    told = "".join(capsys.readouterr())
    assert "[red]x[/red]" in told
    assert not [character for character in told if not character.isprintable() and character != "\n"]


@pytest.mark.parametrize(("command", "kind"), [(["list"], "RunList"), (["show", "--last"], "RunReport")])
def test_what_is_printed_as_json_is_as_its_schema_says(
    state: Path, command: list[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", *command, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == kind
    Draft202012Validator(schemas.schema(kind)).validate(document)
    assert document["exitCode"] == 0


@pytest.mark.parametrize("command", ["show", "resume", "abort"])
@pytest.mark.parametrize("given", [[], ["3f9a", "--last"], ["nothing"], ["../../etc"]])
def test_a_run_has_to_be_named_and_to_be_there(
    state: Path, command: str, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", command, *given, "-o", "json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["hint"]


def test_a_run_that_does_not_tell_how_it_was_asked_is_refused_with_a_next_step(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", "resume", RUN, "-o", "json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "not-kept"
    assert "run its command again" in error["hint"]
