"""Whether a live object says what was written: the question after a write whose answer was lost.

Pure, and strict in the safe direction: what cannot be compared (JSON patches, strategic directives, quantities written
another way, lists that others extended) counts as "not what was written", so that nothing is claimed that is not known.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from orchestrator.core.objects import JsonObject, dig

Says = Callable[[JsonObject], bool]

# Set by the server, or changed by every write.
_SERVER_FIELDS = ("resourceVersion", "managedFields", "generation", "creationTimestamp", "selfLink")


def says(manifest: JsonObject) -> Says:
    """Whether a live object holds everything a manifest says; what the server added does not matter."""
    wanted = {key: value for key, value in manifest.items() if key not in ("status", "stringData")}
    wanted["metadata"] = _written(manifest.get("metadata") or {})
    if manifest.get("kind") == "Secret" and manifest.get("stringData"):
        plain = {key: base64.b64encode(str(text).encode()).decode() for key, text in manifest["stringData"].items()}
        wanted["data"] = {**(manifest.get("data") or {}), **plain}
    return lambda live: _holds(live, wanted, removed_by_null=False)


def says_patch(patch: Any, type_: str) -> Says:
    """Whether a live object looks as a merge patch leaves it; never true for what cannot be compared."""
    if type_ == "json" or not isinstance(patch, dict):
        return lambda live: False
    wanted = {**patch, "metadata": _written(patch.get("metadata") or {})}
    return lambda live: _holds(live, wanted, removed_by_null=True)


def has_precondition(patch: Any, type_: str) -> bool:
    """Whether a patch says which object, or which version of it, it is meant for."""
    if type_ == "json":
        return False
    return bool(dig(patch, "metadata", "uid") or dig(patch, "metadata", "resourceVersion"))


def _written(metadata: JsonObject) -> JsonObject:
    return {key: value for key, value in metadata.items() if key not in _SERVER_FIELDS}


def _holds(live: Any, wanted: Any, *, removed_by_null: bool) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _holds_key(live, key, value, removed_by_null=removed_by_null) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_holds(a, b, removed_by_null=False) for a, b in zip(live, wanted, strict=True))
        )
    # In JSON `true` is no number, in Python it is.
    return bool(live == wanted) and isinstance(live, bool) == isinstance(wanted, bool)


def _holds_key(live: JsonObject, key: str, value: Any, *, removed_by_null: bool) -> bool:
    if key.startswith("$"):
        return False
    if value is None or (value in ({}, []) and not removed_by_null):
        # Servers leave out what is null or empty.
        return live.get(key) in (None, {}, [], "") if not removed_by_null else key not in live
    return key in live and _holds(live[key], value, removed_by_null=removed_by_null)
