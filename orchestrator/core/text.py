"""Text from clusters and documents is hostile until it has passed here."""

from __future__ import annotations

import unicodedata


def printable(text: object, limit: int = 500) -> str:
    """One line that is safe on a terminal and in a log: control, bidirectional and other format characters replaced.

    `limit` is in characters; what is cut is marked by `…`.
    """
    one_line = " ".join(str(text).split())
    line = "".join(character if _is_harmless(character) else "\N{REPLACEMENT CHARACTER}" for character in one_line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _is_harmless(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character)[0] in "LMNPSZ"
