"""Text from clusters and documents is hostile until it has passed here."""

from __future__ import annotations

import unicodedata


def printable(text: object, limit: int = 500) -> str:
    """One line that is safe on a terminal and in a log: control, bidirectional and other format characters replaced.

    `limit` is in characters; what is cut is marked by `…`.
    """
    line = "".join(character if _is_harmless(character) else "\N{REPLACEMENT CHARACTER}" for character in _one_line(text))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _is_harmless(character: str) -> bool:
    return character.isascii() and character.isprintable() or unicodedata.category(character)[0] in "LMNPSZ"
