"""`orchestrator orders`: orders of the workspace and of the clusters, what is owed to them, and what people attest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.order_report import OrderList

SECTION = "Orders"


@click.group()
def command() -> None:
    """List orders, show what is owed to one, and keep what people attest."""


@command.command("list")
@_options.contexts
@_options.kubeconfig
@_options.output
@click.pass_obj
def list_(settings: Settings, /, *, form: str, **reached: Any) -> int:
    """Every order of this workspace, and every one that only clusters know: in force, held, owed, lifted.

    Exit code 3 when a cluster does not answer: what it alone records is missing.

    \b
    Examples:
      orchestrator orders list
      orchestrator orders list --contexts all                 # no workspace: what the clusters record
      orchestrator orders list -o json | jq '.orders[] | select(.debt != [])'
    """
    from orchestrator.cli._reporting import print_orders
    from orchestrator.cli._running import run

    return print_orders(run(_list(settings, None, **reached)), form)


@command.command()
@click.argument("order", metavar="ORDER", shell_complete=_completing.order_names)
@_options.contexts
@_options.kubeconfig
@_options.output
@click.pass_obj
def show(settings: Settings, /, *, order: str, form: str, **reached: Any) -> int:
    """One ORDER, by its name or at least 12 digits of its digest: scope, debt per cluster, lift, attestations.

    \b
    Examples:
      orchestrator orders show directive-2026-06-12
      orchestrator orders show 5f2c8a71d09e -o json
    """
    from orchestrator.cli._reporting import print_orders
    from orchestrator.cli._running import run

    return print_orders(run(_list(settings, order, **reached)), form, whole=True)


@command.command()
@click.argument("order", metavar="ORDER", shell_complete=_completing.order_names)
@click.argument("subject", metavar="CHANNEL")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    help="Whose channel it is, where several models of the order have one of that name; several times for several.",
)
@click.option("--by", required=True, metavar="WHO", help="Who says so.")
@click.option("--note", required=True, metavar="TEXT", help="What it rests on: a ticket, a call, what was seen.")
@_options.contexts
@_options.kubeconfig
@_options.output
@click.pass_obj
def attest(settings: Settings, /, *, form: str, **options: Any) -> int:
    """Keep, in every reachable cluster, that somebody says: CHANNEL, which this tool cannot switch, is off.

    It counts for one model: where several models of the order have a channel of that name, --model says whose is off.
    Instead of a channel it may be a cluster that still owes and is gone for good. Results then count it as proven, and
    name who said so. Exit code 3 when a cluster did not take it.

    \b
    Examples:
      orchestrator orders attest directive-2026-06-12 partner-api --by "Ann Example" --note "closed 17:40, ticket 4711"
      orchestrator orders attest directive-2026-06-12 partner-api --model fable-5 --by "Ann Example" --note "ticket 4"
    """
    from orchestrator.cli._reporting import print_orders
    from orchestrator.cli._running import run

    return print_orders(run(_attest(settings, **options)), form, whole=True)


async def _list(settings: Settings, wanted: str | None, **reached: Any) -> OrderList:
    from orchestrator.cli._ordering import open_fleet
    from orchestrator.workflow.orders import list_orders

    async with open_fleet(settings, **reached) as session:
        return await list_orders(session, wanted)


async def _attest(settings: Settings, *, order: str, models: tuple[str, ...], **options: Any) -> OrderList:
    from orchestrator.cli._ordering import open_fleet
    from orchestrator.core.attestations import Attestation
    from orchestrator.errors import UsageError
    from orchestrator.workflow.orders import attest

    said = {name: str(options.pop(name)) for name in ("subject", "by", "note")}
    for option in ("by", "note"):
        if not said[option].strip() or not said[option].isprintable() or len(said[option]) > _LONGEST:
            raise UsageError(
                f"--{option}: expected one line of at most {_LONGEST} characters",
                hint="say it shorter, and in one line",
            )
    statement = Attestation(digest="", order=order, **said, actor="")
    async with open_fleet(settings, **options) as session:
        return await attest(session, order, statement, models)


_LONGEST = 500
