"""`orchestrator status`: the live matrix of models and clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.result import StatusDocument

SECTION = "Models"


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL…]")
@_options.scope
@_options.kubeconfig
@_options.output
@click.pass_obj
def command(settings: Settings, /, *, models: tuple[str, ...], kubeconfig: Path | None, form: str, **scope: Any) -> int:
    """Which model is on where, as it is now: every model in every cluster, unless some are named.

    WANT is what the cluster's own catalogue says; a model that nobody set there is looked for all the same.

    \b
    Examples:
      orchestrator status
      orchestrator status fable-5 --in EU
      orchestrator status -o json | jq '.items[] | select(.verdict != "verified")'
    """
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import run

    return print_result(run(_status(settings, models, kubeconfig, scope)), form)


async def _status(
    settings: Settings, models: tuple[str, ...], kubeconfig: Path | None, scope: dict[str, Any]
) -> StatusDocument:
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.geo.scopes import resolve
    from orchestrator.workflow.judging import take_status
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    if not any(scope.values()):
        scope["all_"] = True
    chosen = resolve(scope_from_flags(**scope), workspace.fleet, purpose="disable").clusters
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        return await take_status(session, models, [workspace.fleet.cluster(name) for name in chosen])
