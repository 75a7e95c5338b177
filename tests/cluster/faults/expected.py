"""What each command has to say under each fault, whatever it takes to find out.

A row holds a default for the commands that it does not name. `codes` must all be among the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.cluster.faults.chains import COMMANDS, Cell


@dataclass(frozen=True)
class Expected:
    """A verdict with its reason and the exit code; of a plan, whether the cluster is within it."""

    verdict: str
    exit: int
    codes: frozenset[str] = frozenset()

    def why_not(self, cell: Cell) -> str:
        """In what the cell differs; empty when it does not."""
        if self.exit < 0:
            return ""
        found = (cell.verdict, cell.exit)
        missing = self.codes - set(cell.codes)
        if found == (self.verdict, self.exit) and not missing:
            return ""
        return f"{cell.verdict} {cell.exit} {', '.join(cell.codes)}; expected {self}"


WRITES = ("enable", "apply", "disable", "takedown", "restore")
UNTRUE_NEVER = Expected("", -1)
"""Any verdict that is true: where the fault decides only which of several."""


def _is(verdict: str, exit_code: int, *codes: str) -> Expected:
    return Expected(verdict, exit_code, frozenset(codes))


def _each(default: Expected, **own: Expected) -> dict[str, Expected]:
    return {command: own.get(command, default) for command in COMMANDS}


FINE = _each(_is("verified", 0), plan=_is("planned", 10))


def _out(code: str) -> dict[str, Expected]:
    """Out of reach for whatever is asked."""
    return _each(_is("unreachable", 3, code))


def _when_writing(verdict: str, exit_code: int, *codes: str) -> dict[str, Expected]:
    """Only what changes something meets the fault."""
    return FINE | dict.fromkeys(WRITES, _is(verdict, exit_code, *codes))


EXPECTED: Mapping[str, Mapping[str, Expected]] = {
    "none": FINE,
    "refused": _out("connection-refused"),
    "black hole": _out("timeout"),
    "black hole from the first write on": _when_writing("unreachable", 3, "timeout", "lock-left"),
    "reset from the first write on": _when_writing("unreachable", 3, "lock-left"),
    "reset before each write": FINE,
    "reset during each write": FINE,
    "reset after each write": FINE,
    "2 s latency": _each(UNTRUE_NEVER),
    "1 byte/s": _out("timeout"),
    "truncated bodies": _out("truncated"),
    "no JSON": _out("not-json"),
    "401, plugin refreshes": FINE,
    "401, plugin hangs": _each(UNTRUE_NEVER),
    "403 to get": _out("forbidden"),
    "403 to list": _out("forbidden"),
    "403 to watch": FINE
    | {
        "enable": _is("verified", 0, "not-watched"),
        "apply": _is("verified", 0, "not-watched"),
        "disable": _is("unverified", 3, "forbidden"),
        "takedown": _is("unverified", 3, "forbidden"),
        "restore": _is("verified", 0, "not-watched"),
    },
    "403 to create": {
        "status": _is("verified", 0),
        "enable": _is("failed", 1, "forbidden"),
        "disable": _is("failed", 1, "forbidden"),
        "takedown": _is("unverified", 3, "forbidden", "guard-absent", "not-recorded"),
        # What was taken down without a record cannot be restored, whatever the way is like afterwards.
    },
    "403 to update": _each(UNTRUE_NEVER),
    "403 to delete": {
        "status": _is("verified", 0),
        # A lock that may not be deleted stands in everybody's way until somebody may.
        "enable": _is("verified", 0, "lock-left"),
        "disable": _is("failed", 1, "forbidden"),
        "takedown": _is("verified", 0, "lock-left"),
        "restore": _is("failed", 1, "forbidden"),
    },
    "403 to patch": {
        "status": _is("verified", 0),
        "enable": _is("none", 4),
        "disable": _is("failed", 1, "forbidden"),
        "takedown": _is("failed", 1, "forbidden", "not-scaled"),
        "restore": _is("failed", 1, "forbidden"),
    },
    "404 on apps": _out("not-json"),
    "404 on apps, not listed": {
        "enable": _is("none", 4),
        "disable": _is("residue", 3, "stray"),
        "takedown": _is("unverified", 3, "guard-absent"),
    },
    "409 to writes": _when_writing("unreachable", 3, "lock-contradiction") | {"takedown": _is("unreachable", 3)},
    "410 once to each watch": FINE,
    "429 once to everything": FINE,
    "429 for ever": _out("overloaded"),
    "500 to writes": FINE | dict.fromkeys(WRITES, UNTRUE_NEVER),
    "500 once to each write": FINE,
    "503": _out("overloaded"),
    "watches cut each second": FINE,
    "a webhook that times out": FINE | dict.fromkeys(WRITES, _is("failed", 1, "overloaded")),
    "silent watches": FINE
    | {
        "disable": _is("unverified", 3, "progress-deadline"),
        "takedown": _is("unverified", 3, "progress-deadline"),
    },
    "silent watches while pods start": {
        "disable": _is("residue", 3, "stray"),
        "takedown": _is("unverified", 3, "progress-deadline"),
    },
    "stale reads after a write": {
        "enable": _is("failed", 1, "not-found"),
        "disable": _is("unreachable", 3, "stale"),
        "takedown": _is("unreachable", 3, "stale"),
        "restore": _is("unreachable", 3, "stale"),
    },
    "wrong CA": _out("certificate"),
    "expired certificate": _out("certificate"),
    "DNS failure": _out("dns"),
}

LONGEST = {"": 170.0}
"""Seconds by fault, far above what an idle machine needs: a busy one must not fail, a hanging command must."""
