"""Times, spans and numbers as people say them."""

from __future__ import annotations

from datetime import datetime


def span(seconds: float) -> str:
    """`4.2 s`, `38 s`, `4 min 38 s`, `4 h 38 min`, `3 d 4 h`; a negative one with its sign."""
    if seconds < 0:
        return f"\N{MINUS SIGN}{span(-seconds)}"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    whole = round(seconds / 60)
    return _two(whole, 60, "h", "min") if whole < 24 * 60 else _two(round(whole / 60), 24, "d", "h")


def clock(at: datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def many(count: int, what: str) -> str:
    """`1 item`, `3 items`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _two(whole: int, size: int, large: str, small: str) -> str:
    many, rest = divmod(whole, size)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"
