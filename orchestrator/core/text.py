"""Text from clusters and documents is hostile until it has passed here."""

from __future__ import annotations

import re
import unicodedata

_TO_ESCAPE = re.compile(
    "[\x7f-\x9f\xad"
    "\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
"""What JSON permits as such and a terminal obeys or hides: DEL, C1, line separators, format characters, surrogates."""


def printable(text: object, limit: int = 500) -> str:
    """One line that is safe on a terminal and in a log: control, bidirectional and other format characters replaced.

    `limit` is in characters; what is cut is marked by `…`.
    """
    line = harmless(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless(line: str) -> str:
    """The line with the same characters replaced, spaces and length kept; a second line's beginning is one of them."""
    if line.isascii() and line.isprintable():
        return line
    return "".join(character if _is_harmless(character) else "\N{REPLACEMENT CHARACTER}" for character in line)


def escaped(json: str) -> str:
    """JSON text that means the same, with such characters only as `\\u` escapes."""
    return _TO_ESCAPE.sub(_escape, json)


def needs_escapes(text: str) -> bool:
    """Whether it holds characters that `escaped` would write differently."""
    return _TO_ESCAPE.search(text) is not None


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _is_harmless(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    category = unicodedata.category(character)
    return category[0] in "LMNPS" or category == "Zs"
