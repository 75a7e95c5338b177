"""The confirmation of what cannot be taken back by itself: the models' names, typed or given."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable

import click

from orchestrator.core.text import printable
from orchestrator.errors import RefusedError


def confirm_models(models: Iterable[str], given: str | None) -> None:
    """Return only when exactly these models were named: by `--confirm MODEL,…`, else typed at a terminal.

    Raises RefusedError (exit 4) for other names, and where nobody is there to be asked.
    """
    confirm_names(models, given, "the models")


def named(given: str | None) -> frozenset[str] | None:
    """The names that `--confirm` gives; None where somebody is to be asked."""
    return None if given is None else frozenset(_names(given))


def confirm_names(wanted: Iterable[str], given: str | None, what: str) -> None:
    """Return only when exactly these names were given or typed; `what` says whose they are. Raises RefusedError."""
    wanted = tuple(dict.fromkeys(wanted))
    names = printable(",".join(sorted(wanted)), 1000)
    if given is None and not _is_terminal():
        raise RefusedError("a confirmation is needed", hint=f"--confirm {names}", code="not-confirmed")
    answer = _ask(names, what) if given is None else given
    said = _names(answer)
    if said != set(wanted):
        words = printable(",".join(sorted(said)) or "nothing", 1000)
        raise RefusedError(
            f"not confirmed: {words} was named, not {names}",
            code="not-confirmed",
            hint="type the names as they are asked for, or give them with --confirm",
        )


def _names(said: str) -> set[str]:
    return set(said.replace(",", " ").split())


def _is_terminal() -> bool:
    """Whether somebody sees the question and can answer it; stdout may well be a pipe."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(names: str, what: str) -> str:
    # The event loop would keep a signal to itself until the answer is there.
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        question = f"Type the names of {what} to confirm ({names})"
        answer: str = click.prompt(question, default="", show_default=False, err=True)
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
    return answer
