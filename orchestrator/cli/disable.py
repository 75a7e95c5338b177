"""`orchestrator disable`: one or more models, in the clusters of a scope."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings

SECTION = "Models"


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL…")
@_options.scope
@_options.pace
@_options.cluster_deadline
@_options.overrides
@_options.kubeconfig
@_options.output
@click.pass_obj
def command(
    settings: Settings, /, *, models: tuple[str, ...], kubeconfig: Path | None, form: str, **options: Any
) -> int:
    """Switch MODEL off in the clusters of the scope, and prove that nothing of it is left.

    No guard is installed: where an autoscaler or a GitOps tool could bring the model back, the result says so.

    \b
    Examples:
      orchestrator disable fable-5 --region eu-west
      orchestrator disable fable-5 mythos-5 --all --override 'minEnabledClusters=incident 4711'
    """
    from orchestrator.cli._acting import switch
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import run
    from orchestrator.core.verdict import Want

    return print_result(run(switch(settings, models, Want.DISABLED, kubeconfig, options)), form)
