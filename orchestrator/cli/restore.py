"""`orchestrator restore`: an order is lifted, and its models come back as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.result import RunResult

SECTION = "Orders"


@click.command()
@_options.order
@_options.contexts
@click.option("--confirm", metavar="MODEL,…", default=None, help="The models' names, where nobody can type them.")
@click.option(
    "--lift-reference",
    metavar="TEXT",
    default=None,
    help="What the lifting rests on; kept for good. Else what the order's `lifted` says.",
)
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
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(settings: Settings, /, *, form: str, **options: Any) -> int:
    """Lift an order, and bring its models back as they were: replicas, routes, and nothing of ours left behind.

    The lift is written to every reachable cluster first. Then, wave by wave as the order says: guard away, replicas,
    healthy, routes. A cluster that does not become healthy is guarded again. Where another hold stands on a model, it
    stays off until that is lifted, too. Run it again for a cluster that was away.

    \b
    Examples:
      orchestrator restore --order playbooks/orders/directive-2026-06-12.yaml --lift-reference "2026-06-30, no. 17"
      orchestrator restore --order directive.yaml --confirm fable-5,mythos-5 -o json
      orchestrator restore --order directive.yaml --contexts all     # no workspace: kubeconfig and order file only
    """
    from orchestrator.cli._ordering import point_onwards
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act

    result = act(_restore(settings, **options))
    code = print_result(result, form)
    point_onwards(result, options["order_file"], options["contexts"])
    return code


async def _restore(settings: Settings, *, confirm: str | None, **options: Any) -> RunResult:
    from orchestrator.cli._acting import Terms, run_request
    from orchestrator.cli._asking import asked_by
    from orchestrator.cli._confirming import confirm_models
    from orchestrator.cli._ordering import open_order
    from orchestrator.cli._planning import optional_seconds, seconds
    from orchestrator.workflow.asking import restore_task
    from orchestrator.workflow.restoring import RestoreOptions, plan_restore, refuse_short, restore

    terms = RestoreOptions(
        reference=options["lift_reference"],
        ignore_capacity=options["ignore_capacity"],
        progress_deadline=seconds(options["progress_deadline"]),
    )
    async with open_order(settings, options) as (session, order):
        plan = await plan_restore(session, order, terms)
        _announce(plan)
        refuse_short(plan)
        confirm_models(plan.models, confirm)
        sent_within = Terms(optional_seconds(options["wait_lock"]), seconds(options["cluster_deadline"]))
        task = restore_task(settings.path(options["order_file"]), order, terms, options["contexts"])
        request = run_request(sent_within, asked_by(settings, options["kubeconfig"], sent_within, task))
        return await restore(session, order, plan, request)


def _announce(plan: Plan) -> None:
    """Say on stderr what comes back where and when, what stays off, and what stands in the way."""
    from orchestrator.cli._plan_text import summary
    from orchestrator.cli._render import describe
    from orchestrator.cli._terminal import console

    out = console(stderr=True)
    for wave in plan.waves:
        names = ", ".join(printable(part.cluster.name, 60) for part in wave.clusters if part.items)
        out.print(f"wave {printable(wave.step, 60)}: {names or 'nothing to bring back'}")
        for words in wave.words:
            out.print(f"  scope: {printable(words, 400)}")
        for cluster, reason in wave.unreachable:
            out.print(f"  out of reach: {printable(cluster.name, 60)}: {describe(reason)}")
        for part in wave.clusters:
            for item in part.items:
                place = f"{printable(item.subject.model.name, 60)} in {printable(item.subject.cluster, 60)}"
                if item.held_by:
                    out.print(f"  {place}: stays off, held by {printable(', '.join(item.held_by), 200)}")
                for reason in (*item.doubts, *item.refusals):
                    out.print(f"  {place}: {describe(reason)}")
    for reason in plan.overridden:
        out.print(f"capacity: {describe(reason)}")
    out.print(summary(plan))
