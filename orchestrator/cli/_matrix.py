"""The matrix of `status --watch`: models by regions, drawn in place on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli._render import STYLES, SYMBOLS, WORST_FIRST, describe, ready_of
from orchestrator.cli._terminal import hanging
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.core.result import StatusDocument, StatusItem

Place = tuple[str, str]


@contextmanager
def shown_matrix() -> Iterator[Callable[[StatusDocument], None]]:
    """Shows each document it is given: in place where the cursor can be moved, else what changed, line by line."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines()
        return
    screen = _Screen(console)
    with Live(screen, console=console, refresh_per_second=1, screen=True) as live:

        def show(document: StatusDocument) -> None:
            screen.take(document)
            live.refresh()

        yield show


class _Screen:
    """The newest document, with a clock that goes on: who looks at it sees that somebody still watches."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._document: StatusDocument | None = None
        self._changed = datetime.now().astimezone()

    def take(self, document: StatusDocument) -> None:
        """Show this one from now on."""
        self._document, self._changed = document, datetime.now().astimezone()

    def __rich__(self) -> RenderableType:
        if self._document is None:
            return Text("looking at every cluster …")
        return draw_matrix(self._document, (datetime.now().astimezone(), self._changed), self._console)


class _Lines:
    """Prints an item when it is not as it was."""

    def __init__(self) -> None:
        self._told: dict[Place, str] = {}

    def __call__(self, document: StatusDocument) -> None:
        for item in document.items:
            place, words = (item.cluster, item.model), _words(item)
            if self._told.get(place) != words:
                self._told[place] = words
                named = f"{printable(item.model, 60)} in {printable(item.cluster, 60)}"
                click.echo(f"{datetime.now().astimezone():%H:%M:%S} {named}: {words}")


def draw_matrix(document: StatusDocument, times: tuple[datetime, datetime], console: Console) -> RenderableType:
    """Models by regions, how many clusters are in which state, and what is not verified, worst first.

    `times` are the time now, and that of the last change.
    """
    counts = Counter(item.verdict.value for item in document.items)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in WORST_FIRST if counts[verdict])
    now, changed = times
    words = f"{now:%H:%M:%S} · {summary or 'nothing to look at'} · last change {changed:%H:%M:%S} · Ctrl-C ends"
    heading = Text(words, style="bold", no_wrap=True, overflow="ellipsis")
    table = _matrix(document.items, console.width)
    room = console.height - table.row_count - 5
    return Group(heading, Text(), table, Text(), *_troubles(document.items, room, console.width))


def _matrix(items: Iterable[StatusItem], width: int) -> Table:
    cells: dict[str, dict[str, list[StatusItem]]] = {}
    for item in items:
        cells.setdefault(item.region, {}).setdefault(item.model, []).append(item)
    models = list(dict.fromkeys(item.model for item in items))
    shown = models[: _room_for(models, cells, width)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("REGION", *(printable(model, 20) for model in shown)):
        table.add_column(heading, no_wrap=True)
    if len(shown) < len(models):
        table.add_column(f"… {len(models) - len(shown)} more models", no_wrap=True)
    for region, row in cells.items():
        table.add_row(printable(region, 18), *(_cell(row.get(model, ())) for model in shown))
    return table


def _room_for(models: list[str], cells: dict[str, dict[str, list[StatusItem]]], width: int) -> int:
    """How many models have room beside the regions; at least one, and where not all, room to say so."""
    left = width - max([len("REGION"), *(min(len(region), 18) for region in cells)])
    for number, model in enumerate(models):
        widest = max(_cell(row.get(model, ())).cell_len for row in cells.values())
        left -= 2 + max(widest, len(printable(model, 20)))
        if left < (0 if number == len(models) - 1 else 2 + len("… 99 more models")):
            return max(number, 1)
    return len(models)


def _cell(items: Iterable[StatusItem]) -> Text:
    """The states of a region's clusters, in words and with the symbol of the worst verdict."""
    found = sorted(items, key=lambda item: WORST_FIRST.index(item.verdict.value))
    if not found:
        return Text("-", style="dim")
    states = Counter(item.state.value for item in found)
    words = ", ".join(state if number == len(found) == 1 else f"{number} {state}" for state, number in states.items())
    worst = found[0].verdict.value
    return Text(f"{SYMBOLS[worst]} {words}", style=STYLES[worst])


def _troubles(items: Iterable[StatusItem], room: int, width: int) -> list[Text]:
    """What is not verified: in whole sentences where they have room, else a line each, the rest counted."""
    troubled = [item for item in items if item.verdict.value != "verified"]
    troubled.sort(key=lambda item: WORST_FIRST.index(item.verdict.value))
    lines = [f"{printable(item.model, 30)} in {printable(item.cluster, 30)}: {_words(item)}" for item in troubled]
    whole = [part for line in lines for part in hanging(line, width).split("\n")]
    if len(whole) <= room:
        return [Text(part) for part in whole]
    if len(lines) > room > 0:
        lines = [*lines[: room - 1], f"… and {len(lines) - room + 1} more: `orchestrator status`"]
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines[: max(room, 0)]]


def _words(item: StatusItem) -> str:
    why = f": {describe(item.reasons[0])}" if item.reasons else ""
    counts = "" if item.state.value == "unknown" else f", {ready_of(item)}"
    return f"{SYMBOLS[item.verdict]} {item.verdict}, {item.state}{counts}{why}"
