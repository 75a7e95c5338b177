"""JSON that has one spelling only (RFC 8785), and the reading of lines that claim to be such.

Numbers are narrower than in the RFC: integers that every reader holds exactly, and decimals without an exponent. So
canonical form can be checked with any JSON library. What does not fit is kept as text, never rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.core.objects import JsonObject

MAX_LINE: Final = 1024 * 1024
MAX_DEPTH: Final = 100
_LARGEST: Final = 2**53 - 1
"""The largest integer that a JSON number holds exactly everywhere (RFC 8785, section 3.2.2.3)."""


def canonical_bytes(value: Any) -> bytes:
    """The only spelling of a value; raises ValueError for what has none."""
    import rfc8785

    return rfc8785.dumps(value)


def storable(value: Any) -> Any:
    """The value with everything that canonical JSON cannot say turned into text."""
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [storable(entry) for entry in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    # Half of a surrogate pair alone is no text in UTF-8.
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(value: int | float) -> int | float | str:
    if isinstance(value, int) or value.is_integer():
        return int(value) if abs(value) <= _LARGEST else str(value)
    return value if _is_plain(str(value)) else str(value)


def parse_canonical(line: bytes, limit: int = MAX_LINE) -> JsonObject:
    """The object on a line without its end; raises ValueError unless the line is that object's only spelling."""
    if len(line) > limit:
        raise ValueError("longer than a record can be")
    try:
        value = json.loads(
            line.decode("utf-8"), parse_int=_integer, parse_float=_decimal, parse_constant=_refuse_constant
        )
        if not isinstance(value, dict):
            raise ValueError("not a record")
        if depth_of(value) > MAX_DEPTH:
            raise ValueError("nested too deeply")
        if canonical_bytes(value) != line:
            raise ValueError("not in canonical form")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    return value


def depth_of(value: Any) -> int:
    """How deeply objects and arrays are nested; 0 for a scalar."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def _is_plain(text: str) -> bool:
    return not text.endswith(".0") and text.lstrip("-").replace(".", "", 1).isdecimal()


def _integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > _LARGEST:
        raise ValueError("a number that not every reader holds")
    return number


def _decimal(text: str) -> float:
    number = float(text)
    if not _is_plain(text) or str(number) != text:
        raise ValueError("a number that not every reader holds")
    return number


def _refuse_constant(text: str) -> None:
    raise ValueError("not JSON")
