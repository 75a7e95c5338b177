"""`orchestrator init`: a workspace to start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings

SECTION = "Start here"


@click.command()
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--sandbox",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Use the fleet of the sandbox in this folder.",
)
@click.pass_obj
def command(settings: Settings, directory: Path, sandbox: Path | None) -> None:
    """Make a workspace in DIR (or here): a fleet, two models, playbooks.

    Files that exist are never overwritten: then nothing is written at all.

    \b
    Examples:
      orchestrator init production
      orchestrator init rehearsal --sandbox sandbox
    """
    from orchestrator.documents.examples import fleet_of_sandbox, fleet_template, make_workspace

    folder = settings.path(directory)
    fleet = fleet_template() if sandbox is None else fleet_of_sandbox(settings.path(sandbox), folder)
    for name in make_workspace(folder, fleet):
        click.echo(folder / name)
    if sandbox is None:
        click.echo(f"next: `orchestrator -C {folder} fleet import` adds the clusters of a kubeconfig", err=True)
    else:
        click.echo(f"next: `orchestrator -C {folder} plan playbooks/fable-5-rollout.yaml`", err=True)
