"""A real terminal for tests: a pane of tmux, 80 by 24, in which a command runs as its user would see it.

Without tmux the tests fail; they are never skipped.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS, ROWS = 80, 24
_PATIENCE = 60.0


@dataclass(frozen=True)
class Screen:
    """What a terminal shows after a command."""

    rows: tuple[str, ...]
    """Everything that was printed, row by row, scrolled-off rows included, without trailing blank ones."""
    lines: tuple[str, ...]
    """The same as it was written: rows that the terminal itself broke are joined again."""
    colours: str
    """The same with its escape sequences."""
    exit_code: int

    @property
    def broken_lines(self) -> list[str]:
        """Lines that were wider than the terminal, so that it broke them."""
        return [line for line in self.lines if len(line) > COLUMNS]


class Terminal:
    """One tmux server of its own, on a socket of its own: it touches no other tmux of the user."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._socket = str(folder / "tmux")

    def show(self, command: Sequence[str], *, cwd: Path) -> Screen:
        """Run a command to its end in a fresh terminal, and look at it."""
        ended = self._folder / "ended"
        ended.unlink(missing_ok=True)
        # The pane stays after the command, so that everything it printed can still be read.
        line = f"{shlex.join(command)}; echo $? > {shlex.quote(str(ended))}; exec sleep 600"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(cwd), "sh", "-c", line)
        try:
            code = self._wait_for(ended)
            return Screen(
                rows=self._captured(),
                lines=self._captured("-J"),
                colours="\n".join(self._captured("-e")),
                exit_code=code,
            )
        finally:
            self._tmux("kill-server")

    def _wait_for(self, ended: Path) -> int:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if ended.exists() and (text := ended.read_text()).endswith("\n"):
                time.sleep(0.2)  # what was written last reaches the screen after the file
                return int(text)
            time.sleep(0.05)
        raise AssertionError(f"the command did not end within {_PATIENCE:.0f} s:\n" + "\n".join(self._captured()))

    def _captured(self, *options: str) -> tuple[str, ...]:
        text = self._tmux("capture-pane", "-p", "-S", "-", *options)
        return tuple(line.rstrip() for line in text.rstrip("\n ").split("\n"))

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout
