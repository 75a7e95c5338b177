"""YAML text → JSON values with their lines, within limits on depth and on what aliases may expand to.

It works on the parser's events and stops at the first one that is too much, so that nothing hostile is ever built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestrator.documents._scalars import read_plain
from orchestrator.documents.source import Place, Source
from orchestrator.errors import DocumentError

MOST_NESTED = 64
MOST_FROM_ALIASES = 10_000
"""Values that all aliases of a file may add together."""

_NOT_IN_TEXT = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no YAML file may hold as such: control characters, other line ends, and characters that turn text around."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an anchor names: the value, and what it costs to repeat it."""

    value: Any
    place: Place
    size: int
    height: int


@dataclass(slots=True)
class _Collection:
    """A mapping or list that is being read."""

    value: Any
    line: int
    anchor: str | None
    size_before: int
    fields: dict[str, tuple[int, Place]] = field(default_factory=dict)
    items: list[Place] = field(default_factory=list)
    key: str | None = None
    key_line: int = 0
    height: int = 1


def parse_documents(text: str, file: str, *, allow_control: bool = False) -> Iterator[Source]:
    """Each document of a YAML stream; raises DocumentError at the first line that is wrong.

    `allow_control` permits escaped control characters in values (scripts in a ConfigMap); keys never hold any.
    """
    forbidden = _NOT_IN_TEXT.search(text)
    if forbidden:
        line = text.count("\n", 0, forbidden.start()) + 1
        raise DocumentError(f"character U+{ord(forbidden[0]):04X} is not allowed", file=file, line=line)
    reader = _Reader(file, allow_control=allow_control)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            source = reader.take(event)
            if source is not None:
                yield source
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ": ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError(f"not YAML: {words}", file=file, line=mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML: {error}", file=file) from error


class _Reader:
    """Builds documents from events."""

    def __init__(self, file: str, *, allow_control: bool) -> None:
        self.file = file
        self.allow_control = allow_control
        self.open: list[_Collection] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.size = 0
        self.from_aliases = 0
        self.root: tuple[Any, Place] | None = None

    def take(self, event: yaml.Event) -> Source | None:
        """Take one event; the document, when it is complete."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                self._begin(event, line)
            case yaml.DocumentEndEvent() if self.root is not None:
                return Source(self.file, *self.root)
            case yaml.AliasEvent():
                self._repeat(event.anchor, line)
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
        return None

    def _begin(self, event: yaml.DocumentStartEvent, line: int) -> None:
        self.anchors.clear()
        self.root = None
        if event.version and tuple(event.version) < (1, 2):
            raise self._error("documents are YAML 1.2, and this one says that it is older", line)

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        if len(self.open) == MOST_NESTED:
            raise self._error(f"nested more than {MOST_NESTED} deep", line)
        if self._expects_key():
            raise self._error("expected a string as key, not a mapping or list", line)
        self.size += 1
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.open.append(_Collection({} if is_mapping else [], line, event.anchor, self.size))
        if event.anchor:
            self.anchors[event.anchor] = None

    def _close(self) -> None:
        done = self.open.pop()
        place = Place(done.line, done.fields, done.items)
        if done.anchor:
            size = self.size - done.size_before + 1
            self.anchors[done.anchor] = _Anchored(done.value, place, size, done.height)
        self._add(done.value, place, done.height)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        text = event.value
        if (not self.allow_control or self._expects_key()) and (found := _CONTROL.search(text)):
            raise self._error(f"character U+{ord(found[0]):04X} is not allowed", line)
        self.size += 1
        try:
            value = read_plain(text) if event.implicit[0] else text
        except ValueError as error:
            raise self._error(str(error), line) from None
        if self._expects_key():
            self._take_key(value, line, is_plain=event.implicit[0])
        else:
            self._add(value, Place(line), 0)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(value, Place(line), 1, 0)

    def _repeat(self, anchor: str | None, line: int) -> None:
        if anchor is None or anchor not in self.anchors:
            raise self._error(f"alias *{anchor} has no anchor before it", line)
        anchored = self.anchors[anchor]
        if anchored is None:
            raise self._error(f"alias *{anchor} contains itself", line)
        self.from_aliases += anchored.size
        self.size += anchored.size
        if self.from_aliases > MOST_FROM_ALIASES:
            raise self._error(f"aliases expand to more than {MOST_FROM_ALIASES} values", line)
        if len(self.open) + anchored.height > MOST_NESTED:
            raise self._error(f"nested more than {MOST_NESTED} deep", line)
        if self._expects_key():
            self._take_key(anchored.value, line, is_plain=False)
        else:
            self._add(_copy(anchored.value), anchored.place, anchored.height)

    def _expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].value, dict) and self.open[-1].key is None

    def _take_key(self, key: Any, line: int, *, is_plain: bool) -> None:
        around = self.open[-1]
        if not isinstance(key, str):
            raise self._error(f"expected a string as key: write {json.dumps(key)} in quotes", line)
        if key == "<<" and is_plain:
            raise self._error("merge keys (<<) are not part of YAML 1.2: write the fields out", line)
        if key in around.value:
            first = around.fields[key][0]
            raise self._error(f"{key} is there already, in line {first}", line)
        around.key, around.key_line = key, line

    def _add(self, value: Any, place: Place, height: int) -> None:
        if not self.open:
            self.root = (value, place)
            return
        around = self.open[-1]
        around.height = max(around.height, height + 1)
        if isinstance(around.value, list):
            around.value.append(value)
            around.items.append(place)
        elif around.key is not None:
            around.value[around.key] = value
            around.fields[around.key] = (around.key_line, place)
            around.key = None

    def _refuse_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            raise self._error(f"tags are not allowed, and here is {tag}", line)

    def _error(self, message: str, line: int) -> DocumentError:
        return DocumentError(message, file=self.file, line=line)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
