"""Recognises answers from before what this API server has told already: a cache in between, or a store set back.

resourceVersions of one kind only ever grow, and a list without one is consistent: whatever was asked after an answer is
at least as new. An older one shows a model as it was once, for instance off before it was switched on. Only versions of
the same kind are compared, because large clusters keep some kinds in stores of their own.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core.objects import JsonObject, Resource
from orchestrator.errors import Unreachable

Key = tuple[str, ...]


class Freshness:
    """How far the kinds, and the objects, of one cluster are known to have come."""

    def __init__(self) -> None:
        self._known: dict[Key, int] = {}

    def of_list(self, resource: Resource) -> int:
        """What a list that is asked for now has to reach."""
        return self._known.get(_kind(resource), 0)

    def of_object(self, resource: Resource, namespace: str, name: str) -> int:
        """What an object that is asked for now has to reach."""
        return self._known.get((*_kind(resource), namespace, name), 0)

    def take_list(self, resource: Resource, version: Any, least: int) -> None:
        """Learn from a list. Raises `Unreachable` (`stale`) when it is older than `least`."""
        number = _checked(version, least)
        self._raise_to(_kind(resource), number)

    def take_object(self, resource: Resource, obj: JsonObject, least: int = 0) -> None:
        """Learn from an object, read or written. Raises `Unreachable` (`stale`) when it is older than `least`."""
        found = obj.get("metadata")
        metadata = found if isinstance(found, dict) else {}
        number = _checked(metadata.get("resourceVersion"), least)
        kind = _kind(resource)
        self._raise_to((*kind, str(metadata.get("namespace") or ""), str(metadata.get("name") or "")), number)
        self._raise_to(kind, number)

    def _raise_to(self, key: Key, number: int) -> None:
        if number > self._known.get(key, 0):
            self._known[key] = number


def _kind(resource: Resource) -> Key:
    # Every version of a group is kept in the same place.
    return resource.group, resource.plural


def _checked(version: Any, least: int) -> int:
    # Some aggregated APIs have versions of another form, which say nothing.
    if not (isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 20):
        return 0
    number = int(version)
    if number < least:
        raise Unreachable(
            f"the answer is older than what was told before (resourceVersion {number} after {least}): something on the "
            "way answers from memory",
            code="stale",
        )
    return number
