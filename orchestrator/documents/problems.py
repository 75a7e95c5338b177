"""Everything that is wrong with a document, gathered so that one attempt shows it all."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any

from orchestrator.documents.source import Source
from orchestrator.errors import DocumentError

_MOST_TOLD = 5

Path = tuple[str | int, ...]
"""Keys and indexes that lead from a document's top to a value."""


class Problems:
    """Collects problems of one document; `raise_any` ends the attempt when there are some."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: list[tuple[bool, int, str, str | None]] = []

    def add(self, message: str, path: Path, hint: str | None = None, *, is_cause: bool = False) -> None:
        """Note a problem of the value or key at this path.

        Causes are told first: a misspelt field is the cause of the one that is missing a line above.
        """
        entry = (not is_cause, self._source.line(*path), message, hint)
        if entry not in self._found:
            self._found.append(entry)

    def raise_any(self) -> None:
        """Raise DocumentError at the first problem, causes before others, by line; its hint names the others."""
        if not self._found:
            return
        self._found.sort(key=lambda entry: entry[:2])
        (_, line, message, hint), *others = self._found
        told = [f"line {number}: {words}" for _, number, words, _ in others[:_MOST_TOLD]]
        if len(others) > _MOST_TOLD:
            told.append(f"and {len(others) - _MOST_TOLD} more")
        also = f"also wrong: {'; '.join(told)}" if told else None
        hints = "; ".join(words for words in (hint, also) if words)
        raise DocumentError(message, file=self._source.file, line=line, hint=hints or None)


def closest(word: str, known: Iterable[str]) -> str | None:
    """`did you mean X?` for the closest known word; None when nothing is close."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else None


def suggestion(word: str, known: Collection[str], what: str) -> str:
    """A hint for an unknown word: the closest known one, or all of them."""
    return closest(word, known) or f"{what}: {', '.join(sorted(known)) or 'none'}"


def shown(value: Any) -> str:
    """A value as a message quotes it: in words for what it is, and cut when long."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:59]}…"'
        case list():
            return "a list"
        case _:
            return "a mapping"
