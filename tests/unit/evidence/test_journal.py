"""The journal: durable before it counts, chained, private, and readable whatever happened to the file."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.events import Event, EventType
from orchestrator.errors import OrchestratorError, UsageError
from orchestrator.evidence import FileJournal, new_run_id, open_journal, read_journal, run_directory
from orchestrator.evidence.journal import parse_journal
from tests.unit.nesting import nested

RUN = "20261123T204500Z-3f9a"
AT = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)


def event(number: int = 0, **data: Any) -> Event:
    return Event(
        type=EventType.SENDING,
        at=AT + timedelta(seconds=number),
        cluster="eu-west-1a",
        model="fable-5",
        step="canary",
        data={"number": number, **data},
    )


def journal_in(state: Path) -> FileJournal:
    return FileJournal(run_directory(state, RUN))


def journal_with(state: Path, count: int) -> FileJournal:
    journal = journal_in(state)
    for number in range(count):
        journal.record(event(number))
    journal.close()
    return journal


def test_what_was_recorded_is_read_back_in_order(tmp_path: Path) -> None:
    journal = journal_with(tmp_path, 5)
    contents = read_journal(journal.path)
    assert [record.event for record in contents.records] == [event(number) for number in range(5)]
    assert [record.seq for record in contents.records] == list(range(5))
    assert (contents.torn, contents.missing, contents.damage) == (False, 0, None)


def test_nothing_recorded_leaves_no_file_and_no_folder(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal.close()
    assert list(tmp_path.iterdir()) == []
    assert not journal.incomplete


def test_where_nothing_is_due_nothing_is_written_even_if_asked(tmp_path: Path) -> None:
    with open_journal(run_directory(tmp_path, RUN), due=False) as journal:
        journal.record(event())
    assert list(tmp_path.iterdir()) == []


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = journal_with(tmp_path / "state", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    folder = journal.path.parent
    while folder != tmp_path:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder = folder.parent


def test_a_torn_last_line_is_recognised_at_every_byte_and_repaired_on_open(tmp_path: Path) -> None:
    whole = journal_with(tmp_path, 3).path.read_bytes()
    start = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for length in range(start + 1, len(whole)):
        contents = parse_journal(whole[:length])
        assert (len(contents.records), contents.torn, contents.damage) == (2, True, None)

    path = run_directory(tmp_path, RUN) / "journal.jsonl"
    path.write_bytes(whole[:-20])
    journal = journal_in(tmp_path)
    journal.record(event(7))
    journal.close()
    contents = read_journal(path)
    assert journal.repaired
    assert not journal.incomplete
    assert [record.event.data["number"] for record in contents.records] == [0, 1, 7]
    assert (contents.torn, contents.damage, contents.missing) == (False, None, 0)


def test_a_journal_opened_again_goes_on_with_the_same_chain(tmp_path: Path) -> None:
    journal_with(tmp_path, 2)
    journal = journal_with(tmp_path, 2)
    contents = read_journal(journal.path)
    assert [record.seq for record in contents.records] == [0, 1, 2, 3]
    assert contents.damage is None


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_changed_record_is_damage_and_nothing_after_it_is_believed(tmp_path: Path, line: int) -> None:
    path = journal_with(tmp_path, 3).path
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"eu-west-1a", b"eu-west-1b")
    path.write_bytes(b"".join(lines))
    contents = read_journal(path)
    assert len(contents.records) == line
    assert contents.damage == f"line {line + 1}: changed since it was written"


def test_a_record_larger_than_a_reader_accepts_loses_its_largest_values_and_nothing_else(tmp_path: Path) -> None:
    """Were it written whole, the reader would take everything after it for damage."""
    journal = journal_in(tmp_path)
    small = {"value": ""}
    # A hash stands in place of each empty value: 60 KB of object become 2 MB of record.
    journal.record(event(0, content={"env": [{"name": f"V{n}", **small} for n in range(20_000)]}, object="Pod a/b"))
    journal.record(event(1))
    journal.close()
    contents = read_journal(journal.path)
    assert contents.damage is None
    first, second = (record.event.data for record in contents.records)
    assert str(first["content"]).startswith("[left out: ")
    assert (first["object"], first["number"], second["number"]) == ("Pod a/b", 0, 1)


def test_a_removed_record_breaks_the_chain(tmp_path: Path) -> None:
    path = journal_with(tmp_path, 3).path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    assert read_journal(path).damage == "line 2: not bound to the record before it"


def test_a_rehashed_forgery_still_breaks_the_chain(tmp_path: Path) -> None:
    path = journal_with(tmp_path / "a", 3).path
    other = journal_in(tmp_path / "b")
    other.record(event(99))
    other.close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(other.path.read_bytes() + b"".join(lines[1:]))
    assert read_journal(path).damage == "line 2: not bound to the record before it"


def test_a_damaged_journal_is_never_appended_to(tmp_path: Path) -> None:
    path = journal_with(tmp_path, 2).path
    damaged = path.read_bytes().replace(b"fable-5", b"fable-6", 1)
    path.write_bytes(damaged)
    journal = journal_in(tmp_path)
    journal.record(event(3))
    journal.close()
    assert journal.incomplete
    assert "changed" in (journal.fault or "")
    assert path.read_bytes() == damaged


def test_a_folder_that_cannot_be_made_is_noted_and_never_raised(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    journal = journal_in(tmp_path)
    journal.record(event())
    assert journal.incomplete
    assert journal.fault


def test_a_full_disk_is_noted_and_what_fits_again_stays_readable(tmp_path: Path) -> None:
    """A file size limit refuses the write as a full disk does, after a part of the line was written."""
    program = f"""
import resource, signal, sys
from pathlib import Path
from tests.unit.evidence.test_journal import event, journal_in
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = journal_in(Path({str(tmp_path)!r}))
journal.record(event(0))
size = journal.path.stat().st_size
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
journal.record(event(1))
assert journal.incomplete, "the second record cannot have been written"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.record(event(2))
journal.close()
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    contents = read_journal(run_directory(tmp_path, RUN) / "journal.jsonl")
    assert [record.event.data["number"] for record in contents.records] == [0, 2]
    assert contents.missing == 1
    assert contents.damage is None


def test_a_killed_process_leaves_every_record_that_it_returned_from(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from tests.unit.evidence.test_journal import event, journal_in
journal = journal_in(Path({str(tmp_path)!r}))
number = 0
while True:
    journal.record(event(number))
    print(number, flush=True)
    number += 1
"""
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            last = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    returned = int(rest[-1] if rest else last)
    contents = read_journal(run_directory(tmp_path, RUN) / "journal.jsonl")
    assert contents.damage is None
    assert len(contents.records) >= returned + 1


def test_a_link_in_place_of_the_journal_is_not_followed(tmp_path: Path) -> None:
    directory = run_directory(tmp_path, RUN)
    directory.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text("keep")
    (directory / "journal.jsonl").symlink_to(target)
    journal = journal_in(tmp_path)
    journal.record(event())
    assert journal.incomplete
    assert target.read_text() == "keep"


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "20261123T204500Z-3f9a/..", "20261123T204500Z-3F9A"])
def test_a_name_that_is_no_run_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        run_directory(tmp_path, name)


def test_run_identities_sort_by_time_and_differ_within_a_second() -> None:
    first, later = new_run_id(AT), new_run_id(AT + timedelta(seconds=1))
    assert first < later
    assert first.startswith("20261123T204500Z-")
    assert len({new_run_id(AT) for _ in range(50)}) > 1
    assert run_directory(Path("state"), first) == Path("state/runs") / first


def test_an_absent_journal_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError):
        read_journal(tmp_path / "absent")


json_values = nested(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.text())


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=4))
def test_any_data_comes_back_as_it_was_and_stays_on_its_line(
    tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, Any]]
) -> None:
    journal = journal_in(tmp_path_factory.mktemp("journal"))
    for each in data:
        journal.record(Event(type=EventType.ANSWERED, at=AT, data=each))
    journal.close()
    contents = read_journal(journal.path)
    assert contents.damage is None
    assert [record.event.data for record in contents.records] == data
    assert journal.path.read_bytes().count(b"\n") == len(data)


@given(st.binary(max_size=300))
def test_the_reader_is_total_over_any_bytes(content: bytes) -> None:
    contents = parse_journal(content)
    assert contents.intact_bytes <= len(content)


def test_hostile_nesting_and_huge_numbers_are_damage_not_crashes() -> None:
    for line in (b'{"a":' * 100_000 + b"\n", b"[" * 100_000 + b"\n", b"1" * 10_000 + b"\n", b"x" * 2_000_000 + b"\n"):
        assert parse_journal(line).damage


@settings(deadline=None)
@given(st.data())
def test_one_changed_byte_never_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever single byte is changed, the records that are still believed are the ones that were written."""
    original = journal_with(tmp_path_factory.mktemp("journal"), 3).path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != original[position]))
    changed = original[:position] + bytes([value]) + original[position + 1 :]
    before = [record.event for record in parse_journal(original).records]
    contents = parse_journal(changed)
    believed = [record.event for record in contents.records]
    assert believed == before[: len(believed)]
    assert contents.damage or contents.torn


def test_every_record_says_which_version_wrote_it(tmp_path: Path) -> None:
    path = journal_with(tmp_path, 1).path
    assert json.loads(path.read_text())["apiVersion"] == "orchestrator/v1"
