"""How dataclasses of this package appear in YAML and JSON: camelCase, nothing unknown."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any, Final

API_VERSION: Final = "orchestrator/v1"


def camel_case(name: str) -> str:
    """`max_failures` → `maxFailures`; a trailing underscore that avoids a Python keyword is dropped."""
    head, *tail = name.rstrip("_").split("_")
    return head + "".join(part.title() for part in tail)


DOCUMENT: dict[str, Any] = {
    "extra": "forbid",
    "alias_generator": camel_case,
    "use_attribute_docstrings": False,  # only schemas are described, see documents/schemas.py
    "str_max_length": 100_000,
}
"""pydantic configuration of every document class: unknown fields are errors."""


def as_document(value: Any) -> Any:
    """A document's dataclass as it would be written in YAML: camelCase, without what equals its default."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            camel_case(one.name): as_document(getattr(value, one.name))
            for one in fields(value)
            if getattr(value, one.name) != _default_of(one)
        }
    if isinstance(value, dict):
        return {str(key): as_document(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_document(entry) for entry in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Seconds) else value


def _default_of(one: Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Seconds(float):
    """A duration in seconds, written `90s`, `10m`, `1h30m`, `2d` or as a bare number of seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Seconds:
        """Read a duration; raises ValueError when it is none or negative."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return cls(value)
        if isinstance(value, str):
            parts = _DURATION.findall(value)
            if parts and "".join(number + unit for number, unit in parts) == value.strip():
                return cls(sum(float(number) * _UNITS[unit] for number, unit in parts))
        raise ValueError("expected a duration such as 90s, 10m or 1h30m")

    def __str__(self) -> str:
        """`10m`, `1h30m`, `1.5s`: the form that `parse` reads."""
        if self < 60 or self % 1:
            return f"{float(self):g}s"
        whole, text = int(self), ""
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            count, whole = divmod(whole, size)
            text += f"{count}{unit}" if count else ""
        return text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Tell pydantic to validate by `parse` and to describe it as a string in JSON Schema."""
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            cls.parse,
            core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """A duration is a string such as `10m`, or a number of seconds."""
        return {"type": ["string", "number"], "examples": ["90s", "10m", "1h30m"]}
