"""Runs the tests marked `long`, a shard per file, in a shuffled order, until the time is up.

A shard that fails makes the run fail. One that the time did not reach is printed as `not run` and fails nothing: the
next run has another order. The order follows from the seed, which is printed first.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

PYTEST = (sys.executable, "-m", "pytest", "-m", "long")
NO_TESTS = 5
"""pytest's exit code for an empty selection."""
TEARDOWN_SECONDS = 120
"""How long a shard that is stopped may take to end its control planes."""


@dataclass(frozen=True)
class Shard:
    """One file of long tests, and how it ended: `passed`, `failed` or `not run`."""

    file: str
    outcome: str
    seconds: float = 0.0
    note: str = ""


class Clock:
    """Says when the time is up: at the limit, or as soon as a signal, kept in `signal`, asks to stop."""

    def __init__(self, minutes: float | None) -> None:
        self._end = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
        self.signal = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._end = 0.0
        self.signal = number

    @property
    def is_up(self) -> bool:
        """Whether nothing more may be started."""
        return time.monotonic() >= self._end


def discover() -> list[str]:
    """The files with long tests. Exits with pytest's own output where it cannot even collect them."""
    found = subprocess.run([*PYTEST, "--collect-only", "-q"], capture_output=True, text=True, check=False)
    if found.returncode not in (0, NO_TESTS):
        click.echo(found.stdout + found.stderr)
        sys.exit(1)
    return sorted({line.partition("::")[0] for line in found.stdout.splitlines() if "::" in line})


def run_shard(file: str, clock: Clock) -> Shard:
    """Run one file to its end, or until the time is up."""
    if clock.is_up:
        return Shard(file, "not run")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        # A session of its own: a signal for this run must not end pytest before it has ended its control planes.
        command = [*PYTEST, "-o", f"cache_dir={cache}", file]
        process = subprocess.Popen(command, start_new_session=True)
        stopped = _wait(process, clock)
        failures = _failures(Path(cache))
    seconds = time.monotonic() - started
    if stopped and not failures:
        return Shard(file, "not run", seconds, "interrupted" if clock.signal else "stopped: the time was up")
    if process.returncode == 0:
        return Shard(file, "passed", seconds)
    return Shard(file, "failed", seconds, ", ".join(failures) or f"pytest ended with {process.returncode}")


def _wait(process: subprocess.Popen[bytes], clock: Clock) -> bool:
    """Wait for pytest; True when it had to be stopped."""
    while not clock.is_up:
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
        return False
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=TEARDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True


def _failures(cache: Path) -> list[str]:
    """The tests that failed, as pytest itself remembers them, also of a run that was stopped."""
    remembered = cache / "v" / "cache" / "lastfailed"
    return list(json.loads(remembered.read_text())) if remembered.exists() else []


def report(shards: Sequence[Shard], seed: int) -> int:
    """Print a line per shard; the exit code."""
    click.echo("")
    for shard in shards:
        note = f" ({shard.note})" if shard.note else ""
        click.echo(f"shard {shard.file}: {shard.outcome} in {shard.seconds:.0f} s{note}")
    failed = sum(shard.outcome == "failed" for shard in shards)
    missed = sum(shard.outcome == "not run" for shard in shards)
    passed = len(shards) - failed - missed
    click.echo(f"long tests: {passed} shards passed, {failed} failed, {missed} not run; SEED={seed} repeats the order")
    return 1 if failed else 0


@click.command()
@click.option("--seed", type=int, help="Repeats an order that was printed.")
@click.option("--minutes", default=42.0, show_default=True, help="Time limit; what it does not reach is `not run`.")
@click.option("--all", "everything", is_flag=True, help="No time limit.")
def main(seed: int | None, minutes: float, everything: bool) -> None:
    """Run the long tests in shards."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    files = discover()
    if not files:
        click.echo("There are no long tests: no test is marked `long`.")
        return
    random.Random(seed).shuffle(files)  # noqa: S311 - an order, not a secret
    limit = "no limit" if everything else f"at most {minutes:g} minutes"
    click.echo(f"long tests: {len(files)} shards, {limit}, in the order of SEED={seed}")
    clock = Clock(None if everything else minutes)
    code = report([run_shard(file, clock) for file in files], seed)
    sys.exit(128 + clock.signal if clock.signal else code)


if __name__ == "__main__":
    main()
