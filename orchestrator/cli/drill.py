"""`orchestrator drill`: a takedown tried without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.drill import DrillReport

SECTION = "Orders"


@click.command()
@_options.order
@_options.contexts
@click.option("--include-shared", is_flag=True, help="As if pods that serve other models were stopped, too.")
@_options.takedown_terms
@_options.kubeconfig
@_options.output
@click.pass_obj
def command(settings: Settings, /, *, form: str, **options: Any) -> int:
    """Try the takedown of an order: dry runs of every write, every permission asked, everything timed.

    Changes nothing. Do it on an ordinary day: what is missing then is missing at 3 a.m., too.

    \b
    Examples:
      orchestrator drill --order playbooks/orders/directive-2026-06-12.yaml
      orchestrator drill --order directive.yaml -o json | jq '.steps[] | select(.works | not)'
    """
    from orchestrator.cli._ordering import print_drill
    from orchestrator.cli._render import print_document
    from orchestrator.cli._running import run

    report = run(_drill(settings, options))
    if form == "table":
        print_drill(report)
    else:
        print_document(report, form)
    return report.exit_code


async def _drill(settings: Settings, options: dict[str, Any]) -> DrillReport:
    from orchestrator.cli._ordering import open_order, takedown_options
    from orchestrator.workflow.drilling import drill

    async with open_order(settings, options) as (session, order):
        return await drill(session, order, takedown_options({**options, "shows_collateral": True}))
