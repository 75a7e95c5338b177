"""Runs the usual tests in two pytest processes at once: most of them wait for something, each half for its own planes.

Usage: `.ci/side_by_side.py [PYTEST ARGUMENT…]`. The first half prints as it goes, the second when it has ended. Where
the arguments name tests or want the terminal, one process runs as always. A signal ends both in good order: processes
that are killed would leave control planes behind, which is why this is not a pool of workers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

PYTEST = (sys.executable, "-m", "pytest")
NO_TESTS = 5
"""pytest's exit code for an empty selection."""
WITH_THE_FIRST = ("counted", "guarding", "restoring")
"""Folders of `tests/cluster` that run with the first half, so that both take about as long."""
TEARDOWN_SECONDS = 120
"""How long a half that is stopped may take to end its control planes."""
ALONE = frozenset({"--pdb", "-s", "--capture=no", "--collect-only", "--co"})


def halves(tests: Path) -> tuple[list[str], list[str]]:
    """The command line's tests, which take longest, and everything else; both by what lies in the folder now."""
    cluster = tests / "cluster"
    places = (*tests.iterdir(), *cluster.iterdir())
    folders = sorted(one for one in places if one.is_dir() and one != cluster and any(one.rglob("test_*.py")))
    first = [*sorted(cluster.glob("test_*.py")), *(one for one in folders if one.name in WITH_THE_FIRST)]
    rest = [*sorted(tests.glob("test_*.py")), *(one for one in folders if one.name not in WITH_THE_FIRST)]
    return [str(path) for path in first], [str(path) for path in rest]


def wants_one(arguments: Sequence[str]) -> bool:
    """Whether the caller chose tests by path, or needs the terminal."""
    return any(word in ALONE or Path(word.partition("::")[0]).exists() for word in arguments)


def exit_code(codes: Sequence[int]) -> int:
    """The worst of both; a half in which nothing was selected matters only where the other was empty, too."""
    ran = [code for code in codes if code != NO_TESTS]
    return max((abs(code) for code in ran), default=NO_TESTS)


class Half:
    """One pytest process in a session of its own, so that a signal for us does not end it before its fixtures are."""

    def __init__(self, arguments: Sequence[str], output: int | None = None) -> None:
        self.process = subprocess.Popen(
            [*PYTEST, *arguments], stdout=output, stderr=output and subprocess.STDOUT, start_new_session=True
        )

    def end(self, deadline: float) -> None:
        """Wait for it to clear up; kill what does not."""
        try:
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(arguments: Sequence[str]) -> int:
    """Run both halves to their end; the exit code."""
    first, rest = halves(Path("tests"))
    with tempfile.TemporaryFile() as output:
        running = [Half([*arguments, *first])]
        running.append(Half([*arguments, "-o", "cache_dir=.pytest_cache/rest", *rest], output.fileno()))
        try:
            codes = [half.process.wait() for half in running]
        except KeyboardInterrupt:
            for half in running:
                half.process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + TEARDOWN_SECONDS
            for half in running:
                half.end(deadline)
            codes = [130]
        output.seek(0)
        sys.stdout.write("\n" + output.read().decode(errors="replace"))
    return exit_code(codes)


def main() -> int:
    """Run what the command line says."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    arguments = sys.argv[1:]
    if wants_one(arguments):
        os.execv(sys.executable, [*PYTEST, *arguments])  # noqa: S606
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
