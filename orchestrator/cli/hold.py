"""`orchestrator hold`: what keeps models off, and how an operator's hold ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.order_report import HoldList
    from orchestrator.core.result import RunResult

SECTION = "Orders"


@click.group()
def command() -> None:
    """List what keeps models off, and lift an operator's hold."""


@command.command("list")
@_options.contexts
@_options.kubeconfig
@_options.output
@click.pass_obj
def list_(settings: Settings, /, *, form: str, **reached: Any) -> int:
    """Every hold: by which order or operator, on which model, where it lies, until when, and what is owed.

    Exit code 3 when a cluster does not answer: what it alone records is missing.

    \b
    Examples:
      orchestrator hold list
      orchestrator hold list --contexts all                   # no workspace: what the clusters record
      orchestrator hold list -o json | jq '.holds[] | select(.owing != [])'
    """
    from orchestrator.cli._render import print_document
    from orchestrator.cli._reporting import print_holds
    from orchestrator.cli._running import run

    found = run(_list(settings, **reached))
    if form == "table":
        print_holds(found)
    else:
        print_document(found, form)
    return found.exit_code


@command.command()
@click.argument("hold", metavar="HOLD")
@click.option("--confirm", metavar="HOLD", default=None, help="The hold's name, where nobody can type it.")
@click.option("--reason", metavar="TEXT", default=None, help="What the lifting rests on; kept for good.")
@click.option("--ignore-capacity", is_flag=True, help="Also where there is no room for all replicas; kept on record.")
@click.option(
    "--progress-deadline",
    metavar="DURATION",
    default="10m",
    show_default=True,
    help="Time a cluster has to become healthy before it is guarded again.",
)
@_options.wait_lock
@_options.cluster_deadline
@_options.contexts
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def lift(settings: Settings, /, *, form: str, **options: Any) -> int:
    """Lift HOLD, an operator's, in every reachable cluster, and bring its models back as they were.

    A lift is for good: it also ends the hold in clusters that come back later. Where another hold stands on a model,
    it stays off until that is lifted, too. An order is lifted by `orchestrator restore`.

    \b
    Examples:
      orchestrator hold lift hold-3f9a1c20
      orchestrator hold lift hold-3f9a1c20 --confirm hold-3f9a1c20 --reason "incident 17 is closed" -o json
    """
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act

    return print_result(act(_lift(settings, options)), form)


async def _list(settings: Settings, **reached: Any) -> HoldList:
    from orchestrator.cli._ordering import open_fleet
    from orchestrator.workflow.orders import list_holds

    async with open_fleet(settings, **reached) as session:
        return await list_holds(session)


async def _lift(settings: Settings, options: dict[str, Any]) -> RunResult:
    from orchestrator.cli._acting import Terms, announce, run_request
    from orchestrator.cli._asking import asked_by
    from orchestrator.cli._confirming import confirm_names
    from orchestrator.cli._ordering import open_fleet
    from orchestrator.cli._planning import optional_seconds, seconds
    from orchestrator.workflow.about import local_user
    from orchestrator.workflow.asking import lift_task
    from orchestrator.workflow.restoring import RestoreOptions, plan_restore_of_hold, refuse_short, restore

    terms = RestoreOptions(
        reference=options["reason"] or f"lifted by {local_user()}",
        ignore_capacity=options["ignore_capacity"],
        progress_deadline=seconds(options["progress_deadline"]),
    )
    request = Terms(optional_seconds(options["wait_lock"]), seconds(options["cluster_deadline"]))
    async with open_fleet(settings, options["kubeconfig"], options["contexts"]) as session:
        order, plan = await plan_restore_of_hold(session, options["hold"], terms)
        announce(plan)
        refuse_short(plan)
        confirm_names((order.name,), options["confirm"], "the hold")
        asked = asked_by(settings, options["kubeconfig"], request, lift_task(order, terms))
        return await restore(session, order, plan, run_request(request, asked))
