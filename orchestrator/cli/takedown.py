"""`orchestrator takedown`: an order, from its file to a proven absence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.result import RunResult

SECTION = "Orders"


@click.command()
@_options.order
@_options.contexts
@click.option(
    "--confirm",
    metavar="MODEL,…",
    default=None,
    help="The models' names, where nobody can type them. Clusters that keep silent are not waited for then: they join.",
)
@click.option("--include-shared", is_flag=True, help="Also stop pods that serve other models; the plan lists them.")
@click.option(
    "--follow", is_flag=True, help="Go on until nothing is owed: clusters that return are taken down at once."
)
@_options.takedown_terms
@_options.cluster_deadline
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(settings: Settings, /, *, form: str, **options: Any) -> int:
    """Take the models of an order dark in every cluster that it concerns, keep them dark, and prove it.

    In every cluster at once: a guard makes the API server itself refuse the models, their routes are cut, their
    workloads stopped, every pod awaited, and absence proven again after a soak. Nothing stops it: what failed is
    named, and the rest goes on.

    \b
    Examples:
      orchestrator takedown --order playbooks/orders/directive-2026-06-12.yaml
      orchestrator takedown --order directive.yaml --confirm fable-5,mythos-5 -o json
      orchestrator takedown --order directive.yaml --contexts all     # no workspace: kubeconfig and order file only
      orchestrator takedown --order directive.yaml --follow           # until clusters that are away are dark, too
    """
    from orchestrator.cli._ordering import point_onwards
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act

    result = act(_take_down(settings, **options), outlives_terminal=True)
    code = print_result(result, form)
    point_onwards(result, options["order_file"], options["contexts"])
    return code


async def _take_down(settings: Settings, *, follow: bool, confirm: str | None, **options: Any) -> RunResult:
    from orchestrator.cli._acting import Terms, run_request
    from orchestrator.cli._asking import asked_by
    from orchestrator.cli._confirming import confirm_models, named
    from orchestrator.cli._ordering import announce_takedown, open_order, takedown_options
    from orchestrator.cli._planning import seconds
    from orchestrator.workflow.asking import takedown_task
    from orchestrator.workflow.following import follow_up, search_again
    from orchestrator.workflow.opening import open_takedown
    from orchestrator.workflow.taking_down import take_down

    terms = takedown_options(options)
    async with (
        open_order(settings, options) as (session, order),
        open_takedown(session, order, terms, named(confirm)) as opening,
    ):
        plan, latecomers = opening.plan, opening.latecomers
        announce_takedown(plan)
        confirm_models(plan.models, confirm)
        sent_within = Terms(cluster_deadline=seconds(options["cluster_deadline"]))
        task = takedown_task(settings.path(options["order_file"]), order, terms, options["contexts"], follow=follow)
        request = run_request(sent_within, asked_by(settings, options["kubeconfig"], sent_within, task))
        result = await take_down(session, order, plan, request, latecomers)
        if latecomers is not None:
            plan = latecomers.with_them(plan)
            if latecomers.unsearched and not request.stop.is_set():
                click.echo(f"{latecomers.unsearched}: every cluster is searched again", err=True)
                plan, result = await search_again(session, order, latecomers, request, result)
        if follow:
            result = await follow_up(session, order, terms, request, plan, result)
        return result
