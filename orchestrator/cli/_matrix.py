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

from orchestrator.cli._render import STYLES, SYMBOLS, WORST_FIRST, describe
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
    with Live(console=console, auto_refresh=False, screen=True) as live:
        yield lambda document: live.update(draw_matrix(document, datetime.now().astimezone(), console), refresh=True)


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


def draw_matrix(document: StatusDocument, now: datetime, console: Console) -> RenderableType:
    """Models by regions, how many clusters are in which state, and what is not verified, worst first."""
    counts = Counter(item.verdict.value for item in document.items)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in WORST_FIRST if counts[verdict])
    heading = Text(f"{now:%H:%M:%S} · {summary or 'nothing to look at'} · Ctrl-C ends", style="bold")
    table = _matrix(document.items, console.width)
    room = console.height - table.row_count - 5
    return Group(heading, Text(), table, Text(), *_troubles(document.items, room))


def _matrix(items: Iterable[StatusItem], width: int) -> Table:
    cells: dict[str, dict[str, list[StatusItem]]] = {}
    for item in items:
        cells.setdefault(item.region, {}).setdefault(item.model, []).append(item)
    models = list(dict.fromkeys(item.model for item in items))
    shown = models[: max(1, (width - 20) // 22)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("REGION", *(printable(model, 20) for model in shown)):
        table.add_column(heading, no_wrap=True)
    if len(shown) < len(models):
        table.add_column(f"… {len(models) - len(shown)} more models", no_wrap=True)
    for region, row in cells.items():
        table.add_row(printable(region, 18), *(_cell(row.get(model, ())) for model in shown))
    return table


def _cell(items: Iterable[StatusItem]) -> Text:
    """The states of a region's clusters, in words and with the symbol of the worst verdict."""
    found = sorted(items, key=lambda item: WORST_FIRST.index(item.verdict.value))
    if not found:
        return Text("-", style="dim")
    states = Counter(item.state.value for item in found)
    words = ", ".join(state if number == len(found) == 1 else f"{number} {state}" for state, number in states.items())
    worst = found[0].verdict.value
    return Text(f"{SYMBOLS[worst]} {words}", style=STYLES[worst])


def _troubles(items: Iterable[StatusItem], room: int) -> list[Text]:
    troubled = [item for item in items if item.verdict.value != "verified"]
    troubled.sort(key=lambda item: WORST_FIRST.index(item.verdict.value))
    lines = [
        Text(f"{printable(item.model, 30)} in {printable(item.cluster, 30)}: {_words(item)}", no_wrap=True)
        for item in troubled
    ]
    if len(lines) > room > 0:
        lines = [*lines[: room - 1], Text(f"… and {len(lines) - room + 1} more: `orchestrator status`")]
    for line in lines:
        line.overflow = "ellipsis"
    return lines[: max(room, 0)]


def _words(item: StatusItem) -> str:
    why = f": {describe(item.reasons[0])}" if item.reasons else ""
    counts = f"{item.replicas.ready}/{item.replicas.desired}"
    return f"{SYMBOLS[item.verdict]} {item.verdict}, {item.state}, {counts}{why}"
