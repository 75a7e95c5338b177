"""Plain scalars by the core schema of YAML 1.2: `NO` and `on` are strings, dates are strings.

Source: YAML 1.2.2, section 10.3.2. Numbers that YAML 1.1 and 1.2 read differently are refused, since the same manifest
would mean another thing to other tools.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LARGEST = 2**63
_MOST_DIGITS = 20


def read_plain(text: str) -> Scalar:
    """The value of a plain scalar; raises ValueError for what is no JSON value or means two things."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _DECIMAL.fullmatch(text) or _BASED.fullmatch(text):
        return _integer(text)
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(f"{text} is octal in YAML 1.1 and decimal in YAML 1.2: write it in quotes or without the zero")
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that JSON knows: write it in quotes")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if abs(number) == float("inf"):
            raise ValueError(f"{text} is too large for a number: write it in quotes")
        return number
    return text


def is_plain_string(text: str) -> bool:
    """Whether the text, written without quotes, would be read as this very string."""
    try:
        return read_plain(text) == text
    except ValueError:
        return False


def _integer(text: str) -> int:
    number = int(text, 0) if len(text) <= _MOST_DIGITS else _LARGEST
    if not -_LARGEST <= number < _LARGEST:
        raise ValueError(f"{text[:_MOST_DIGITS]} is too large for a number: write it in quotes")
    return number
