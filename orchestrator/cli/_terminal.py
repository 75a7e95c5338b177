"""The terminal that everything is printed on: harmless text, lines broken between words, tables without lines."""

from __future__ import annotations

import sys
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from orchestrator.core.text import harmless

PIPE_WIDTH = 1000
_HANGING = 2
"""Columns by which the rest of a long line stands further in than its beginning."""


def console(*, stderr: bool = False) -> Console:
    """The terminal: no markup or highlighting, since what it prints comes from documents and clusters.

    On a terminal lines are broken between words, the rest further in; in a pipe or a log they are neither broken nor
    cut.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal else PIPE_WIDTH
    return _Terminal(stderr=stderr, markup=False, highlight=False, soft_wrap=not is_terminal, width=width)


class _Terminal(Console):
    """The last line of defence: whatever a command forgot to make printable is harmless all the same."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich does, each text as one line without control and format characters."""
        super().print(*(self._fitted(each) if isinstance(each, str) else each for each in objects), **options)

    def _fitted(self, text: str) -> str:
        line = harmless(text)
        return line if self.soft_wrap else hanging(line, self.width)


class _PlainTable(Table):
    """A table of harmless cells, see `_Terminal`."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """As Rich does, each text as one line without control and format characters."""
        super().add_row(*(harmless(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def plain_table(headings: tuple[str, ...]) -> Table:
    """A table without lines."""
    table = _PlainTable(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def hanging(line: str, width: int) -> str:
    """The line, broken between words where it is wider than the terminal; a word that is wider alone is cut in two."""
    if cell_len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip(" "))
    lines, begun = [], " " * indent
    for word in line.split():
        rest = f"{begun}{'' if begun.isspace() or not begun else ' '}{word}"
        if cell_len(rest) > width and not begun.isspace() and begun:
            lines.append(begun)
            rest = " " * (indent + _HANGING) + word
        while cell_len(rest) > width:
            cut = _fits(rest, width)
            lines.append(rest[:cut])
            rest = " " * (indent + _HANGING) + rest[cut:]
        begun = rest
    return "\n".join([*lines, begun])


def _fits(text: str, width: int) -> int:
    """How many characters of a text have room; a character may take two columns."""
    room, count = width, 0
    for character in text:
        room -= cell_len(character)
        if room < 0:
            break
        count += 1
    return count
