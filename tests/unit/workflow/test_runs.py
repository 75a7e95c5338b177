"""What the state folder tells of runs: how they ended, who continues whom, and what is not believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator import evidence
from orchestrator.core.events import Event, EventType
from orchestrator.core.plan import Plan
from orchestrator.core.result import Outcome, RunResult
from orchestrator.core.run_report import RunState
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Want
from orchestrator.documents import schemas
from orchestrator.errors import LockedError, RefusedError, UsageError
from orchestrator.workflow import processes
from orchestrator.workflow.applying import RunRequest, keeping_refusal
from orchestrator.workflow.asked import Asked, CommandTask, from_kept, to_kept
from orchestrator.workflow.resuming import Resumption, find_resumption
from orchestrator.workflow.run_reports import report_run
from orchestrator.workflow.runs import chain_of, find_run, list_runs, read_kept

FIRST, SECOND, THIRD = "20261123T204500Z-3f9a", "20261123T204600Z-77aa", "20261123T204700Z-3f00"


@pytest.fixture
def dead() -> Iterator[dict[str, Any]]:
    """A process that lived and ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    kept = {**processes.this_process(), "pid": process.pid, "started": processes.started(process.pid), "holder": "me"}
    process.communicate(b"\n", timeout=30)
    yield kept


def asked(root: Path) -> Asked:
    task = CommandTask(want=Want.ENABLED, models=("fable-5",), scope=Scope(all=True), documents="d")
    return Asked(workspace=str(root), connect_timeout="5s", request_timeout="15s", task=task)


def keep(state: Path, run: str, process: dict[str, Any], *, outcome: Outcome | None = None, **about: Any) -> Path:
    """A run as it is kept; without an outcome it came to none."""
    directory = evidence.run_directory(state, run)
    evidence.write_about(directory, {"action": "enable", "models": ["fable-5"], **about})
    evidence.write_request(directory, {"process": process, **to_kept(asked(state))})
    with evidence.open_journal(directory) as journal:
        journal.record(event(EventType.RUN_STARTED))
        journal.record(event(EventType.SENDING, verb="scale", object="apps/Deployment a/b"))
    if outcome is not None:
        code = {Outcome.VERIFIED: 0, Outcome.FAILED: 1, Outcome.LATE: 5, Outcome.INTERRUPTED: 130}[outcome]
        result = RunResult(
            run=run, action="enable", rehearsal=True, outcome=outcome, exit_code=code, seconds=2.5, items=()
        )
        evidence.write_result(directory, schemas.as_printed(result))
    return directory


def event(type_: EventType, **data: Any) -> Event:
    place = {} if type_ in (EventType.RUN_STARTED, EventType.RUN_ENDED) else {"cluster": "eu-1", "model": "fable-5"}
    return Event(type=type_, at=datetime(2026, 11, 23, 20, 45, 30, tzinfo=UTC), data=data, **place)


def states(state: Path) -> dict[str, RunState]:
    return {run.run: run.state for run in list_runs(state, 10).runs}


def test_a_run_is_what_its_process_and_its_result_say(tmp_path: Path, dead: dict[str, Any]) -> None:
    keep(tmp_path, FIRST, dead)
    keep(tmp_path, SECOND, dead, outcome=Outcome.VERIFIED)
    keep(tmp_path, THIRD, processes.this_process())
    assert states(tmp_path) == {THIRD: RunState.RUNNING, SECOND: RunState.ENDED, FIRST: RunState.DIED}


def test_a_pid_that_was_given_away_again_is_another_process(tmp_path: Path) -> None:
    """Else a dead run would seem to live for as long as somebody has its number."""
    reused = {**processes.this_process(), "started": "tick 1"}
    keep(tmp_path, FIRST, reused)
    assert states(tmp_path) == {FIRST: RunState.DIED}


def test_another_machines_process_is_unknown_never_dead(tmp_path: Path) -> None:
    """On a shared state folder its run may well be under way, and its locks are its own."""
    keep(tmp_path, FIRST, {**processes.this_process(), "machine": "elsewhere"})
    keep(tmp_path, SECOND, {})
    assert states(tmp_path) == dict.fromkeys((SECOND, FIRST), RunState.UNKNOWN)


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    """A zombie keeps its pid and its start time."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = processes.started(process.pid)
    assert began is not None
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.started(process.pid) is None
    process.wait()


def test_a_process_without_proc_is_told_by_ps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on macOS."""
    monkeypatch.setattr(processes, "_PROC", tmp_path / "absent")
    ours = processes.started(os.getpid())
    assert ours
    assert processes.started(os.getpid()) == ours
    assert processes.started(2**22 + 1) is None


def test_the_newest_is_first_and_what_is_not_shown_is_counted(tmp_path: Path, dead: dict[str, Any]) -> None:
    for run in (FIRST, SECOND, THIRD):
        keep(tmp_path, run, dead)
    found = list_runs(tmp_path, 2)
    assert ([run.run for run in found.runs], found.more) == ([THIRD, SECOND], 1)
    assert list_runs(tmp_path / "none", 5).runs == ()


def test_names_that_are_no_runs_are_left_out(tmp_path: Path, dead: dict[str, Any]) -> None:
    keep(tmp_path, FIRST, dead)
    (tmp_path / "runs" / "..secret").mkdir()
    (tmp_path / "runs" / SECOND).write_text("a file")
    assert list(states(tmp_path)) == [FIRST]


def test_a_run_is_found_by_what_no_other_has(tmp_path: Path, dead: dict[str, Any]) -> None:
    for run in (FIRST, SECOND, THIRD):
        keep(tmp_path, run, dead)
    assert find_run(tmp_path, None) == THIRD
    assert find_run(tmp_path, "3f9a") == FIRST
    assert find_run(tmp_path, "20261123T2046") == SECOND
    for given in ("20261123", "nothing", "", "../runs"):
        with pytest.raises(UsageError) as refused:
            find_run(tmp_path, given)
        assert refused.value.hint
    with pytest.raises(UsageError):
        find_run(tmp_path / "none", None)


def test_a_chain_is_told_from_the_first_to_the_newest(tmp_path: Path, dead: dict[str, Any]) -> None:
    keep(tmp_path, FIRST, dead)
    keep(tmp_path, SECOND, dead, continues=FIRST)
    keep(tmp_path, THIRD, dead, continues=SECOND)
    assert [kept.entry.run for kept in chain_of(tmp_path, FIRST)] == [FIRST, SECOND, THIRD]
    assert read_kept(tmp_path, FIRST).entry.continued_by == SECOND


def test_a_chain_that_was_forged_ends(tmp_path: Path, dead: dict[str, Any]) -> None:
    """A run cannot continue itself, a later one, or what is no run."""
    keep(tmp_path, FIRST, dead, continues=SECOND)
    keep(tmp_path, SECOND, dead, continues=SECOND)
    keep(tmp_path, THIRD, dead, continues="../../etc")
    for run in (FIRST, SECOND, THIRD):
        assert [kept.entry.run for kept in chain_of(tmp_path, run)] == [run]


def test_what_is_missing_of_a_run_is_said(tmp_path: Path, dead: dict[str, Any]) -> None:
    directory = keep(tmp_path, FIRST, dead)
    with (directory / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"torn')
    (directory / "about.json").unlink()
    found = report_run(tmp_path, FIRST)
    assert any("about.json is missing" in gap for gap in found.gaps)
    assert any("within a record" in gap for gap in found.gaps)
    assert [entry.words for entry in found.timeline][2] == "sends scale apps/Deployment a/b"
    assert found.left[0].unanswered == ("scale apps/Deployment a/b",)
    assert f"runs resume {FIRST}" in found.next[0]


@pytest.mark.parametrize("document", [[], "x", 7, {"models": 7, "scope": [7, {"clusters": 7, "words": "w"}]}])
def test_hostile_files_are_no_reason_to_fail(tmp_path: Path, dead: dict[str, Any], document: Any) -> None:
    """Whoever can write the folder could write anything."""
    directory = keep(tmp_path, FIRST, dead)
    for name in ("about.json", "request.json", "result.json"):
        (directory / name).write_text(json.dumps(document))
    assert len(list_runs(tmp_path, 5).runs) == 1
    report_run(tmp_path, FIRST)


@pytest.mark.parametrize("name", ["about.json", "request.json", "result.json", "journal.jsonl", "redaction.key"])
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(tmp_path: Path, dead: dict[str, Any], name: str) -> None:
    """Opening it would wait for somebody to write, and no signal would end that."""
    directory = keep(tmp_path, FIRST, dead)
    (directory / name).unlink(missing_ok=True)
    os.mkfifo(directory / name)
    looking = (
        "import sys\nfrom pathlib import Path\nfrom orchestrator.workflow.run_reports import report_run\n"
        "from orchestrator.workflow.runs import list_runs\n"
        "from orchestrator import evidence\nfrom orchestrator.core.events import Event, EventType\n"
        "from datetime import UTC, datetime\n"
        "state, run = Path(sys.argv[1]), sys.argv[2]\nlist_runs(state, 5)\nreport_run(state, run)\n"
        "with evidence.open_journal(evidence.run_directory(state, run)) as journal:\n"
        "    journal.record(Event(type=EventType.RUN_ENDED, at=datetime.now(UTC), data={'token': 's3cret'}))\n"
    )
    subprocess.run([sys.executable, "-c", looking, str(tmp_path), FIRST], timeout=60, check=True)


def test_control_characters_never_reach_a_report(tmp_path: Path, dead: dict[str, Any]) -> None:
    directory = keep(tmp_path, FIRST, dead, models=["fable\x1b[2J"], name="pb\x1b]0;x\x07")
    with evidence.open_journal(directory) as journal:
        journal.record(event(EventType.SENDING, verb="\x1b[2Jscale", object="o\x9b"))
    found = report_run(tmp_path, FIRST)
    assert "\x1b" not in str(found)
    assert "\\x1b" not in repr(found)
    assert "\\x9b" not in repr(found)


def test_a_run_that_lives_is_not_gone_on_with(tmp_path: Path) -> None:
    keep(tmp_path, FIRST, processes.this_process())
    with pytest.raises(RefusedError) as refused:
        find_resumption(tmp_path, FIRST, tmp_path)
    assert str(os.getpid()) in refused.value.message
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("outcome", [Outcome.VERIFIED, Outcome.LATE])
def test_of_a_run_that_ended_well_its_own_result_is_told(
    tmp_path: Path, dead: dict[str, Any], outcome: Outcome
) -> None:
    keep(tmp_path, FIRST, dead, outcome=outcome)
    found = find_resumption(tmp_path, FIRST, tmp_path)
    assert isinstance(found, RunResult)
    assert found.outcome is outcome


def test_a_run_that_recorded_nothing_has_sent_nothing(tmp_path: Path, dead: dict[str, Any]) -> None:
    """Killed before the first record of its journal: what continues it knows what was there before."""
    directory = keep(tmp_path, FIRST, dead)
    (directory / "journal.jsonl").unlink()
    lost = find_resumption(tmp_path, FIRST, tmp_path)
    assert isinstance(lost, Resumption)
    assert not lost.begun.is_whole, "a journal that was lost must not pass for one that was never begun"
    evidence.write_request(directory, {"process": dead, **to_kept(asked(tmp_path)), "unbegun": True})
    found = find_resumption(tmp_path, FIRST, tmp_path)
    assert isinstance(found, Resumption)
    assert found.begun.is_whole and not found.begun.items


@pytest.mark.parametrize("left", [(), ("redaction.key",), ("redaction.key", "request.json"), (".request.json.new",)])
def test_a_run_that_was_killed_as_it_made_its_folder_hides_no_other(
    tmp_path: Path, dead: dict[str, Any], left: tuple[str, ...]
) -> None:
    keep(tmp_path, FIRST, dead)
    directory = keep(tmp_path, SECOND, dead)
    for file in list(directory.iterdir()):
        if file.name not in left:
            file.unlink()
    for name in left:
        (directory / name).touch()
    assert FIRST in [run.run for run in list_runs(tmp_path, 5).runs]
    assert isinstance(find_resumption(tmp_path, FIRST, tmp_path), Resumption)
    if "request.json" in left:
        report_run(tmp_path, SECOND)
        assert states(tmp_path)[SECOND] is RunState.DIED


def test_the_newest_of_a_chain_decides(tmp_path: Path, dead: dict[str, Any]) -> None:
    """To resume the first again does nothing when what continued it has ended well."""
    keep(tmp_path, FIRST, dead)
    keep(tmp_path, SECOND, dead, outcome=Outcome.VERIFIED, continues=FIRST)
    found = find_resumption(tmp_path, FIRST, tmp_path)
    assert isinstance(found, RunResult)
    assert found.run == SECOND


def test_what_all_runs_of_a_chain_had_begun_is_gone_on_with(tmp_path: Path, dead: dict[str, Any]) -> None:
    keep(tmp_path, FIRST, dead)
    keep(tmp_path, SECOND, dead, outcome=Outcome.INTERRUPTED, continues=FIRST)
    found = find_resumption(tmp_path, FIRST, tmp_path)
    assert isinstance(found, Resumption)
    assert found.last.entry.run == SECOND
    (item,) = found.begun.items.values()
    assert len(item.attempts) == 2


def test_a_request_that_was_changed_is_not_asked_again(tmp_path: Path, dead: dict[str, Any]) -> None:
    """Also where redaction hid something of it: another request than the run's own is never made up."""
    directory = keep(tmp_path, FIRST, dead)
    request = json.loads((directory / "request.json").read_text())
    request["asked"]["task"]["models"] = ["mythos-5"]
    (directory / "request.json").write_text(json.dumps(request))
    with pytest.raises(RefusedError) as refused:
        find_resumption(tmp_path, FIRST, tmp_path)
    assert refused.value.code == "not-kept"


def test_what_was_asked_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = to_kept(asked(tmp_path))
    assert from_kept(json.loads(json.dumps(kept))) == asked(tmp_path)
    for broken in (None, {}, {"asked": 7}, {**kept, "digest": "0"}, {**kept, "asked": {}}):
        assert from_kept(broken) is None


def test_evidence_tells_neither_paths_nor_processes(tmp_path: Path, dead: dict[str, Any]) -> None:
    """How a run was asked is for this machine; evidence is for outsiders."""
    directory = keep(tmp_path, FIRST, dead, outcome=Outcome.VERIFIED)
    lines = b"".join(
        evidence.bundle_lines(evidence.read_run(directory), evidence.run_digest(directory), datetime.now(UTC))
    )
    assert str(tmp_path).encode() not in lines
    assert b"boot" not in lines
    assert b'"pid"' not in lines


def test_runs_of_one_second_keep_their_order_and_their_chain(tmp_path: Path, dead: dict[str, Any]) -> None:
    """What follows the second in a run's name is chance."""
    first, second = "20261123T204500Z-ffff", "20261123T204500Z-0000"
    keep(tmp_path, first, dead)
    keep(tmp_path, second, dead, continues=first)
    assert [run.run for run in list_runs(tmp_path, 5).runs] == [second, first]
    assert [kept.entry.run for kept in chain_of(tmp_path, first)] == [first, second]


def test_a_ring_of_runs_ends(tmp_path: Path, dead: dict[str, Any]) -> None:
    first, second = "20261123T204500Z-ffff", "20261123T204500Z-0000"
    keep(tmp_path, first, dead, continues=second)
    keep(tmp_path, second, dead, continues=first)
    assert len(chain_of(tmp_path, first)) == 2


def test_what_was_refused_once_it_had_a_folder_has_ended_and_has_not_died(tmp_path: Path, dead: dict[str, Any]) -> None:
    """As where somebody else held a lock: nothing was done, and the list must not cry wolf."""
    directory = keep(tmp_path, FIRST, dead)
    plan = Plan(action="enable", name="-", fleet="f", models=("fable-5",), waves=())
    with pytest.raises(LockedError), keeping_refusal(directory, plan, RunRequest(state=tmp_path)):
        raise LockedError("locked by ann")
    (entry,) = list_runs(tmp_path, 5).runs
    assert (entry.state, entry.outcome, entry.exit_code) == (RunState.ENDED, Outcome.REFUSED, 4)
    assert isinstance(find_resumption(tmp_path, FIRST, tmp_path), Resumption)
