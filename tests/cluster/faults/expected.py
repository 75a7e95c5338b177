"""What each command has to say under each fault, whatever it takes to find out.

A row holds a default for the commands that it does not name. `codes` must all be among the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.cluster.faults.chains import COMMANDS, Cell


@dataclass(frozen=True)
class Outcome:
    """A verdict with its reason and the exit code."""

    verdict: str
    exit: int
    codes: frozenset[str] = frozenset()

    def is_that_of(self, cell: Cell) -> bool:
        """Whether the cell ended so."""
        return (cell.verdict, cell.exit) == (self.verdict, self.exit) and self.codes <= set(cell.codes)

    def __str__(self) -> str:
        return f"{self.verdict} {self.exit} {', '.join(sorted(self.codes))}".rstrip()


@dataclass(frozen=True)
class Expected:
    """How a cell has to end; one of several outcomes where chance decides which."""

    outcomes: tuple[Outcome, ...]

    def __or__(self, other: Expected) -> Expected:
        return Expected((*self.outcomes, *other.outcomes))

    def why_not(self, cell: Cell) -> str:
        """In what the cell differs; empty when it does not."""
        if any(outcome.is_that_of(cell) for outcome in self.outcomes):
            return ""
        found = Outcome(cell.verdict, cell.exit, frozenset(cell.codes))
        return f"{found}; expected {' or '.join(map(str, self.outcomes))}"


SWITCHING_OFF = ("disable", "takedown", "disable --hold")
SWITCHING_ON = ("enable", "apply", "runs resume", "restore", "hold lift")
WRITES = (*SWITCHING_ON, *SWITCHING_OFF)


def _is(verdict: str, exit_code: int, *codes: str) -> Expected:
    return Expected((Outcome(verdict, exit_code, frozenset(codes)),))


def _each(default: Expected, commands: Iterable[str] = COMMANDS) -> dict[str, Expected]:
    return dict.fromkeys(commands, default)


def _without(row: Mapping[str, Expected], *commands: str) -> dict[str, Expected]:
    return {command: expected for command, expected in row.items() if command not in commands}


FINE = _each(_is("verified", 0)) | {
    "plan": _is("planned", 10),
    "drill": _is("works", 0),
    "orders show": _is("listed", 0),
    "hold list": _is("listed", 0),
}


LACKING = {
    "fleet check": _is("unverified", 3, "permission-missing"),
    "drill": _is("would fail", 3, "forbidden"),
}
"""Where a verb that a takedown needs is not permitted."""


def _out(code: str) -> dict[str, Expected]:
    """Out of reach for whatever is asked."""
    return _each(_is("unreachable", 3, code))


def _turned_away(code: str) -> dict[str, Expected]:
    """Out of reach for whatever is asked; `fleet check` says rather that it is there, and has no answer for us."""
    return _out(code) | {"fleet check": _is("unverified", 3, code)}


def _when_writing(verdict: str, exit_code: int, *codes: str) -> dict[str, Expected]:
    """Only what changes something meets the fault."""
    return FINE | _each(_is(verdict, exit_code, *codes), WRITES)


EXPECTED: Mapping[str, Mapping[str, Expected]] = {
    "none": FINE,
    "refused": _out("connection-refused"),
    "black hole": _out("timeout"),
    "black hole from the first write on": _when_writing("unreachable", 3, "timeout", "lock-left"),
    "reset from the first write on": _when_writing("unreachable", 3, "lock-left"),
    "reset before each write": FINE,
    "reset during each write": FINE,
    "reset after each write": FINE,
    # Sending may take longer than its deadline: a takedown and the way back are dozens of requests.
    "2 s latency": FINE | _each(_is("verified", 0) | _is("unreachable", 3, "deadline"), WRITES),
    "1 byte/s": _out("timeout"),
    "truncated bodies": _out("truncated"),
    "no JSON": _out("not-json"),
    "401, plugin refreshes": FINE,
    # The token is good for 15 requests: enough for a look, and for no more. What hangs may hang beyond the deadline.
    "401, plugin hangs": FINE
    | _each(_is("unreachable", 3, "unauthenticated"), ("fleet check", "drill", "verify --order"))
    | _each(_is("unreachable", 3, "unauthenticated") | _is("unreachable", 3, "deadline"), WRITES)
    | {
        "runs resume": _is("verified", 0, "lock-left") | _is("unreachable", 3, "unauthenticated"),
        "hold lift": _is("unreachable", 3, "unauthenticated") | _is("unreachable", 3, "timeout", "lock-left"),
    },
    "403 to get": _turned_away("forbidden"),
    "403 to list": _turned_away("forbidden"),
    "403 to watch": FINE
    | _each(_is("verified", 0, "not-watched"), SWITCHING_ON)
    | _each(_is("unverified", 3, "forbidden"), SWITCHING_OFF)
    # What the run that was cut off had sent has become healthy meanwhile: there is nothing left to watch for.
    | {"runs resume": _is("verified", 0)}
    | LACKING,
    # What was taken dark without a record cannot be restored, whatever the way is like afterwards.
    "403 to create": _without(FINE, "restore", "hold lift")
    | _each(_is("failed", 1, "forbidden"), ("enable", "apply", "runs resume", "disable"))
    | LACKING
    | {
        "takedown": _is("unverified", 3, "forbidden", "guard-absent", "not-recorded"),
        "disable --hold": _is("unverified", 3, "forbidden", "guard-absent", "not-recorded"),
        "verify --order": _is("unverified", 3, "guard-absent"),
    },
    # Locks are updated: one that may not be is neither given back nor taken from a run that died, and a run that needs
    # it for longer than ten seconds cannot renew it.
    "403 to update": FINE
    | _each(_is("verified", 0, "lock-left") | _is("failed", 1, "forbidden", "lock-left"), WRITES)
    | LACKING
    | {"runs resume": _is("refused", 4, "locked")},
    "403 to delete": FINE
    | _each(_is("verified", 0, "lock-left"), WRITES)
    # A guard stays, and so does the lock of a run that died.
    | _each(_is("failed", 1, "forbidden"), ("restore", "hold lift", "runs resume"))
    | LACKING,
    "403 to patch": FINE
    | _each(_is("failed", 1, "forbidden"), WRITES)
    | LACKING
    | {
        "enable": _is("refused", 4, "forbidden"),
        "apply": _is("refused", 4, "forbidden"),
        # The run that was cut off had patched everything.
        "runs resume": _is("verified", 0),
        "takedown": _is("failed", 1, "forbidden", "not-scaled"),
        "disable --hold": _is("failed", 1, "forbidden", "not-scaled"),
    },
    # Neither access reviews nor our own records have anything to do with that group.
    "404 on apps": _out("not-json")
    | _each(_is("listed", 0), ("orders show", "hold list"))
    | {"fleet check": _is("verified", 0)},
    # Both agree that there are no Deployments: the model is missing, and nothing can be planned that has one.
    "404 on apps, not listed": FINE
    | {
        "status": _is("unverified", 3, "missing"),
        "verify": _is("unverified", 3, "missing"),
        "plan": _is("planned", 4),
        "enable": _is("refused", 4),
        "apply": _is("refused", 4),
        "runs resume": _is("refused", 4),
        "drill": _is("would fail", 3, "neutral-refused"),
        "restore": _is("failed", 1, "progress-deadline", "missing"),
        "hold lift": _is("failed", 1, "progress-deadline", "missing"),
        "disable": _is("residue", 3, "stray"),
        "takedown": _is("unverified", 3, "guard-absent"),
        "disable --hold": _is("unverified", 3, "guard-absent"),
        "verify --order": _is("unverified", 3, "guard-absent"),
    },
    "404 on guards, not listed": FINE
    | {
        "drill": _is("would fail", 3, "not-served"),
        # The guard that was made over a better way stands, and can be neither taken away nor proven again.
        "restore": _is("failed", 1, "guard-absent"),
        "hold lift": _is("failed", 1, "guard-absent"),
        "takedown": _is("unverified", 3, "guard-absent"),
        "disable --hold": _is("unverified", 3, "guard-absent"),
        "verify --order": _is("unverified", 3, "guard-absent"),
    },
    "409 to writes": _when_writing("unreachable", 3, "lock-contradiction")
    | {"runs resume": _is("refused", 4, "locked")}
    | _each(_is("failed", 1, "not-scaled", "conflict"), ("takedown", "disable --hold")),
    "410 once to each watch": FINE,
    "410 once to each list": FINE,
    "410 to each further page": FINE,
    "429 once to everything": FINE,
    "429 for ever": _turned_away("overloaded"),
    "500 to writes": FINE
    | _each(_is("unreachable", 3, "timeout"), WRITES)
    | _each(_is("unreachable", 3, "deadline", "not-recorded"), ("takedown", "disable --hold")),
    "500 once to each write": FINE,
    "503": _turned_away("overloaded"),
    "watches cut each second": FINE,
    "a webhook that times out": FINE
    | _each(_is("failed", 1, "overloaded"), WRITES)
    | _each(
        _is("failed", 1, "overloaded") | _is("unreachable", 3, "deadline", "overloaded"),
        ("takedown", "disable --hold"),
    )
    | {
        "drill": _is("would fail", 3, "overloaded"),
        # What was cut off may have sent everything before: then it is the cluster's own controllers that get nowhere.
        "runs resume": _is("failed", 1, "overloaded") | _is("failed", 1, "progress-deadline", "rolling-out"),
    },
    "silent watches": FINE | _each(_is("unverified", 3, "progress-deadline"), SWITCHING_OFF),
    "silent watches while pods start": {
        "disable": _is("residue", 3, "stray"),
        "takedown": _is("unverified", 3, "progress-deadline"),
        "disable --hold": _is("unverified", 3, "progress-deadline"),
    },
    "stale reads after a write": _each(_is("unreachable", 3, "stale"), WRITES)
    | {
        "enable": _is("failed", 1, "not-found"),
        # What was cut off may have written everything before: then nothing is read after a write.
        "runs resume": _is("unreachable", 3, "stale") | _is("verified", 0),
    },
    "wrong CA": _out("certificate"),
    "expired certificate": _out("certificate"),
    "DNS failure": _out("dns"),
}
