"""Pictures that are kept: what a terminal or a log showed, held against a file, with a diff where it differs.

What differs from run to run by its nature (times, revisions, names of runs and pods) is replaced by as many characters
so that columns stay columns. `make test-ui GOLDEN=write` writes the files anew: look at what changed, then keep it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).with_name("golden")

_MASKS = (
    (r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b", "<the name of the run>"),
    (r"\b\d\d:\d\d:\d\d\b", "hh:mm:ss"),
    (r"\b\d:\d\d:\d\d (?=left|past)", "h:mm:ss "),
    (r"(?<=· )\d:\d\d(?= ·)", "m:ss"),
    (r"\bin \d+\.\d s\b", "in s.s s"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{16}\b", "<sixteen digits>"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{8}\b", "revision"),
    (r"(?<=fable-5-)[0-9a-z]{8,10}-[0-9a-z]{5}\b", "<a pod>"),
)
"""Patterns, and what stands for them."""


def masked(lines: Iterable[str]) -> list[str]:
    """The lines without what differs from run to run."""
    text = "\n".join(lines)
    for pattern, stand_in in _MASKS:
        text = re.sub(pattern, stand_in, text)
    return [line.rstrip() for line in text.split("\n")]


def check(name: str, lines: Iterable[str]) -> None:
    """Hold the masked lines against a kept file; with `GOLDEN=write` keep them instead."""
    file, seen = FOLDER / name, masked(lines)
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        file.write_text("\n".join(seen) + "\n", encoding="utf-8")
        return
    assert file.exists(), f"{file} is not there: `make test-ui GOLDEN=write` writes it"
    kept = file.read_text(encoding="utf-8").splitlines()
    if seen != kept:
        diff = difflib.unified_diff(kept, seen, f"kept: {file.name}", "seen now", lineterm="")
        raise AssertionError("\n".join([*diff, "", "if this is as it should be: make test-ui GOLDEN=write"]))
