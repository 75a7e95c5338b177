"""Work that must not be waited for: a process of its own, with a deadline, fed by stdin.

A process and not a thread: importing what it needs would hold up the run, a hanging request could not be ended, and
what a foreign library prints, addresses with their secrets included, would reach our terminal.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Final

STARTING: Final = 10.0
"""Seconds that a process gets at most to start and to load what it needs, besides what its work may take."""


class Errand:
    """A script of this folder at work; `answers` are the lines of JSON that it printed, merged."""

    def __init__(self, script: str, task: Mapping[str, Any], seconds: float) -> None:
        """`seconds` is how long the work itself may take; the task is JSON and reaches nobody but the script."""
        self.answers: dict[str, Any] = {}
        self._command = [sys.executable, "-P", str(Path(__file__).with_name(script))]
        self._task = json.dumps({**task, "seconds": seconds}).encode()
        self._seconds = seconds + STARTING
        self._thread = Thread(target=self._run, name=script, daemon=True)
        self._thread.start()

    def wait(self, until: float) -> None:
        """Until it is done, at most until this moment of `time.monotonic()`."""
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        # A session of its own: Ctrl-C at our terminal ends the run in good order, and takes no message away.
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                # Apple's libraries refuse to be used in a forked process otherwise.
                env={**os.environ, "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"},
            )
            try:
                printed, _ = process.communicate(self._task, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                printed, _ = process.communicate()
            for line in printed.splitlines():
                self.answers |= json.loads(line)
