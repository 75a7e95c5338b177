"""Whom a command tells besides the one who typed it; waited for, not for long, when everything else is said."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from orchestrator.cli._options import METRICS
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.core.result import StatusDocument
    from orchestrator.workflow.audience import Audience
    from orchestrator.workflow.session import Session

_OPENED: list[Audience] = []


def open_audience() -> Audience:
    """The audience of this command line."""
    from orchestrator.workflow.audience import Audience

    context = click.get_current_context(silent=True)
    audience = Audience(say=_say, metrics_file=context.meta.get(METRICS) if context else None)
    _OPENED.append(audience)
    return audience


def tell_of_look(session: Session, document: StatusDocument, action: str, *, is_of_order: bool = False) -> None:
    """Tell what a command came to that changes nothing."""
    from orchestrator.core.audience import Look

    look = Look(action=action, fleet=session.fleet.name, document=document, is_of_order=is_of_order)
    open_audience().looks(session.fleet, session.workspace.root, look)


def close_audiences() -> None:
    """Wait until everybody is told, or for as long as each may take; Ctrl-C waits no longer."""
    with contextlib.suppress(OSError, ValueError):
        # Whoever reads the result in a pipe waits for nobody else.
        sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        while _OPENED:
            _OPENED.pop().close()


def _say(words: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        click.echo(f"warning: {printable(words, 500)}", err=True)
