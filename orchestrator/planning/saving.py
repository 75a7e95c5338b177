"""A plan as a file, so that what was reviewed is what is carried out. It holds manifests, Secrets included."""

from __future__ import annotations

import dataclasses
import hashlib
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from orchestrator.core.comparison import MASKED
from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import Plan
from orchestrator.core.records import canonical_json
from orchestrator.core.schema import API_VERSION
from orchestrator.errors import DocumentError

KIND = "Plan"


def to_document(plan: Plan, *, masked: bool = False) -> JsonObject:
    """The plan as JSON; `masked` leaves out the content of Secrets, and what is left cannot be applied."""
    document = _to_json(plan)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "digest": digest_of(plan),
        "plan": _without_secrets(document) if masked else document,
    }


def from_document(document: JsonObject, *, file: str | None = None) -> Plan:
    """Read a saved plan. Raises DocumentError when it is none, is of another version, or was changed by hand."""
    if document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        raise DocumentError(f"this is no {KIND} of {API_VERSION}", file=file)
    try:
        plan: Plan = _from_json(Plan, document["plan"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentError(f"this plan cannot be read: {error}", file=file) from error
    if digest_of(plan) != document.get("digest"):
        raise DocumentError(
            "this plan was changed after it was saved", file=file, hint="make it anew with `plan --save`"
        )
    return plan


def digest_of(plan: Plan) -> str:
    """SHA-256 of the plan's canonical JSON."""
    return hashlib.sha256(canonical_json(_to_json(plan)).encode()).hexdigest()


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(entry) for entry in value]
    return float(value) if isinstance(value, float) else value


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "Secret" and "metadata" in value:
        return {key: MASKED if key in ("data", "stringData") else entry for key, entry in value.items()}
    return {key: _without_secrets(entry) for key, entry in value.items()}


def _from_json(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _from_union(arguments, value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _from_json(hints[name], entry) for name, entry in value.items()})
    if origin is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_from_json(one, entry) for one, entry in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _from_json(arguments[1], entry) for key, entry in value.items()}
    if isinstance(kind, type) and (issubclass(kind, Enum) or kind.__mro__[1] is float):
        return kind(value)
    return value


def _from_union(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    named = [kind for kind in kinds if kind is not type(None)]
    fitting = [kind for kind in named if _fits(kind, value)]
    return _from_json((fitting or named)[0], value)


def _fits(kind: Any, value: Any) -> bool:
    plain = get_origin(kind) or kind
    return isinstance(plain, type) and isinstance(value, dict if dataclasses.is_dataclass(plain) else plain)
