"""`orchestrator fleet`: check, import, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.fleet_check import FleetReport

SECTION = "Fleet"


@click.group()
def command() -> None:
    """Check the clusters of the fleet, import them from a kubeconfig, prepare them."""


@command.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="Check the permissions of this role only: viewer, operator or responder.",
)
@_options.kubeconfig
@_options.output
@click.pass_obj
def check(settings: Settings, /, *, roles: tuple[str, ...], kubeconfig: Path | None, form: str) -> int:
    """Whether every cluster is reachable, the pinned one, new enough, where it claims to stand, and open to us.

    \b
    Examples:
      orchestrator fleet check
      orchestrator fleet check --role viewer -o json
    """
    from orchestrator.cli._running import run

    return _finish(run(_check(settings, kubeconfig, roles)), form)


@command.command("import")
@click.option(
    "--context", "contexts", multiple=True, metavar="PATTERN", help="Contexts to import, for instance 'eks-*'."
)
@click.option("--name", default="fleet", show_default=True, help="Name of the fleet, where there is none yet.")
@click.option("--dry-run", is_flag=True, help="Show what would be imported and write nothing.")
@_options.kubeconfig
@_options.output
@click.pass_obj
def import_(
    settings: Settings,
    /,
    *,
    contexts: tuple[str, ...],
    name: str,
    dry_run: bool,
    kubeconfig: Path | None,
    form: str,
) -> int:
    """Add contexts of a kubeconfig to fleet.yaml, each pinned by the uid of its cluster.

    Region and country are taken from the nodes' labels where these agree; look through them before you rely on them.
    Clusters that are in the fleet already are left as they are; comments of an existing file are lost.

    \b
    Examples:
      orchestrator fleet import
      orchestrator -C production fleet import --context 'eks-*' --dry-run
    """
    from orchestrator.cli._running import run

    return _finish(run(_import(settings, contexts, name, (kubeconfig, dry_run))), form)


@command.command()
@click.option("--dry-run", is_flag=True, help="Ask each API server whether it would accept everything.")
@_options.kubeconfig
@_options.output
@click.pass_obj
def prepare(settings: Settings, /, *, dry_run: bool, kubeconfig: Path | None, form: str) -> int:
    """Make the tool's namespace and its roles in every cluster; needs a cluster administrator.

    The roles are viewer, operator and responder: see `fleet check --role`.

    \b
    Examples:
      orchestrator fleet prepare --dry-run
      orchestrator fleet prepare
    """
    from orchestrator.cli._running import run

    return _finish(run(_prepare(settings, kubeconfig, dry_run)), form)


async def _check(settings: Settings, kubeconfig: Path | None, names: tuple[str, ...]) -> FleetReport:
    from orchestrator.documents.roles import load_roles
    from orchestrator.workflow.fleet_check import check_fleet
    from orchestrator.workflow.session import load_workspace, open_session

    roles = load_roles(names)
    async with open_session(load_workspace(settings.workspace), kubeconfig, settings.timeouts()) as session:
        return await check_fleet(session, roles)


async def _import(
    settings: Settings, contexts: tuple[str, ...], name: str, terms: tuple[Path | None, bool]
) -> FleetReport:
    from orchestrator.core.fleet import Fleet
    from orchestrator.documents.workspace import FLEET_FILE
    from orchestrator.documents.writing import write_fleet
    from orchestrator.workflow.fleet_import import import_fleet
    from orchestrator.workflow.session import kubeconfig_of, load_workspace

    kubeconfig, dry_run = terms
    workspace = load_workspace(settings.workspace)
    path = workspace.root / FLEET_FILE
    known = workspace.fleet if path.exists() else Fleet(name=name, clusters=())
    fleet, report = await import_fleet(
        known, kubeconfig or kubeconfig_of(workspace, known), contexts, settings.timeouts()
    )
    if not dry_run and fleet != known:
        write_fleet(path, fleet, overwrite=True)
        from orchestrator.core.text import printable

        click.echo(f"{printable(path, 1000)}: {len(fleet.clusters) - len(known.clusters)} clusters added", err=True)
    return report


async def _prepare(settings: Settings, kubeconfig: Path | None, dry_run: bool) -> FleetReport:
    from orchestrator.documents.roles import preparation
    from orchestrator.workflow.fleet_prepare import prepare_fleet
    from orchestrator.workflow.session import load_workspace, open_session

    async with open_session(load_workspace(settings.workspace), kubeconfig, settings.timeouts()) as session:
        return await prepare_fleet(session, preparation(), dry_run=dry_run)


def _finish(report: FleetReport, form: str) -> int:
    from orchestrator.cli._render import print_document, print_fleet_report

    if form == "table":
        print_fleet_report(report)
    else:
        print_document(report, form)
    return report.exit_code
