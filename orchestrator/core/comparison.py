"""Whether an object is what was wanted, field by field, without asking the API server.

Two questions: which fields of a manifest a live object has differently (what a server-side apply of the manifest
would change), and which fields two live objects differ in (what a dry run would change). Pure; the values of Secrets
never come out. It does not know what admission webhooks or defaults outside `field_types` would add: where the
answer decides a write, the API server's own dry run has the last word.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core import field_types
from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import FieldChange
from orchestrator.core.quantity import parse_quantity
from orchestrator.core.text import printable

MASKED = "(secret, changed)"
"""Stands for any value of a Secret."""

_BOOKKEEPING = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_CONTROLLERS_OWN = frozenset({"deployment.kubernetes.io/revision"})
"""Annotations that controllers write at any moment: a difference between two readings is nobody's wish."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in an object we are: as text for people, as names for the tables."""

    text: str
    names: field_types.Path
    is_strict: bool = False
    """Inside an atomic list or object, where fields beyond those wanted are differences, too."""
    knows_defaults: bool = False

    def field(self, name: str) -> _Place:
        names = (*self.names, name)
        step = name if name.replace("_", "").replace("-", "").isalnum() else f"[{printable(name, 100)}]"
        joint = "." if self.text and not step.startswith("[") else ""
        atomic = self.knows_defaults and field_types.fits(field_types.ATOMIC, names)
        return replace(self, text=f"{self.text}{joint}{step}", names=names, is_strict=self.is_strict or atomic)

    def item(self, label: str) -> _Place:
        return replace(self, text=f"{self.text}[{label}]")

    def strict(self) -> _Place:
        return replace(self, is_strict=self.knows_defaults)


def differences(wanted: JsonObject, live: JsonObject) -> tuple[FieldChange, ...]:
    """Every field that `wanted` sets and that `live` has differently; `before` is live, `after` is wanted.

    A wanted null asks for nothing; an empty map, list or text equals absence, save where emptiness has a meaning
    (`emptyDir: {}`). Status, apiVersion and the API server's own metadata are not compared.
    """
    kind = str(wanted.get("kind") or live.get("kind") or "")
    version = str(wanted.get("apiVersion") or live.get("apiVersion") or "")
    place = _Place("", (kind,), knows_defaults=field_types.knows_defaults(version))
    if kind == "Secret":
        wanted, live = _decoded(wanted), _decoded(live)
    return _collected(_map_changes(_comparable(wanted), _comparable(live), place), kind)


def changed_fields(live: JsonObject, after: JsonObject) -> tuple[FieldChange, ...]:
    """Every field in which two live-shaped objects differ, for instance before and after a dry run.

    Status, the API server's own metadata and what controllers write at any moment are left out: they change between
    two readings without anybody's wish.
    """
    kind = str(after.get("kind") or live.get("kind") or "")
    place = _Place("", (kind,))
    return _collected(_exact_changes(_comparable(live), _comparable(after), place), kind)


def _collected(found: Iterator[FieldChange], kind: str) -> tuple[FieldChange, ...]:
    try:
        return tuple(_masked(change) if kind == "Secret" else change for change in found)
    except RecursionError:  # an object nested hundreds of levels deep is hostile: say that it differs
        return (FieldChange("(nested too deeply)", None, None),)


def _comparable(obj: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _BOOKKEEPING}
    if isinstance(notes := metadata.get("annotations"), dict):
        metadata["annotations"] = {key: value for key, value in notes.items() if key not in _CONTROLLERS_OWN}
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    return {"metadata": metadata, **rest}


def _decoded(secret: JsonObject) -> JsonObject:
    """A Secret with its data as bytes: stringData is merged in, as the API server does, and base64 has many forms."""
    data: dict[str, Any] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(value or "")
        except (binascii.Error, TypeError, ValueError):
            data[key] = value
    data |= {key: str(value).encode() for key, value in (secret.get("stringData") or {}).items()}
    return {**{key: value for key, value in secret.items() if key != "stringData"}, "data": data}


def _masked(change: FieldChange) -> FieldChange:
    if not change.path.startswith(("data", "stringData")) and LAST_APPLIED not in change.path:
        return change
    before, after = (None if value is None else MASKED for value in (change.before, change.after))
    return FieldChange(change.path, before, after)


def _changes(wanted: Any, live: Any, place: _Place) -> Iterator[FieldChange]:
    if wanted is None or _means_the_same(wanted, live, place.names):
        return
    if isinstance(wanted, dict) and isinstance(live, dict):
        yield from _map_changes(wanted, live, place)
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _list_changes(wanted, live, place)
    else:
        yield FieldChange(place.text, None if live is _ABSENT else live, wanted)


def _map_changes(wanted: JsonObject, live: JsonObject, place: _Place) -> Iterator[FieldChange]:
    for name, value in wanted.items():
        yield from _changes(value, live.get(name, _ABSENT), place.field(name))
    if not place.is_strict:
        return
    for name in live.keys() - wanted.keys():
        extra = place.field(name)
        if field_types.fits(field_types.COMPUTED, extra.names):
            continue
        defaults = field_types.lookup(field_types.DEFAULTS, extra.names) or ()
        if not _is_empty(live[name]) and live[name] not in defaults:
            yield FieldChange(extra.text, live[name], None)


def _list_changes(wanted: list[Any], live: list[Any], place: _Place) -> Iterator[FieldChange]:
    if field_types.fits(field_types.SETS, place.names):
        if missing := [item for item in wanted if item not in live]:
            yield FieldChange(place.text, live, [*live, *missing])
        return
    keys = field_types.lookup(field_types.LIST_KEYS, place.names)
    mine, theirs = (_by_key(items, keys, place) if keys else None for items in (wanted, live))
    if mine is not None and theirs is not None:
        yield from _keyed_changes(mine, theirs, place)
    elif len(wanted) != len(live):
        yield FieldChange(place.text, live, wanted)
    else:
        for index, (item, other) in enumerate(zip(wanted, live, strict=True)):
            yield from _changes(item, other, place.item(str(index)).strict())


def _keyed_changes(mine: JsonObject, theirs: JsonObject, place: _Place) -> Iterator[FieldChange]:
    for label, item in mine.items():
        yield from _changes(item, theirs.get(label, _ABSENT), place.item(label))
    wanted_order = [label for label in mine if label in theirs]
    live_order = [label for label in theirs if label in mine]
    if wanted_order != live_order:
        yield FieldChange(f"{place.text} (order)", live_order, wanted_order)


def _by_key(items: list[Any], keys: tuple[str, ...], place: _Place) -> JsonObject | None:
    """The items under printed keys such as `name=server`, in order; None when an item lacks a key or two share it."""
    defaults = {key: (field_types.lookup(field_types.DEFAULTS, (*place.names, key)) or [None])[0] for key in keys}
    found: JsonObject = {}
    for item in items:
        values = {key: item.get(key, defaults[key]) for key in keys} if isinstance(item, dict) else {}
        if not values or None in values.values():
            return None
        found[",".join(f"{key}={printable(value, 200)}" for key, value in values.items())] = item
    return found if len(found) == len(items) else None


def _means_the_same(wanted: Any, live: Any, names: field_types.Path) -> bool:
    if live is _ABSENT or live is None:
        if field_types.fits(field_types.MEANINGFUL_EMPTY, names):
            return False
        is_omitted_zero = not wanted and field_types.fits(field_types.OMITTED_ZEROS, names)
        return _is_empty(wanted) or is_omitted_zero
    if field_types.fits(field_types.QUANTITIES, names):
        return _same_quantity(wanted, live)
    if field_types.fits(field_types.INT_OR_STRING, names):
        return str(wanted) == str(live)
    if isinstance(wanted, dict | list):
        return False
    # Python's True equals 1; an API server's does not.
    return isinstance(wanted, bool) == isinstance(live, bool) and bool(wanted == live)


def _is_empty(value: Any) -> bool:
    """Whether the API server would store nothing for it. False and 0 are values."""
    if isinstance(value, dict):
        return all(_is_empty(inner) for inner in value.values())
    return value is None or value in ("", [], b"")


def _same_quantity(wanted: Any, live: Any) -> bool:
    try:
        return parse_quantity(wanted) == parse_quantity(live)
    except ValueError:
        return bool(wanted == live)


def _exact_changes(before: Any, after: Any, place: _Place) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from _exact_changes(before.get(name), after.get(name), place.field(name))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _exact_list_changes(before, after, place)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield FieldChange(place.text, before, after)


def _exact_list_changes(before: list[Any], after: list[Any], place: _Place) -> Iterator[FieldChange]:
    keys = field_types.lookup(field_types.LIST_KEYS, place.names)
    old, new = (_by_key(items, keys, place) if keys else None for items in (before, after))
    if old is not None and new is not None:
        for label in {**old, **new}:
            yield from _exact_changes(old.get(label), new.get(label), place.item(label))
        if list(old) != list(new) and old.keys() == new.keys():
            yield FieldChange(f"{place.text} (order)", list(old), list(new))
    elif len(before) != len(after):
        yield FieldChange(place.text, before, after)
    else:
        for index, (item, other) in enumerate(zip(before, after, strict=True)):
            yield from _exact_changes(item, other, place.item(str(index)))
