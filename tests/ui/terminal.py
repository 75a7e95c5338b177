"""A real terminal for tests: a pane of tmux, 80 by 24, in which a command runs as its user would see it.

Without tmux the tests fail; they are never skipped.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COLUMNS, ROWS = 80, 24
_PATIENCE = 150.0


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
    frames: tuple[tuple[str, ...], ...] = ()
    """What was on the screen meanwhile, every picture that differs from the one before."""

    @property
    def broken_lines(self) -> list[str]:
        """Lines that were wider than the terminal, so that it broke them."""
        return [line for line in self.lines if len(line) > COLUMNS]


class Terminal:
    """A tmux server for each command, on a socket of its own: it touches no other tmux of the user."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._number = 0

    def show(self, command: Sequence[str], *, cwd: Path) -> Screen:
        """Run a command to its end in a fresh terminal, and look at it."""
        with self.running(command, cwd=cwd) as pane:
            frames: list[tuple[str, ...]] = []

            def has_ended() -> bool:
                if (seen := pane.captured()) != (frames[-1] if frames else ()):
                    frames.append(seen)
                return pane.exit_code is not None

            pane.wait_until(has_ended)
            time.sleep(0.2)  # what was written last reaches the screen after the file
            assert pane.exit_code is not None
            return Screen(
                rows=pane.captured("-S", "-"),
                lines=pane.captured("-S", "-", "-J"),
                colours="\n".join(pane.captured("-S", "-", "-e")),
                exit_code=pane.exit_code,
                frames=tuple(frames),
            )

    @contextmanager
    def running(self, command: Sequence[str], *, cwd: Path) -> Iterator[Pane]:
        """A command that runs in a fresh terminal, until it is looked at enough."""
        self._number += 1
        pane = Pane(self._folder / f"pane-{self._number}", self._environment)
        pane.start(command, cwd)
        try:
            yield pane
        finally:
            pane.end()


class Pane:
    """One terminal with one command in it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        self._socket, self._ended = str(folder / "tmux"), folder / "ended"
        self._environment = dict(environment)

    def start(self, command: Sequence[str], cwd: Path) -> None:
        """Begin; the pane stays after the command, so that everything it printed can still be read."""
        line = f"trap : INT; {shlex.join(command)}; echo $? > {shlex.quote(str(self._ended))}; exec sleep 600"
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(cwd), "sh", "-c", line)

    @property
    def exit_code(self) -> int | None:
        """The command's, once it has ended."""
        text = self._ended.read_text() if self._ended.exists() else ""
        return int(text) if text.endswith("\n") else None

    def captured(self, *options: str) -> tuple[str, ...]:
        """What the screen shows now, row by row; with `-S -` also what has scrolled off it."""
        text = self._tmux("capture-pane", "-p", *options)
        return tuple(line.rstrip() for line in text.rstrip("\n ").split("\n"))

    def press(self, key: str) -> None:
        """Press a key, by tmux' name for it, such as `C-c`."""
        self._tmux("send-keys", key)

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Ask again and again until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while not is_true():
            assert time.monotonic() < deadline, f"after {_PATIENCE:.0f} s:\n" + "\n".join(self.captured("-S", "-"))
            time.sleep(0.03)

    def wait_for(self, words: str) -> tuple[str, ...]:
        """The first picture with these words on the screen."""
        pictures: list[tuple[str, ...]] = []

        def is_shown() -> bool:
            pictures.append(self.captured())
            return any(words in row for row in pictures[-1])

        self.wait_until(is_shown)
        return pictures[-1]

    def end(self) -> None:
        """End the terminal, and whatever still runs in it."""
        self._tmux("kill-server")

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
