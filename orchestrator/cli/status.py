"""`orchestrator status`: the live matrix of models and clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.fleet import Cluster
    from orchestrator.core.result import StatusDocument
    from orchestrator.workflow.session import Session

SECTION = "Models"
_PATIENCE = 3.0
"""Seconds for which a cluster may fail to answer before a watch calls it unreachable: what was seen is no verdict."""


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL…]", shell_complete=_completing.models)
@_options.scope
@click.option("--watch", is_flag=True, help="Keep it up to date, by watches, until Ctrl-C.")
@_options.explain
@_options.kubeconfig
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(settings: Settings, /, *, models: tuple[str, ...], watch: bool, form: str, **options: Any) -> int:
    """Which model is on where, as it is now: every model in every cluster, unless some are named.

    WANT is what the cluster's own catalogue says; a model that nobody set there is looked for all the same.

    \b
    Examples:
      orchestrator status
      orchestrator status fable-5 --in EU
      orchestrator status --watch
      orchestrator status fable-5 --region eu-west --explain
      orchestrator status -o json | jq '.items[] | select(.verdict != "verified")'
    """
    from orchestrator.cli._running import run
    from orchestrator.errors import UsageError

    if not watch:
        found = run(_status(settings, models, **options))
        # Tables are made when there is something to put into them: until then clusters answer.
        from orchestrator.cli._render import print_result

        return print_result(found, form)
    if _options.asks_for_explanation():
        raise UsageError("--watch explains nothing", hint="without --watch, --explain explains one look")
    if form != "table":
        raise UsageError("--watch prints a table", hint=f"without --watch, `-o {form}` prints one document")
    run(_watch(settings, models, **options))
    return 0


async def _status(settings: Settings, models: tuple[str, ...], **options: Any) -> StatusDocument:
    from orchestrator.cli._audience import tell_of_look
    from orchestrator.workflow.judging import take_status

    async with _opened(settings, **options) as (session, clusters):
        found = await take_status(session, models, clusters, explains=_options.asks_for_explanation())
        tell_of_look(session, found, "status")
        return found


async def _watch(settings: Settings, models: tuple[str, ...], **options: Any) -> None:
    from orchestrator.cli._matrix import shown_matrix
    from orchestrator.workflow.watching_status import watch_status

    async with _opened(settings, patience=_PATIENCE, **options) as (session, clusters):
        with shown_matrix() as show:
            await watch_status(session, models, clusters, show)


@asynccontextmanager
async def _opened(
    settings: Settings, *, kubeconfig: Path | None, patience: float | None = None, **scope: Any
) -> AsyncIterator[tuple[Session, list[Cluster]]]:
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.geo.scopes import resolve
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    if not any(scope.values()):
        scope["all_"] = True
    chosen = resolve(scope_from_flags(**scope), workspace.fleet, purpose="disable").clusters
    timeouts = settings.timeouts()
    timeouts = timeouts if patience is None else replace(timeouts, patience=patience)
    async with open_session(workspace, kubeconfig, timeouts) as session:
        yield session, [workspace.fleet.cluster(name) for name in chosen]
