"""Runs every measure of `measures/`, prints one table, keeps the figures, and exits 1 where a bar is missed.

`make bench` runs it (`make bench ONLY=startup,status ROUNDS=3`). A measure is one file with an
`async def measure(setting) -> list[Figure]`; one that uses real control planes says `CONTROL_PLANES = "few"` or
`"all"` and is run after the others, because thirty idle control planes are not nothing on a small machine.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import click
from rich.console import Console

from tests.bench import measures
from tests.bench.figures import Figure, JsonObject, table, write
from tests.bench.machine import machine, versions
from tests.bench.planes import Planes, started
from tests.bench.setting import ROOT, Setting

_ORDER = ("none", "few", "all")
RESULTS = ROOT / "bench" / "results"
Keep = Callable[[Sequence[Figure]], None]


def found_measures(only: Sequence[str] = ()) -> list[ModuleType]:
    """The files of `measures/`, by name; those that need all real control planes last. Raises click.UsageError.

    Thirty idle control planes, once started, take half of a small machine: what needs few of them has to be over.
    """
    names = sorted(info.name for info in pkgutil.iter_modules(measures.__path__) if not info.name.startswith("_"))
    if unknown := sorted(set(only) - set(names)):
        raise click.UsageError(f"no measure is called {', '.join(unknown)}; there are: {', '.join(names)}")
    chosen = [name for name in names if not only or name in only]
    found = [importlib.import_module(f"{measures.__name__}.{name}") for name in chosen]
    return sorted(found, key=lambda module: _ORDER.index(getattr(module, "CONTROL_PLANES", "none")))


async def measured(module: ModuleType, setting: Setting) -> list[Figure]:
    """Its figures; one that says why, where it went wrong: the others are measured all the same."""
    name = module.__name__.rpartition(".")[2]
    setting.say(f"measuring {name} …")
    began = time.monotonic()
    try:
        figures: list[Figure] = await module.measure(setting)
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        setting.say(f"{name} went wrong: {words}")
        figures = [Figure(measure=name, name="went wrong", unit="", bar=0.0, reason=words)]
    setting.say(f"measured {name} in {time.monotonic() - began:.0f} s")
    return figures


async def measure_all(modules: Sequence[ModuleType], setting: Setting, keep: Keep) -> list[Figure]:
    """All of them, one after the other, what is measured so far kept after each."""
    figures: list[Figure] = []
    for module in modules:
        figures += await measured(module, setting)
        keep(figures)
    return figures


def document(
    figures: Sequence[Figure], began: datetime, versions_of: dict[str, str], *, rounds: int, clusters: int
) -> JsonObject:
    """What is kept of a run."""
    return {
        "kind": "BenchResult",
        "began": began.isoformat(timespec="seconds"),
        "seconds": round((now() - began).total_seconds(), 1),
        "rounds": rounds,
        "clusters": clusters,
        "machine": machine(),
        "versions": versions_of,
        "met": are_met(figures),
        "figures": [figure.to_json() for figure in figures],
    }


def now() -> datetime:
    """The time, as results keep it."""
    return datetime.now(UTC)


def are_met(figures: Sequence[Figure]) -> bool:
    """Whether something was measured, and every bar is kept."""
    return bool(figures) and all(figure.is_met for figure in figures)


async def run(modules: Sequence[ModuleType], folder: Path, console: Console, keep: Keep, **sizes: int) -> list[Figure]:
    """Measure with control planes that are started when first asked for, and ended at the end."""
    async with AsyncExitStack() as stack:
        running: list[Planes] = []

        def say(line: str) -> None:
            console.print(line, style="dim")

        async def planes() -> Planes:
            if not running:
                running.append(await stack.enter_async_context(started(folder / "planes", setting.clusters, say)))
            return running[0]

        setting = Setting(folder=folder, say=say, planes=planes, **sizes)
        return await measure_all(modules, setting, keep)


@click.command()
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds of each measure.")
@click.option("--clusters", default=30, show_default=True, type=click.IntRange(1, 40), help="Real control planes.")
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(1), help="At least, of a percentile.")
@click.option("--only", default="", metavar="NAME,…", help="Only these files of tests/bench/measures.")
@click.option("--save", type=click.Path(path_type=Path), default=None, help="Where the figures are kept.")
def main(only: str, save: Path | None, **sizes: int) -> None:
    """Measure what the tool costs beside the control planes themselves."""
    # Control planes are ended also when somebody ends us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    began = now()
    modules = found_measures([name for name in only.split(",") if name])
    path = save or RESULTS / f"{began:%Y%m%dT%H%M%SZ}.json"

    def keep(figures: Sequence[Figure]) -> None:
        write(path, document(figures, began, versions(), rounds=sizes["rounds"], clusters=sizes["clusters"]))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        figures = asyncio.run(run(modules, Path(folder), console, keep, **sizes))
    console.print()
    console.print(table(figures))
    for figure in figures:
        if figure.reason:
            console.print(f"\n{figure.measure}: {figure.name}: {figure.reason}")
    console.print(f"\nkept in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    sys.exit(0 if are_met(figures) else 1)


if __name__ == "__main__":
    main()
