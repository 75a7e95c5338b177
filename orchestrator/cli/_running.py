"""Running a workflow: the event loop, the signals, and progress on stderr."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli._interruptions import (
    disregard_hangups,
    interruptible,
    outlast_readers,
    take_termination_for_interruption,
)
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.core.events import Event

Answer = TypeVar("Answer")
_COLLECTING = (20_000, 20, 50)
"""New objects until the collector looks at the young ones, and how many such looks until it looks at older ones.

So rarely that a takedown of 400 clusters ends before a look at everything: that holds up all of them for a second, and
gives back a tenth of the memory.
"""


def run(story: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a workflow that changes nothing to its end."""
    return _run(interruptible(story, outlives_terminal=False))


def act(story: Coroutine[Any, Any, Answer], *, outlives_terminal: bool = False) -> Answer:
    """Run a workflow that changes something to its end, whether or not anybody goes on reading what it says.

    With `outlives_terminal` it also goes on when its terminal is closed.
    """
    outlast_readers()
    if not outlives_terminal:
        return _run(interruptible(story, outlives_terminal=False))
    disregard_hangups()
    try:
        return _run(interruptible(story, outlives_terminal=True))
    finally:
        disregard_hangups()


def _run(story: Coroutine[Any, Any, Answer]) -> Answer:
    """On uvloop where there is one: a fifth of the memory for each open watch."""
    try:
        import uvloop
    except ImportError:  # not built for this platform
        runs = asyncio.run
    else:
        runs = uvloop.run
    # What is there by now stays to the end, and what a thousand clusters bring stays long: a collector that looks for
    # garbage after every 700 objects would look through all of it again and again.
    gc.freeze()
    gc.set_threshold(*_COLLECTING)
    try:
        return runs(story)
    finally:
        # The loop has taken its own handlers away; the result is still to be told.
        take_termination_for_interruption()


def point_to_resumption(run: str) -> None:
    """Say on stderr by which command an interrupted run goes on; nothing where it has left nothing."""
    from orchestrator.cli._settings import Settings, state_directory
    from orchestrator.workflow.run_reports import resume_command

    if not (state_directory() / "runs" / run).is_dir():
        return
    context = click.get_current_context(silent=True)
    settings = context.find_object(Settings) if context else None
    place = str(settings.workspace.resolve()) if settings else None
    click.echo(f"next: `{resume_command(run, place)}` goes on from here", err=True)


def point_onwards(run: str, exit_code: int) -> None:
    """Say on stderr what to type next; nothing of a run that had nothing to do, and left nothing."""
    from orchestrator.cli._settings import state_directory

    if not (state_directory() / "runs" / run).is_dir():
        return
    if exit_code == 0:
        click.echo(f"next: `orchestrator report {printable(run)}` tells it to others", err=True)
    elif exit_code in (1, 3):
        command = f"orchestrator runs show {printable(run)}"
        click.echo(f"next: `{command}` tells every step", err=True)


def _write(data: dict[str, Any]) -> str:
    """A write to somebody's object; those to our own records would only fill the terminal."""
    from orchestrator.core.objects import SYSTEM_NAMESPACE

    written = str(data.get("object", ""))
    return "" if f" {SYSTEM_NAMESPACE}/" in written else f"{data.get('verb')} {written}"


def _end(data: dict[str, Any]) -> str:
    """A verdict, with the first reason where it is not what was asked for."""
    verdict, reasons = str(data.get("verdict", "ended")), list(data.get("reasons") or ())
    why = reasons[0].get("message") if reasons and isinstance(reasons[0], dict) else None
    return f"{verdict}: {why}" if why and verdict != "verified" else verdict


def progress() -> Callable[[Event], None]:
    """Tells on stderr what happens: a live view on a terminal, else a line an event."""
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        return lines_of_progress()
    from orchestrator.cli._live import LiveView

    return LiveView(console)


def lines_of_progress() -> Callable[[Event], None]:
    """Tells what happens, a line an event: for logs, pipes, and terminals that cannot move the cursor."""
    from orchestrator.core.events import EventType

    sentences: dict[EventType, Callable[[dict[str, Any]], str]] = {
        EventType.WAVE_STARTED: lambda data: f"begins, clusters: {data.get('clusters')}",
        EventType.WAVE_ENDED: lambda data: f"failed: {data['failure']}" if data.get("failure") else "is through",
        EventType.SENDING: _write,
        EventType.PROGRESS: lambda data: "; ".join(map(str, data.get("reasons", ()))),
        EventType.LAST_POD_GONE: lambda data: "last pod gone",
        EventType.SOAKING: lambda data: f"holds; soaking for {data.get('seconds', 0):g}s",
        EventType.CHECKED: lambda data: "checked",
        EventType.ITEM_ENDED: _end,
        EventType.ROLLING_BACK: lambda data: "rolling back",
    }

    def tell(event: Event) -> None:
        sentence = sentences.get(event.type)
        text = sentence(dict(event.data)) if sentence else ""
        if not text:
            return
        place = " ".join(part for part in (event.step, event.cluster, event.model) if part) or "the run"
        click.echo(f"{event.at:%H:%M:%S} {printable(place, 120)}: {printable(text, 300)}", err=True)

    return tell
