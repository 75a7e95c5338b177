"""Fuzzes for a bounded number of executions, from seeds that are our own documents and a real journal.

An input that breaks something is printed in base64: `run.py --reproduce HARNESS BASE64` runs it again.
"""

from __future__ import annotations

import base64
import importlib.util
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HARNESSES = ("documents", "journal")
LONGEST = 8192
SECONDS_EACH, MEGABYTES = 25, 2048
"""Of one execution, and of the process: more is a finding."""


def write_seeds(harness: str, folder: Path) -> None:
    """Inputs to begin with."""
    if harness == "journal":
        lines = _journal(folder / "state").splitlines(keepends=True)
        for count in (1, 2, len(lines)):
            (folder / f"{count}.jsonl").write_bytes(b"".join(lines[:count]))
        return
    for number, file in enumerate(sorted([*ROOT.glob("playbooks/**/*.yaml"), *ROOT.glob("manifests/*-5/**/*.yaml")])):
        (folder / f"{number}.yaml").write_bytes(file.read_bytes()[:LONGEST])


def _journal(state: Path) -> bytes:
    from orchestrator.core.events import Event, EventType
    from orchestrator.evidence import FileJournal

    journal = FileJournal(state)
    for number, kind in enumerate(EventType):
        at = datetime(2026, 11, 23, 20, number, tzinfo=UTC)
        journal.record(Event(type=kind, at=at, cluster="eu-west-1a", model="fable-5", step="s", data={"n": number}))
    journal.close()
    content = journal.path.read_bytes()
    for file in state.iterdir():
        file.unlink()
    state.rmdir()
    return content


def fuzz(harness: str, executions: int, seed: int) -> bool:
    """Whether it found nothing."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_seeds(harness, folder)
        found = folder / "found-"
        done = _start(
            harness,
            f"-runs={executions}",
            f"-seed={seed}",
            f"-max_len={LONGEST}",
            f"-timeout={SECONDS_EACH}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={found}",
            str(folder),
        )
        for file in folder.glob("found-*"):
            click.echo(f"{harness}: python {Path(__file__).name} --reproduce {harness} "
                       f"{base64.b64encode(file.read_bytes()).decode()}")  # fmt: skip
    return done == 0


def reproduce(harness: str, encoded: str) -> bool:
    """Run one input again."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(encoded))
        file.flush()
        return _start(harness, file.name) == 0


def _start(harness: str, *arguments: str) -> int:
    # A process of its own: libFuzzer ends it, and what it instruments stays in there.
    return subprocess.run([sys.executable, "-m", f"tests.fuzz.{harness}", *arguments], cwd=ROOT, check=False).returncode


@click.command()
@click.option("--executions", default=20_000, show_default=True, help="How many inputs each harness gets.")
@click.option("--seed", default=1, show_default=True, help="0 takes another one each time.")
@click.option("--reproduce", "again", nargs=2, metavar="HARNESS BASE64", help="Run one input again.")
def main(executions: int, seed: int, again: tuple[str, str] | None) -> None:
    """Fuzz every harness; the exit code says whether one found something."""
    if importlib.util.find_spec("atheris") is None:
        click.echo("error: the fuzzer has no build for this Python or platform; Linux and Python 3.11 to 3.13 have one")
        sys.exit(1)
    if again:
        sys.exit(0 if reproduce(*again) else 1)
    failed = [harness for harness in HARNESSES if not fuzz(harness, executions, seed)]
    click.echo(f"fuzzed {', '.join(HARNESSES)} with {executions} executions each: {len(failed)} found something")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
