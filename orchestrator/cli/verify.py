"""`orchestrator verify`: judges now, changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.result import StatusDocument
    from orchestrator.workflow.session import Session

SECTION = "Models"


@click.command()
@click.argument("subjects", nargs=-1, required=True, metavar="PLAYBOOK | MODEL…")
@click.option("--expect", type=click.Choice(["enabled", "disabled"]), help="With models: the state they must be in.")
@_options.scope
@_options.kubeconfig
@_options.output
@click.pass_obj
def command(
    settings: Settings,
    /,
    *,
    subjects: tuple[str, ...],
    expect: str | None,
    kubeconfig: Path | None,
    form: str,
    **scope: Any,
) -> int:
    """Whether everything is as PLAYBOOK wants it, or as --expect says of models. Changes nothing.

    \b
    Examples:
      orchestrator verify playbooks/fable-5-rollout.yaml
      orchestrator verify fable-5 --expect disabled --region eu-west
    """
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import run
    from orchestrator.errors import UsageError

    if expect is None and len(subjects) > 1:
        raise UsageError("one playbook at a time", hint="with models, say --expect enabled or --expect disabled")
    return print_result(run(_verify(settings, subjects, expect, kubeconfig, scope)), form)


async def _verify(
    settings: Settings, subjects: tuple[str, ...], expect: str | None, kubeconfig: Path | None, scope: dict[str, Any]
) -> StatusDocument:
    from orchestrator.workflow.judging import verify_plan
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        return await verify_plan(session, await _plan(session, subjects, expect, scope))


async def _plan(session: Session, subjects: tuple[str, ...], expect: str | None, scope: dict[str, Any]) -> Plan:
    """What is expected, as a plan; another playbook's claim is no hindrance to looking."""
    from orchestrator.core.verdict import Want
    from orchestrator.core.wish import PlanOptions
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.workflow.planning import plan_command, plan_playbook
    from orchestrator.workflow.requests import Command

    options = PlanOptions(take_over=True)
    if expect is None:
        return await plan_playbook(session, session.workspace.playbook(subjects[0]), options)
    if not any(scope.values()):
        scope["all_"] = True
    chosen = scope_from_flags(**scope)
    return await plan_command(session, Command(models=subjects, scope=chosen, want=Want(expect)), options)
