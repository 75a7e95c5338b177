"""Patches of rendered manifests, offline: strategic merge and JSON merge (RFC 7386).

Strategic merge follows the API server: maps merge, lists of known kinds merge by key, `$patch: delete | replace`,
`$deleteFromPrimitiveList/FIELD` and `$retainKeys`. Kinds of CustomResourceDefinitions have no merge keys; their lists
are replaced. Source: "Strategic Merge Patch" in the Kubernetes API conventions (contributors/devel/sig-api-machinery).
"""

from __future__ import annotations

from typing import Any

from orchestrator.core import field_types
from orchestrator.core.objects import JsonObject
from orchestrator.errors import UsageError

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def merge_json(original: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, maps merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(original) if isinstance(original, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_json(result.get(key), value)
    return result


def merge_strategic(original: JsonObject, patch: JsonObject) -> JsonObject:
    """Apply a strategic merge patch to an object that carries its kind. Raises UsageError for unknown directives."""
    return _merge_map(original, patch, (str(original.get("kind", "")),), _is_built_in(original))


def _is_built_in(obj: JsonObject) -> bool:
    return field_types.knows_defaults(str(obj.get("apiVersion", "")))


def _merge_map(original: JsonObject, patch: JsonObject, path: field_types.Path, keyed: bool) -> JsonObject:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise UsageError(f"$patch: {directive!r} is none of replace, delete, merge")
    result = dict(original)
    if (kept := patch.get(_RETAIN)) is not None:
        result = {key: value for key, value in result.items() if key in kept}
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            field = key.removeprefix(_DELETE_FROM)
            result[field] = [entry for entry in result.get(field) or [] if entry not in value]
        elif key in (_DIRECTIVE, _RETAIN) or key.startswith(_ORDER):
            continue
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, (*path, key), keyed)
    return result


def _merge_value(original: Any, patch: Any, path: field_types.Path, keyed: bool) -> Any:
    if isinstance(patch, dict):
        return _merge_map(original if isinstance(original, dict) else {}, patch, path, keyed)
    if isinstance(patch, list):
        keys = field_types.lookup(field_types.LIST_KEYS, path) if keyed else None
        if keys and all(isinstance(entry, dict) for entry in patch):
            return _merge_list(original if isinstance(original, list) else [], patch, path, keys)
        if keyed and field_types.fits(field_types.SETS, path):
            return [*(original or []), *(entry for entry in patch if entry not in (original or []))]
    return patch


def _merge_list(
    original: list[JsonObject], patch: list[JsonObject], path: field_types.Path, keys: tuple[str, ...]
) -> list[JsonObject]:
    if {_DIRECTIVE: "replace"} in patch:
        return [entry for entry in patch if entry != {_DIRECTIVE: "replace"}]
    result = list(original)
    for entry in patch:
        identity = _identity(entry, keys, path)
        position = next((n for n, known in enumerate(result) if _identity(known, keys, path) == identity), None)
        if entry.get(_DIRECTIVE) == "delete":
            result = [known for known in result if _identity(known, keys, path) != identity]
        elif position is None:
            result.append(_merge_map({}, entry, path, True))
        else:
            result[position] = _merge_map(result[position], entry, path, True)
    return result


def _identity(entry: JsonObject, keys: tuple[str, ...], path: field_types.Path) -> tuple[Any, ...]:
    if keys[0] not in entry:
        raise UsageError(f"an entry of {'.'.join(path[1:])} in a strategic merge patch lacks its key {keys[0]!r}")
    return tuple(entry.get(key, _default(path, key)) for key in keys)


def _default(path: field_types.Path, key: str) -> Any:
    values = field_types.lookup(field_types.DEFAULTS, (*path, key))
    return values[0] if values else None
