"""`orchestrator plan`: what applying would change, without changing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.wish import PlanOptions

SECTION = "Models"
_REFUSED = 4


@click.command()
@click.argument("playbook", required=False, shell_complete=_completing.playbooks)
@click.option(
    "--order",
    "order_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Show the takedown of this order instead.",
)
@_options.contexts
@click.option("--rehearse", is_flag=True, help="With an order: these are sandbox clusters.")
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Keep the plan; `apply FILE` runs it.")
@click.option("--exit-code", "tell_changes", is_flag=True, help="Exit with 10 when anything would change.")
@click.option("--override", "overridden", multiple=True, metavar="RULE=REASON", help="Override a safety rule by name.")
@click.option("--take-over", is_flag=True, help="Take over models that another playbook set.")
@click.option("--force-conflicts", is_flag=True, help="Take the fields that are listed as somebody else's.")
@click.option("--prune", is_flag=True, help="Delete objects that are no longer in the manifests.")
@_options.kubeconfig
@_options.output
@click.pass_obj
def command(  # noqa: PLR0913 - one parameter for each option
    settings: Settings,
    /,
    *,
    playbook: str | None,
    order_file: Path | None,
    contexts: tuple[str, ...],
    rehearse: bool,
    save: Path | None,
    tell_changes: bool,
    overridden: tuple[str, ...],
    take_over: bool,
    force_conflicts: bool,
    prune: bool,
    kubeconfig: Path | None,
    form: str,
) -> int:
    """Show what applying PLAYBOOK (a file, or a name under playbooks/), or an order, would change, field by field.

    Reads every cluster concerned and asks each API server for a dry run; changes nothing.

    \b
    Examples:
      orchestrator plan playbooks/fable-5-rollout.yaml
      orchestrator plan fable-5-rollout --exit-code       # 10 when something would change
      orchestrator plan fable-5-rollout --save plan.json && orchestrator apply plan.json
      orchestrator plan --order playbooks/orders/directive-2026-06-12.yaml
    """
    from orchestrator.cli._plan_text import print_plan
    from orchestrator.cli._planning import plan_options
    from orchestrator.cli._render import print_document
    from orchestrator.cli._running import run
    from orchestrator.documents.plans import to_document
    from orchestrator.errors import UsageError

    options = plan_options(overridden=overridden, take_over=take_over, force_conflicts=force_conflicts, prune=prune)
    if (playbook is None) == (order_file is None):
        raise UsageError("expected a playbook, or --order FILE", hint="`orchestrator plan --help` has examples")
    if order_file is not None and save:
        raise UsageError("a takedown is planned when it begins: a kept plan would be a stale one", hint="drop --save")
    order = {"order_file": order_file, "contexts": contexts, "kubeconfig": kubeconfig, "rehearse": rehearse}
    plan = run(_plan_order(settings, order) if playbook is None else _plan(settings, playbook, kubeconfig, options))
    if save:
        _save(settings.path(save), plan)
    if form == "table":
        print_plan(plan, settings)
        if plan.has_changes and _exit_code(plan, False) != _REFUSED:
            flags = {"--take-over": take_over, "--force-conflicts": force_conflicts, "--prune": prune}
            given = [flag for flag, is_given in flags.items() if is_given]
            given += [part for text in overridden for part in ("--override", text)]
            _point_onwards(save or playbook, given, order)
    else:
        print_document(to_document(plan, masked=True), form)
    return _exit_code(plan, tell_changes)


def _point_onwards(source: Path | str | None, flags: list[str], order: dict[str, Any]) -> None:
    """On stderr, the command that does what was shown."""
    import shlex

    from orchestrator.core.text import printable

    words = ["apply", str(source), *flags]
    if source is None:
        contexts = [word for name in order["contexts"] for word in ("--contexts", name)]
        words = [
            "takedown",
            "--order",
            str(order["order_file"]),
            *contexts,
            *(["--rehearse"] if order["rehearse"] else []),
        ]
    kubeconfig = ["--kubeconfig", str(order["kubeconfig"])] if order["kubeconfig"] else []
    click.echo(f"next: `{printable(shlex.join(['orchestrator', *words, *kubeconfig]), 1000)}`", err=True)


async def _plan_order(settings: Settings, options: dict[str, Any]) -> Plan:
    from orchestrator.cli._ordering import open_order, takedown_options
    from orchestrator.workflow.taking_down import plan_takedown

    async with open_order(settings, options) as (session, order):
        return await plan_takedown(session, order, takedown_options({**options, "shows_collateral": True}))


async def _plan(settings: Settings, playbook: str, kubeconfig: Path | None, options: PlanOptions) -> Plan:
    from orchestrator.workflow.planning import plan_playbook
    from orchestrator.workflow.session import load_workspace, open_session

    workspace = load_workspace(settings.workspace)
    document = workspace.playbook(playbook)
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        return await plan_playbook(session, document, options)


def _exit_code(plan: Plan, tell_changes: bool) -> int:
    """A plan that would be refused is 4; one that does not know everything is 3; changes are 10 when asked for."""
    items = [item for wave in plan.waves for part in wave.clusters for item in part.items]
    if plan.refusals or any(item.refusals for item in items):
        return _REFUSED
    if any(wave.unreachable for wave in plan.waves) or any(item.doubts for item in items):
        return 3
    return 10 if tell_changes and plan.has_changes else 0


def _save(path: Path, plan: Plan) -> None:
    """Only the owner may read a saved plan: it holds the manifests, Secrets included."""
    import json
    import os

    from orchestrator.documents.plans import to_document
    from orchestrator.errors import UsageError

    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(to_document(plan), file, ensure_ascii=False)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            hint="name a file that can be written; relative paths are the workspace's",
        ) from error
