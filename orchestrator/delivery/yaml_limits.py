"""Limits of a YAML file that somebody else wrote, judged on the parser's events, before anything is built.

libyaml and PyYAML recurse in C, where deep nesting ends the process; aliases and merge keys make a page into gigabytes.
"""

from __future__ import annotations

import yaml

MOST_NESTED = 64
MOST_FROM_ALIASES = 10_000
"""Values that all aliases of a file may add together."""


class TooMuch(ValueError):
    """The file goes beyond a limit; the message says which."""


def check_limits(text: bytes, loader: type[yaml.CSafeLoader]) -> None:
    """Raise `TooMuch` for what is nested too deeply, contains itself, or expands to too much; yaml.YAMLError as is."""
    judge = _Judge()
    for event in yaml.parse(text, Loader=loader):
        judge.take(event)


class _Judge:
    def __init__(self) -> None:
        self._open: list[tuple[str | None, int]] = []
        self._anchors: dict[str, int | None] = {}
        self._size = 0
        self._from_aliases = 0

    def take(self, event: yaml.Event) -> None:
        """Count what this event adds."""
        if isinstance(event, yaml.AliasEvent):
            self._repeat(event.anchor or "")
        elif isinstance(event, yaml.ScalarEvent):
            self._size += 1
            if event.anchor:
                self._anchors[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self._open.pop()
            if anchor:
                self._anchors[anchor] = self._size - before

    def _begin(self, anchor: str | None) -> None:
        self._open.append((anchor, self._size))
        self._size += 1
        if len(self._open) > MOST_NESTED:
            raise TooMuch(f"is nested deeper than {MOST_NESTED} levels")
        if anchor:
            self._anchors[anchor] = None

    def _repeat(self, anchor: str) -> None:
        # An alias without its anchor is an error of the parser's own, a moment later.
        size = self._anchors.get(anchor, 0)
        if size is None:
            raise TooMuch("holds an alias that contains itself")
        self._size += size
        self._from_aliases += size
        if self._from_aliases > MOST_FROM_ALIASES:
            raise TooMuch(f"has aliases that expand to more than {MOST_FROM_ALIASES} values")
