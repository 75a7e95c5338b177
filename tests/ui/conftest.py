"""The terminal that every test here looks at, and a sandbox to look at in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import sandbox
from tests.ui.terminal import Screen, Terminal

ORCHESTRATOR = str(Path(sys.executable).with_name("orchestrator"))


class Looker:
    """Runs the real command line in a real terminal."""

    def __init__(self, folder: Path) -> None:
        home = {"HOME": str(folder), "ORCHESTRATOR_STATE": str(folder / "state")}
        # A sandbox's programs are cached under the real home.
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        common = {"PATH": os.environ["PATH"], "TERM": "screen-256color", "LANG": "C.UTF-8", "XDG_CACHE_HOME": cache}
        self.environment = {**common, **home}
        self.terminal = Terminal(folder, self.environment)
        self._folder = folder

    def __call__(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Screen:
        # Set for the command alone: tmux gives what runs in it a TERM of its own.
        variables = ["env", *(f"{name}={value}" for name, value in environment.items())] if environment else []
        return self.terminal.show([*variables, ORCHESTRATOR, *arguments], cwd=cwd or self._folder)


@pytest.fixture
def look(tmp_path: Path) -> Looker:
    return Looker(tmp_path)


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sandbox of three regions."""
    directory = tmp_path_factory.mktemp("ui") / "sandbox"
    sandbox.up(directory, 3, lambda line: None)
    try:
        yield directory
    finally:
        sandbox.down(directory)


@pytest.fixture(autouse=True, scope="session")
def tmux_is_there() -> None:
    """Say at once, and once, what is missing."""
    try:
        subprocess.run(["tmux", "-V"], capture_output=True, timeout=10, check=True)
    except FileNotFoundError:
        pytest.fail("these tests need tmux (on Debian: apt install tmux)")
