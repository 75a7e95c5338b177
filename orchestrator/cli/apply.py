"""`orchestrator apply`: carry out a playbook, or a saved plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._acting import Terms
    from orchestrator.cli._settings import Settings
    from orchestrator.core.result import RunResult
    from orchestrator.core.wish import PlanOptions
    from orchestrator.workflow.asked import Task

SECTION = "Models"


@click.command()
@click.argument("playbook", shell_complete=_completing.playbooks)
@click.option(
    "--held",
    type=click.Choice(["ok", "fail"]),
    default="ok",
    show_default=True,
    help="Whether a model that a hold keeps off is a failure (exit 1).",
)
@_options.cluster_deadline
@_options.overrides
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(  # noqa: PLR0913 - one parameter for each option
    settings: Settings,
    /,
    *,
    playbook: str,
    held: str,
    overridden: tuple[str, ...],
    take_over: bool,
    force_conflicts: bool,
    prune: bool,
    wait_lock: str | None,
    cluster_deadline: str,
    kubeconfig: Path | None,
    form: str,
) -> int:
    """Carry out PLAYBOOK (a file, or a name under playbooks/), or a plan that `plan --save` kept.

    Steps run in order, each cluster is watched until its models are proven healthy, or dark. Where everything is
    already so, nothing is written.

    \b
    Examples:
      orchestrator apply playbooks/fable-5-rollout.yaml
      orchestrator apply fable-5-rollout -o json > result.json
      orchestrator apply fable-5-regional-disable --take-over
    """
    from orchestrator.cli._acting import Terms
    from orchestrator.cli._planning import optional_seconds, plan_options, seconds
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act

    options = plan_options(overridden=overridden, take_over=take_over, force_conflicts=force_conflicts, prune=prune)
    terms = Terms(optional_seconds(wait_lock), seconds(cluster_deadline), held_fails=held == "fail")
    result = act(_apply(settings, playbook, kubeconfig, options, terms))
    return print_result(result, form)


async def _apply(
    settings: Settings, playbook: str, kubeconfig: Path | None, options: PlanOptions, terms: Terms
) -> RunResult:
    from orchestrator.cli._acting import announce, carry_out_and_tell
    from orchestrator.cli._asking import asked_by
    from orchestrator.core.plan import Plan
    from orchestrator.documents.plans import read_saved_plan
    from orchestrator.workflow.asking import plan_task, playbook_task
    from orchestrator.workflow.planning import plan_playbook, with_holds_of_now
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    path = settings.path(Path(playbook))
    source = read_saved_plan(path) if path.suffix == ".json" and path.is_file() else workspace.playbook(playbook)
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        task: Task
        if isinstance(source, Plan):
            plan, task = await with_holds_of_now(session, source), plan_task(path, source)
        else:
            plan, task = await plan_playbook(session, source, options), playbook_task(workspace, playbook, options)
        announce(plan)
        return await carry_out_and_tell(session, plan, terms, asked_by(settings, kubeconfig, terms, task))
