"""JSON values → dataclasses, strictly; what does not fit becomes problems that say what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.documents.problems import Path, Problems, closest, shown

T = TypeVar("T")
_ABSENT = object()

_EXPECTED = {
    "string_type": "a string",
    "string_sub_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}
_UNKNOWN_FIELD = ("unexpected_keyword_argument", "extra_forbidden")


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def adapter(cls: type[T]) -> TypeAdapter[T]:
    """The validator of a dataclass; making one is expensive, so each is made once."""
    if cls not in _adapters:
        _adapters[cls] = TypeAdapter(cls)
    return _adapters[cls]


def check(cls: type[T], value: Mapping[str, Any], problems: Problems, locate: Callable[[Path], Path]) -> T | None:
    """The dataclass that the value describes, or None after adding problems.

    Validation is strict: a string is never read as a number, nor the reverse. `locate` turns a path inside `value`
    into a path of the document.
    """
    try:
        return adapter(cls).validate_json(orjson.dumps(value), strict=True)
    except ValidationError as error:
        _explain(error.errors(include_url=False), cls, value, problems, locate)
        return None


def _explain(
    errors: Iterable[ErrorDetails],
    cls: type[Any],
    value: Any,
    problems: Problems,
    locate: Callable[[Path], Path],
) -> None:
    expected: dict[Path, list[str]] = {}
    for error in errors:
        path = _existing(error["loc"], value)
        kind = error["type"]
        if kind in _UNKNOWN_FIELD:
            field = str(error["loc"][-1])
            around = locate(path)[:-1]
            fields = _fields_at(adapter(cls).json_schema(), path[:-1])
            known = [name for name in fields if locate((*path[:-1], name))[:-1] == around]
            question = closest(field, known) or f"fields here: {', '.join(known)}"
            problems.add(f"unknown field {field}", locate(path), question, is_cause=True)
        elif kind in ("missing", "missing_argument"):
            problems.add(f"{error['loc'][-1]} is missing", locate(path))
        else:
            expected.setdefault(path, []).append(_expectation(error))
    for path, words in expected.items():
        if any(len(other) > len(path) and other[: len(path)] == path for other in expected):
            continue  # one alternative of a union went further: what it says inside is what was meant
        found = _value_at(path, value)
        name = _name_of(path)
        hint = "write it in quotes" if words == ["a string"] and isinstance(found, int | float | None) else None
        problems.add(f"{name}: expected {' or '.join(dict.fromkeys(words))}, not {shown(found)}", locate(path), hint)


def _expectation(error: ErrorDetails) -> str:
    if error["type"] in _EXPECTED:
        return _EXPECTED[error["type"]]
    if error["type"] in ("literal_error", "enum"):
        return str(error["ctx"]["expected"]).replace("'", "")
    return error["msg"].removeprefix("Value error, ").removeprefix("expected ")


def _existing(loc: tuple[str | int, ...], value: Any) -> Path:
    """The part of pydantic's location that is in the document: unions add names of types to it."""
    path: list[str | int] = []
    for step in loc:
        inner = _value_at((step,), value)
        if inner is not _ABSENT:
            path.append(step)
            value = inner
    return tuple(path)


def _value_at(path: Path, value: Any) -> Any:
    for step in path:
        in_mapping = isinstance(value, dict) and step in value
        in_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not (in_mapping or in_list):
            return _ABSENT
        value = value[step]
    return value


def _name_of(path: Path) -> str:
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return name


def _fields_at(schema: Mapping[str, Any], path: Path) -> list[str]:
    """The fields that the schema knows at a path."""
    candidates = [schema]
    for step in path:
        candidates = [inner for each in candidates for inner in _inside(_alternatives(each, schema), step)]
    return [name for each in candidates for one in _alternatives(each, schema) for name in one.get("properties", {})]


def _alternatives(part: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        schema["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in part.get("anyOf", [part])
    ]


def _inside(parts: Iterable[Mapping[str, Any]], step: str | int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for part in parts:
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        if inner is None and isinstance(step, str) and isinstance(part.get("additionalProperties"), dict):
            inner = part["additionalProperties"]
        if isinstance(inner, dict):
            found.append(inner)
    return found
