"""Waiting for a part of a control plane: never without a deadline, never past a cancellation or a death."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.core.text import printable
from orchestrator.errors import SandboxError

_POLL = 0.2
_TAIL = 4096


class Deadline:
    """One deadline for everything that is waited for."""

    def __init__(self, seconds: float, cancelled: threading.Event) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._cancelled = cancelled

    def until(self, condition: Callable[[], bool], what: str, check: Callable[[], None]) -> None:
        """Wait until `condition` holds; `check` raises when waiting has become pointless.

        Raises SandboxError when the deadline passes or the whole start was cancelled.
        """
        while not condition():
            check()
            if self._cancelled.wait(_POLL):
                raise SandboxError("cancelled", hint="`orchestrator sandbox down --dir DIR` removes what was begun")
            if time.monotonic() >= self._end:
                raise SandboxError(
                    f"waited {self._seconds:.0f} s in vain for {what}",
                    hint="is this machine very busy, or out of memory?",
                )

    def within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Does `condition` hold within `seconds`?"""
        end = min(time.monotonic() + seconds, self._end)
        while not condition():
            if time.monotonic() >= end or self._cancelled.wait(_POLL):
                return False
        return True


def last_words(log: Path, offset: int = 0) -> str:
    """The last lines of a log after `offset` bytes, as one line that is fit for a terminal."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(offset, end - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return "it said nothing"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return printable(" / ".join(lines[-3:])[-600:], 600) or "it said nothing"
