"""Measures the promised times, best of five, and exits 1 where one is missed.

`make bench-quick` runs it. Times are judged here and nowhere else: a test that asserts absolute times fails on a busy
machine. Every run also checks that what was timed did what it should, since a fast failure is no speed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
ORCHESTRATOR = str(Path(sys.executable).with_name("orchestrator"))
OUTSIDE_MAKE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
"""The environment without what `make bench-quick` would hand down to `make demo`."""
PLAYBOOKS = {
    "10 MB of YAML": "spec:\n" + "  - {name: a, labels: {b: c}, text: some words}\n" * 210_000,
    "an alias bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "a !!python tag": "apiVersion: orchestrator/v1\nkind: !!python/object/apply:os.getcwd []\n",
    "a path that leaves the workspace": """\
apiVersion: orchestrator/v1
kind: Playbook
metadata: {name: outside}
spec:
  models: [outside]
  steps:
    - {name: all, enable: {scope: {all: true}}}
""",
}
FLEET = """\
apiVersion: orchestrator/v1
kind: Fleet
metadata: {name: nowhere}
spec:
  clusters:
    - {name: eu-west-1, region: eu-west, country: IE, serves: [EU], context: eu-west-1}
"""
OUTSIDE_MODEL = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {name: outside}
spec:
  manifests: [../../../elsewhere]
"""


class Wrong(Exception):
    """What was timed did not do what it should."""


@dataclass(frozen=True)
class Promise:
    """One promised time: `run` does the thing once and returns the seconds it took."""

    name: str
    seconds: float
    run: Callable[[], float]


@dataclass(frozen=True)
class Measured:
    """One promise and all its runs, in seconds; or why it could not be measured."""

    promise: Promise
    runs: tuple[float, ...]
    wrong: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the best run stayed within the promise."""
        return not self.wrong and min(self.runs) < self.promise.seconds


def timed(*command: str, expect: int = 0, cwd: Path = ROOT, says: str = "") -> float:
    """Run a command once; raises Wrong when it ends otherwise than expected or does not say what it should."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=OUTSIDE_MAKE, capture_output=True, text=True, timeout=600, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != expect or says not in done.stdout + done.stderr:
        shown = (done.stdout + done.stderr).strip()[-600:]
        raise Wrong(f"`{' '.join(command[:6])}` ended with {done.returncode}, expected {expect} and {says!r}: {shown}")
    return seconds


def measure(promise: Promise, runs: int) -> Measured:
    """Run it `runs` times, or until it goes wrong."""
    seconds: list[float] = []
    try:
        seconds.extend(promise.run() for _ in range(runs))
    except Wrong as wrong:
        return Measured(promise, tuple(seconds), str(wrong))
    return Measured(promise, tuple(seconds))


def start_up() -> Iterator[Promise]:
    """How fast the command line answers at all."""
    yield Promise("orchestrator --help", 0.15, lambda: timed(ORCHESTRATOR, "--help", says="Usage: orchestrator"))


def wrong_documents(folder: Path) -> Iterator[Promise]:
    """How fast documents that are wrong, huge or hostile are refused, with their file and line."""
    workspace = folder / "workspace"

    @cache
    def prepare() -> None:
        timed(ORCHESTRATOR, "init", str(workspace))
        (workspace / "fleet.yaml").write_text(FLEET)
        (workspace / "manifests" / "outside").mkdir()
        (workspace / "manifests" / "outside" / "model.yaml").write_text(OUTSIDE_MODEL)
        for number, text in enumerate(PLAYBOOKS.values()):
            (workspace / "playbooks" / f"wrong-{number}.yaml").write_text(text)

    def refuse(playbook: str, says: str) -> float:
        prepare()
        return timed(ORCHESTRATOR, "-C", str(workspace), "plan", playbook, expect=2, says=says)

    for number, what in enumerate(PLAYBOOKS):
        playbook = f"playbooks/wrong-{number}.yaml"
        says = "model.yaml:5" if what.startswith("a path") else playbook
        yield Promise(f"refuse {what}", 1.0, partial(refuse, playbook, says))


def five_regions(folder: Path) -> Iterator[Promise]:
    """How fast real control planes are up once their programs are cached."""

    def up() -> float:
        sandbox = ("--dir", str(folder / "sandbox"))
        try:
            return timed(ORCHESTRATOR, "sandbox", "up", *sandbox, "--regions", "5")
        finally:
            timed(ORCHESTRATOR, "sandbox", "down", *sandbox)

    yield Promise("five regions up", 20.0, up)


def demo() -> Iterator[Promise]:
    """How fast a second demo is."""
    first = cache(partial(timed, "make", "demo"))

    def second() -> float:
        first()
        return timed("make", "demo")

    yield Promise("a second make demo", 60.0, second)


def table(measured: Iterable[Measured]) -> Table:
    """A line per promise."""
    result = Table(box=None, pad_edge=False)
    for heading in ("promise", "under", "best", "runs", ""):
        result.add_column(heading, justify="right" if heading in ("under", "best") else "left")
    for one in measured:
        runs = " ".join(f"{seconds:.3g}" for seconds in one.runs)
        best = f"{min(one.runs):.3g} s" if one.runs else "-"
        result.add_row(one.promise.name, f"{one.promise.seconds:g} s", best, runs, "kept" if one.is_kept else "MISSED")
    return result


@click.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1), help="Runs of each, the best one counts.")
@click.argument("words", nargs=-1)
def main(runs: int, words: tuple[str, ...]) -> None:
    """Measure the promised times, or those whose name contains one of WORDS."""
    console = Console(markup=False, highlight=False, soft_wrap=True, width=110)
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for promise in (*start_up(), *wrong_documents(Path(folder)), *five_regions(Path(folder)), *demo()):
            if not words or any(word in promise.name for word in words):
                console.print(f"measuring: {promise.name} …")
                measured.append(measure(promise, runs))
    console.print()
    console.print(table(measured))
    for one in measured:
        if one.wrong:
            console.print(f"\n{one.promise.name}: {one.wrong}")
    sys.exit(0 if measured and all(one.is_kept for one in measured) else 1)


if __name__ == "__main__":
    main()
