"""CEL as text: literals, label selectors, JSON pointers and comparisons. Pure, and knows nothing of guards.

Only what every API server since 1.30 understands is used. Whatever may be absent is asked for as an optional: one
field that is missing would otherwise be an error, and an error refuses the request whoever sent it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.core.objects import JsonObject

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNPRINTABLE_BELOW, _PLAIN_ABOVE = 0x20, 0x7E


def literal(value: Any) -> str:
    """A JSON value as CEL; every value within lists and maps is `dyn`, because literals have to be of one type."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return "'" + "".join(_escape(character) for character in value) + "'"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(f"dyn({literal(one)})" for one in value) + "]"
        case dict():
            return "{" + ", ".join(f"{literal(str(key))}: dyn({literal(one)})" for key, one in value.items()) + "}"
    raise TypeError(f"no JSON value: {type(value).__name__}")


def texts(values: Iterable[str]) -> str:
    """A list of strings."""
    return "[" + ", ".join(literal(value) for value in values) + "]"


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    return character if _UNPRINTABLE_BELOW <= code <= _PLAIN_ABOVE else f"\\U{code:08x}"


def any_of(conditions: Iterable[str]) -> str:
    """True when one of them is; false when there is none."""
    return " || ".join(f"({condition})" for condition in conditions) or "false"


def all_of(conditions: Iterable[str]) -> str:
    """True when all of them are."""
    return " && ".join(f"({condition})" for condition in conditions) or "true"


def selects(selector: JsonObject | None, labels: str) -> str:
    """Whether a LabelSelector selects labels; one that is null, empty or not understood selects nothing.

    An empty one would select every pod of a namespace, its neighbours included.
    """
    pairs = (selector or {}).get("matchLabels") or {}
    expressions = (selector or {}).get("matchExpressions") or []
    conditions = [has_label(labels, key, [value]) for key, value in pairs.items()]
    conditions += [_satisfies(expression, labels) for expression in expressions]
    return all_of(conditions) if conditions else "false"


def has_label(labels: str, key: str, values: Iterable[str]) -> str:
    """Whether the label is there, with one of these values."""
    name = literal(key)
    return f"{name} in {labels} && {labels}[{name}] in {texts(values)}"


def _satisfies(expression: JsonObject, labels: str) -> str:
    key, values = str(expression.get("key", "")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return has_label(labels, key, values)
        case "NotIn":
            return f"!({has_label(labels, key, values)})"
        case "Exists":
            return f"{literal(key)} in {labels}"
        case "DoesNotExist":
            return f"!({literal(key)} in {labels})"
    return "false"


def at(root: str, pointer: str) -> str:
    """The optional value at a JSON pointer (RFC 6901) below `root`. Tokens of digits are taken for list indexes."""
    found = root
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        found += f"[?{name if name.isascii() and name.isdigit() else literal(name)}]"
    return found


def says(optional: str, value: Any) -> str:
    """Whether the optional at a path says this value: maps may say more (defaults), lists are as long.

    None means that nothing is there.
    """
    match value:
        case None:
            return f"!{optional}.hasValue()"
        case dict() if not value:
            return f"size({optional}.orValue(dyn({{}}))) == 0"
        case dict():
            return all_of(says(f"{optional}[?{literal(str(key))}]", one) for key, one in value.items())
        case list() | tuple():
            length = f"size({optional}.orValue(dyn([]))) == {len(value)}"
            return all_of([length, *(says(f"{optional}[?{index}]", one) for index, one in enumerate(value))])
    return f"{optional}.orValue(dyn(null)) == dyn({literal(value)})"
