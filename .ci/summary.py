"""Adds up what the parts of `.ci/run` reported: a line per part, and a last line as pytest writes it.

Exits 1 when any part failed, whatever its output says. Needs the standard library only, since the virtual environment
itself may be what could not be made.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

SUMMARY = re.compile(r"^=+ (?P<counts>\d+ \w+(?:, \d+ \w+)*) in [\d.]+s.*=+$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ORDER = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "errors", "shards not run")
WORDS = {"error": "errors", "warning": "warnings"}


def count(log: str) -> Counter[str]:
    """What pytest's own summary lines in one log add up to, and the shards that were not run."""
    counts: Counter[str] = Counter()
    for line in COLOUR.sub("", log).splitlines():
        if found := SUMMARY.match(line.strip()):
            for item in found["counts"].split(", "):
                number, _, word = item.partition(" ")
                counts[WORDS.get(word, word)] += int(number)
        elif re.match(r"^shard \S+: not run\b", line):
            counts["shards not run"] += 1
    return counts


def summarise(folder: Path) -> tuple[list[str], int]:
    """The lines to print, and the exit code."""
    lines, total, seconds, failed = [], Counter[str](), 0, False
    for part in (folder / "parts").read_text().splitlines():
        name, code, duration = part.split()
        counts = count((folder / f"{name}.log").read_text(errors="replace"))
        if code != "0" and not counts["failed"] + counts["errors"]:
            counts["errors"] += 1  # ruff, mypy, a program that is missing: nothing that pytest counted
        failed = failed or code != "0"
        lines.append(f"{name:<14} {'passed' if code == '0' else f'failed ({code})':<14} {int(duration):>5} s")
        total += counts
        seconds += int(duration)
    words = ", ".join(f"{total[word]} {word}" for word in ORDER if total[word]) or "nothing ran"
    last = f" {words} in {seconds}.00s ({seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}) "
    return [*lines, last.center(100, "=")], int(failed)


if __name__ == "__main__":
    printed, exit_code = summarise(Path(sys.argv[1]))
    sys.stdout.write("\n" + "\n".join(printed) + "\n")
    sys.exit(exit_code)
