"""Many who wait for the disk share one write of it; nobody goes on before the disk has what was theirs."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from orchestrator.evidence import FileJournal, read_journal
from tests.unit.evidence.test_journal import event, journal_in


class SlowDisk:
    """An `os.fsync` that ends when it is told to; it notes how large the file was when each began."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began: list[int] = []
        self.news = threading.Condition()
        self.may_end = threading.Semaphore(0)
        self.error: OSError | None = None
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, file: int) -> None:
        with self.news:
            self.began.append(os.fstat(file).st_size)
            self.news.notify_all()
        assert self.may_end.acquire(timeout=30)
        if self.error is not None:
            raise self.error


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    """A journal whose file is there: to make that durable is another matter."""
    made = journal_in(tmp_path)
    made.record(event(0))
    made.close()
    made.record(event(1))
    return made


async def begun(disk: SlowDisk, count: int) -> None:
    def wait() -> bool:
        with disk.news:
            return disk.news.wait_for(lambda: len(disk.began) >= count, timeout=30)

    assert await asyncio.to_thread(wait)


async def test_nobody_goes_on_before_the_disk_has_what_was_theirs(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes while the disk is busy waits for the next write, which serves all of them at once."""
    disk = SlowDisk(monkeypatch)
    first = asyncio.create_task(journal.make_durable())
    await begun(disk, 1)
    later = []
    for number in range(50):
        journal.record(event(number))
        later.append(asyncio.create_task(journal.make_durable()))
    await asyncio.sleep(0)

    disk.may_end.release()
    await first
    await begun(disk, 2)
    assert not any(task.done() for task in later), "the first write began before their records"
    disk.may_end.release()
    await asyncio.gather(*later)

    assert len(disk.began) == 2
    assert disk.began[1] == journal.path.stat().st_size, "the second write began before all of them were recorded"
    await journal.make_durable()
    assert len(disk.began) == 2, "what is durable needs no other write"


async def test_whoever_stops_waiting_leaves_the_others_their_wait(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    impatient, patient = (asyncio.create_task(journal.make_durable()) for _ in range(2))
    await begun(disk, 1)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    disk.may_end.release()
    await patient

    assert impatient.cancelled()
    assert len(disk.began) == 1


async def test_a_disk_that_refuses_is_noted_and_the_run_goes_on(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    disk.error = OSError(5, "Input/output error")
    disk.may_end.release()
    await journal.make_durable()

    assert journal.incomplete
    assert "Input/output error" in (journal.fault or "")


async def test_a_journal_that_is_closed_while_the_disk_is_busy_is_whole(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    waiting = asyncio.create_task(journal.make_durable())
    await begun(disk, 1)
    disk.may_end.release(2)
    journal.close()
    await waiting

    assert not journal.incomplete
    assert len(read_journal(journal.path).records) == 2
