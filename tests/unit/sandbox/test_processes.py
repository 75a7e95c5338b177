"""Processes of a sandbox: recognised by pid, boot and start time; ended exactly, and never anybody else's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.errors import SandboxError
from orchestrator.sandbox.processes import ProcessRecord, end, observe

SLEEP = ["/bin/sleep", "300"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal,time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(300)",
]


@pytest.fixture
def record(tmp_path):
    each = ProcessRecord(tmp_path / "part.pid")
    yield each
    end([each], grace=0)


def start(record: ProcessRecord, command: list[str]) -> Path:
    log = record.path.with_suffix(".log")
    record.start(command, record.path.parent, log)
    return log


def test_a_started_process_is_observed_in_a_session_of_its_own(record):
    start(record, SLEEP)

    seen = record.observe()

    assert seen is not None
    assert not seen.is_suspended
    assert os.getsid(seen.identity.pid) == seen.identity.pid, "Ctrl-C at our terminal would reach it"


def test_the_record_is_written_by_the_process_itself_before_it_becomes_the_program(record):
    """A starter that is killed right after the start leaves a record all the same."""
    start(record, ["/bin/sh", "-c", f"cat {record.path}; sleep 300"])

    def lines() -> list[str]:
        return record.path.with_suffix(".log").read_text().splitlines()

    deadline = time.monotonic() + 10
    while len(lines()) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert int(lines()[0]) == record.observe().identity.pid


def test_a_recycled_pid_is_neither_observed_nor_killed(record, tmp_path):
    """The record names a live process's pid, but another start time: it is somebody else's."""
    start(record, SLEEP)
    pid, boot, stat = record.path.read_text().splitlines()
    before, _, after = stat.rpartition(")")
    fields = after.split()
    fields[19] = str(int(fields[19]) - 1)
    recycled = ProcessRecord(tmp_path / "recycled.pid")
    recycled.path.write_text(f"{pid}\n{boot}\n{before}) {' '.join(fields)}\n")

    assert recycled.observe() is None
    assert not recycled.send(signal.SIGKILL)
    end([recycled], grace=0)
    assert record.observe() is not None, "somebody else's process was killed"


def test_a_record_of_another_boot_is_nobody(record, tmp_path):
    start(record, SLEEP)
    pid, _, stat = record.path.read_text().splitlines()
    old = ProcessRecord(tmp_path / "old.pid")
    old.path.write_text(f"{pid}\n00000000-0000-0000-0000-000000000000\n{stat}\n")

    assert old.observe() is None


@pytest.mark.parametrize("content", ["", "nonsense", "12\nboot\n", "1\n2\n3\n4\n", "x\nboot\n1 (sh) S 1\n"])
def test_a_damaged_record_is_nobody(tmp_path, content):
    damaged = ProcessRecord(tmp_path / "damaged.pid")
    damaged.path.write_text(content)

    assert damaged.read() is None
    assert damaged.observe() is None
    end([damaged], grace=0)


def test_end_kills_what_ignores_sigterm(record):
    log = start(record, STUBBORN)
    deadline = time.monotonic() + 10
    while "on" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    pid = record.observe().identity.pid

    end([record], grace=0.2)

    assert record.observe() is None
    assert observe(pid) is None


def test_end_reaches_a_suspended_process(record):
    start(record, SLEEP)
    record.send(signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while not record.observe().is_suspended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert record.observe().is_suspended

    started = time.monotonic()
    end([record], grace=30)

    assert record.observe() is None
    assert time.monotonic() - started < 20, "SIGTERM was not delivered before the grace was over"


def test_a_zombie_is_gone():
    """A child that has ended but was not waited for still has a pid; it must not count as alive."""
    child = subprocess.Popen(["/bin/true"])
    deadline = time.monotonic() + 10
    while observe(child.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)

    assert observe(child.pid) is None
    child.wait()


def test_a_program_that_does_not_exist_is_a_dead_process_with_its_reason_in_the_log(record):
    log = start(record, ["/nonexistent/program"])

    deadline = time.monotonic() + 10
    while record.observe() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert record.observe() is None
    assert "/nonexistent/program" in log.read_text()


def test_a_home_that_does_not_exist_is_an_error(tmp_path):
    record = ProcessRecord(tmp_path / "part.pid")

    with pytest.raises(SandboxError, match="ended before it wrote"):
        record.start(SLEEP, tmp_path / "missing", tmp_path / "log")


def test_settle_waits_for_the_record_of_a_process_whose_starter_died(record, tmp_path):
    """`up` was killed between fork and record: the record appears a moment later, and `down` must see it."""
    start(record, SLEEP)
    hidden = tmp_path / "hidden"
    record.path.rename(hidden)
    intent = record.path.with_suffix(".starting")
    intent.touch()
    mover = subprocess.Popen(["/bin/sh", "-c", 'sleep 0.3; mv "$0" "$1"', hidden, record.path])

    record.settle()

    assert record.observe() is not None
    assert not intent.exists()
    mover.wait()
