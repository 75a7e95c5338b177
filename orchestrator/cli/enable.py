"""`orchestrator enable`: one or more models, in the clusters of a scope."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings

SECTION = "Models"


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL…", shell_complete=_completing.models)
@_options.scope
@_options.pace
@_options.cluster_deadline
@_options.overrides
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(
    settings: Settings, /, *, models: tuple[str, ...], kubeconfig: Path | None, form: str, **options: Any
) -> int:
    """Switch MODEL on in the clusters of the scope, and prove that it serves.

    An explicit enable of what a hold keeps off is refused (exit 4).

    \b
    Examples:
      orchestrator enable fable-5 --region eu-west
      orchestrator enable fable-5 mythos-5 --in EU --except-cluster eu-central-1
    """
    from orchestrator.cli._acting import switch
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act
    from orchestrator.core.verdict import Want

    return print_result(act(switch(settings, models, Want.ENABLED, kubeconfig, options)), form)
