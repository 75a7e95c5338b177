"""Patches of rendered manifests, offline: strategic merge and JSON merge (RFC 7386).

Strategic merge does what `kubectl patch --type strategic` does, and the tests hold it against kubectl itself: maps
merge, known lists merge by key, and the directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…` and
`$setElementOrder/…` are followed. Kinds of CustomResourceDefinitions have no merge keys: their lists are replaced.

It changes no value that it is given, and refuses directives that it does not know.
Source: "Strategic Merge Patch" in the Kubernetes API conventions, and the `patchMergeKey` tags of `k8s.io/api`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.core import field_types
from orchestrator.core.objects import JsonObject
from orchestrator.errors import UsageError

MERGE_KEYS: Final[Mapping[field_types.Path, str]] = {
    ("containers",): "name",
    ("initContainers",): "name",
    ("ephemeralContainers",): "name",
    ("containers", "ports"): "containerPort",
    ("initContainers", "ports"): "containerPort",
    ("ephemeralContainers", "ports"): "containerPort",
    ("env",): "name",
    ("volumes",): "name",
    ("volumeMounts",): "mountPath",
    ("volumeDevices",): "devicePath",
    ("spec", "imagePullSecrets"): "name",
    ("hostAliases",): "ip",
    ("topologySpreadConstraints",): "topologyKey",
    ("schedulingGates",): "name",
    ("spec", "resourceClaims"): "name",
    ("metadata", "ownerReferences"): "uid",
    ("Service", "spec", "ports"): "port",
    ("ServiceAccount", "secrets"): "name",
    ("MutatingWebhookConfiguration", "webhooks"): "name",
    ("ValidatingWebhookConfiguration", "webhooks"): "name",
    ("webhooks", "matchConditions"): "name",
    ("ValidatingAdmissionPolicy", "spec", "matchConditions"): "name",
    ("ValidatingAdmissionPolicy", "spec", "variables"): "name",
}
"""Lists of maps that merge. Not the keys of server-side apply: a container port has one key here, and two there."""

_MERGED_SETS: Final[frozenset[field_types.Path]] = frozenset({("metadata", "finalizers")})
"""Lists of plain values that merge."""

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_FROM: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


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
    """Apply a strategic merge patch to an object that carries its apiVersion and kind.

    Raises UsageError for a directive that is not known and for a list entry without its merge key.
    """
    path = (str(original.get("kind", "")),)
    return _merge_map(original, patch, path, field_types.knows_defaults(str(original.get("apiVersion", ""))))


def _merge_map(original: JsonObject, patch: JsonObject, path: field_types.Path, keyed: bool) -> JsonObject:
    match patch.get(_DIRECTIVE, "merge"):
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case "merge":
            pass
        case other:
            raise UsageError(
                f"$patch: {other!r} at {_place(path)} is none of replace, delete, merge",
                hint="use one of these, or leave $patch out",
            )
    kept = patch.get(_RETAIN)
    result = {key: value for key, value in original.items() if kept is None or key in kept}
    orders = {key.removeprefix(_ORDER): value for key, value in patch.items() if key.startswith(_ORDER)}
    for key, value in patch.items():
        if key in (_DIRECTIVE, _RETAIN) or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_FROM):
            field = key.removeprefix(_DELETE_FROM)
            result[field] = [entry for entry in result.get(field) or [] if entry not in value]
        elif key.startswith("$"):
            raise UsageError(
                f"{key} at {_place(path)} is no directive of a strategic merge patch",
                hint="leave it out; a patch is a part of the object as it should be",
            )
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, (*path, key), keyed)
    for field, order in orders.items():
        result[field] = _sorted_like(result.get(field) or [], order, original.get(field) or [], (*path, field))
    return result


def _merge_value(original: Any, patch: Any, path: field_types.Path, keyed: bool) -> Any:
    if isinstance(patch, dict):
        return _merge_map(original if isinstance(original, dict) else {}, patch, path, keyed)
    if not isinstance(patch, list) or not keyed:
        return patch
    before = original if isinstance(original, list) else []
    if field_types.fits(_MERGED_SETS, path):
        return _interleaved(
            [*patch, *(entry for entry in before if entry not in patch)], patch, before, lambda one: one
        )
    key = field_types.lookup(MERGE_KEYS, path)
    return patch if key is None else _merge_list(before, patch, path, key)


def _merge_list(original: list[Any], patch: list[Any], path: field_types.Path, key: str) -> list[Any]:
    if any(entry == {_DIRECTIVE: "replace"} for entry in patch):
        return [entry for entry in patch if entry != {_DIRECTIVE: "replace"}]
    merged = {_identity(entry, key, path): entry for entry in original}
    set_here: list[JsonObject] = []
    for entry in patch:
        identity = _identity(entry, key, path)
        if entry.get(_DIRECTIVE) == "delete":
            merged.pop(identity, None)
        else:
            merged[identity] = _merge_map(merged.get(identity, {}), entry, path, True)
            set_here.append(entry)
    return _interleaved(list(merged.values()), set_here, original, lambda one: _identity(one, key, path))


def _sorted_like(items: list[Any], order: list[Any], original: list[Any], path: field_types.Path) -> list[Any]:
    key = field_types.lookup(MERGE_KEYS, path)
    if key is None:
        return _interleaved(items, order, original, lambda one: one)
    return _interleaved(items, order, original, lambda one: _identity(one, key, path))


def _interleaved(items: list[Any], order: list[Any], original: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """The items that the patch names, in its order; the others put between them where they stood before.

    An item that is left waits until every named item that stood before it, or is new, has been placed: so new items
    come first. That is what API servers do.
    """
    ranks = {identity(one): rank for rank, one in reversed(list(enumerate(order)))}
    places = {identity(one): place for place, one in reversed(list(enumerate(original)))}
    named = sorted((one for one in items if identity(one) in ranks), key=lambda one: ranks[identity(one)])
    others = sorted(
        (one for one in items if identity(one) not in ranks), key=lambda one: places.get(identity(one), len(places))
    )
    result: list[Any] = []
    for one in named:
        place = places.get(identity(one))
        while place is not None and others and places.get(identity(others[0]), place) < place:
            result.append(others.pop(0))
        result.append(one)
    return result + others


def _identity(entry: Any, key: str, path: field_types.Path) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise UsageError(
            f"an entry of {_place(path)} lacks {key!r}, by which a strategic merge patch finds its like",
            hint="name the entry by that key, as in the manifest",
        )
    return entry[key]


def _place(path: field_types.Path) -> str:
    return ".".join(path[1:]) or "the top of the patch"
