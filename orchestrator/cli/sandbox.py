"""`orchestrator sandbox`: real control planes on this machine, for demos, tests and rehearsals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.sandbox import SandboxStatus

SECTION = "Start here"
Command = TypeVar("Command", bound=Callable[..., Any])

_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("sandbox"),
    show_default=True,
    metavar="DIR",
    help="The sandbox's folder.",
)


@click.group(short_help="Real control planes on this machine: up, down, status.")
def command() -> None:
    """Real Kubernetes control planes on this machine, one per cluster.

    etcd, API server, controller manager and scheduler are the real ones; nodes and pods are simulated. No
    containers, no root. A sandbox is never a default target: name its folder with -C, or its kubeconfig.
    """


@command.command()
@_directory
@click.option(
    "--regions",
    type=click.IntRange(min=1),
    metavar="N",
    help="So many of the fictional default regions (5 for a new sandbox).",
)
@click.option(
    "--fleet",
    type=click.Path(path_type=Path, dir_okay=False, exists=False),
    metavar="FILE",
    help="Imitate the clusters of this fleet file instead; its contexts and uids are never used.",
)
@_options.output
@click.pass_obj
def up(settings: Settings, directory: Path, regions: int | None, fleet: Path | None, form: str) -> None:
    """Start a sandbox, or repair what of it is dead.

    The first start of all downloads or builds the control planes, which takes some minutes.

    \b
    Examples:
      orchestrator sandbox up
      orchestrator sandbox up --dir rehearsal --fleet production/fleet.yaml
      KUBECONFIG=sandbox/kubeconfig kubectl --context eu-west-1 get nodes
    """
    from orchestrator import sandbox

    if regions is not None and fleet is not None:
        raise click.UsageError("--regions and --fleet exclude each other.")
    folder = settings.path(directory)
    sandbox.up(folder, regions, _report, fleet=settings.path(fleet) if fleet else None)
    _print(sandbox.status(folder), form)
    click.echo(f"next: `orchestrator -C {folder} status`, or KUBECONFIG={folder / 'kubeconfig'}", err=True)


@command.command()
@_directory
@click.option("--keep", is_flag=True, help="Keep the data, so that `up` brings the same clusters back.")
@_options.output
@click.pass_obj
def down(settings: Settings, directory: Path, keep: bool, form: str) -> None:
    """End exactly the processes of a sandbox, also after a crash, and remove its data.

    \b
    Examples:
      orchestrator sandbox down
      orchestrator sandbox down --dir rehearsal --keep
    """
    from orchestrator import sandbox

    folder = settings.path(directory)
    was_there = sandbox.down(folder, keep=keep)
    state = "absent" if not was_there else "stopped" if keep else "removed"
    document = {
        "apiVersion": "orchestrator/v1",
        "kind": "SandboxStatus",
        "directory": str(folder.absolute()),
        "state": state,
        "clusters": [],
    }
    _print_document(document, form, table=f"{document['directory']}  {state}")


@command.command()
@_directory
@_options.output
@click.pass_context
def status(ctx: click.Context, directory: Path, form: str) -> None:
    """Show what of a sandbox lives; exit 1 unless all of it does.

    \b
    Examples:
      orchestrator sandbox status
      orchestrator sandbox status --dir rehearsal -o json
    """
    from orchestrator import sandbox

    found = sandbox.status(ctx.obj.path(directory))
    _print(found, form)
    if found.state != "running":
        click.echo(f"next: `orchestrator sandbox up --dir {directory}` repairs it", err=True)
        ctx.exit(1)


def _report(message: str) -> None:
    click.echo(message, err=True)


def _print(found: SandboxStatus, form: str) -> None:
    document = {
        "apiVersion": "orchestrator/v1",
        "kind": "SandboxStatus",
        "directory": str(found.directory),
        "state": found.state,
        "clusters": [
            {
                "name": cluster.spec.cluster,
                "region": cluster.spec.region,
                "country": cluster.spec.country,
                "server": cluster.server,
                "uid": cluster.uid,
                "state": cluster.state,
                "components": [
                    {"name": part.component, "state": part.state, "pid": part.pid} for part in cluster.components
                ],
            }
            for cluster in found.clusters
        ],
    }
    _print_document(document, form, table=_table(found))


def _print_document(document: dict[str, Any], form: str, table: str) -> None:
    if form == "table":
        sys.stdout.write(f"{table}\n")
        return
    from orchestrator.cli._render import print_document

    print_document(document, form)


def _table(found: SandboxStatus) -> str:
    rows = [("CLUSTER", "REGION", "COUNTRY", "STATE", "SERVER", "NOT RUNNING")]
    for cluster in found.clusters:
        broken = [f"{part.component} ({part.state})" for part in cluster.components if part.state != "running"]
        spec = cluster.spec
        rows.append(
            (spec.cluster, spec.region, spec.country or "-", cluster.state, cluster.server or "-", ", ".join(broken))
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
