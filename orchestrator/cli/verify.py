"""`orchestrator verify`: judges now, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.result import StatusDocument
    from orchestrator.workflow.session import Session

SECTION = "Models"


@click.command()
@click.argument("subjects", nargs=-1, metavar="[PLAYBOOK | MODEL…]", shell_complete=_completing.models)
@click.option("--expect", type=click.Choice(["enabled", "disabled"]), help="With models: the state they must be in.")
@click.option(
    "--order",
    "order_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Whether this order is kept: its guards are tried again, absence is looked for anew.",
)
@_options.contexts
@click.option("--rehearse", is_flag=True, help="With an order: these are sandbox clusters.")
@_options.scope
@_options.explain
@_options.kubeconfig
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(  # noqa: PLR0913 - one parameter for each option
    settings: Settings,
    /,
    *,
    subjects: tuple[str, ...],
    expect: str | None,
    order_file: Path | None,
    contexts: tuple[str, ...],
    rehearse: bool,
    kubeconfig: Path | None,
    form: str,
    **scope: Any,
) -> int:
    """Whether everything is as PLAYBOOK wants it, as --expect says of models, or as --order demands. Changes nothing.

    \b
    Examples:
      orchestrator verify playbooks/fable-5-rollout.yaml
      orchestrator verify fable-5 --expect disabled --region eu-west
      orchestrator verify --order playbooks/orders/directive-2026-06-12.yaml
      orchestrator verify playbooks/fable-5-rollout.yaml --explain
    """
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import run
    from orchestrator.errors import UsageError

    if order_file is not None:
        if subjects or expect or any(scope.values()):
            raise UsageError("--order stands alone", hint="its scope and its models are the order's")
        options = {"order_file": order_file, "contexts": contexts, "kubeconfig": kubeconfig, "rehearse": rehearse}
        return print_result(run(_verify_order(settings, options)), form)
    if not subjects:
        raise UsageError("nothing to verify", hint="name a playbook, models with --expect, or an order with --order")
    if expect is None and len(subjects) > 1:
        raise UsageError("one playbook at a time", hint="with models, say --expect enabled or --expect disabled")
    expected = _Expected(subjects, expect, scope)
    return print_result(run(_verify(settings, expected, kubeconfig)), form)


@dataclass(frozen=True, slots=True)
class _Expected:
    """What is looked for."""

    subjects: tuple[str, ...]
    state: str | None
    scope: dict[str, Any]


async def _verify(settings: Settings, expected: _Expected, kubeconfig: Path | None) -> StatusDocument:
    from orchestrator.cli._audience import tell_of_look
    from orchestrator.workflow.judging import verify_plan
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        plan = await _plan(session, expected.subjects, expected.state, expected.scope)
        found = await verify_plan(session, plan, explains=_options.asks_for_explanation())
        tell_of_look(session, found, "verify")
        return found


async def _verify_order(settings: Settings, options: dict[str, Any]) -> StatusDocument:
    from orchestrator.cli._audience import tell_of_look
    from orchestrator.cli._ordering import open_order, takedown_options
    from orchestrator.workflow.judging_orders import verify_order

    async with open_order(settings, options) as (session, order):
        found = await verify_order(session, order, takedown_options(options), explains=_options.asks_for_explanation())
        tell_of_look(session, found, "verify", is_of_order=True)
        return found


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
