"""What `apply`, `enable` and `disable` share: carry out a plan, with progress on stderr and the result on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.result import RunResult
    from orchestrator.core.verdict import Want
    from orchestrator.workflow.session import Session


async def carry_out_and_tell(session: Session, plan: Plan, *, wait_lock: float | None, held: str = "ok") -> RunResult:
    """Carry out a plan as the defaults of the command line want it."""
    from orchestrator.cli._running import progress, stop_on_signals
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.applying import RunRequest, carry_out

    request = RunRequest(
        state=state_directory(),
        wait_lock=wait_lock,
        held_fails=held == "fail",
        stop=stop_on_signals(),
        tell=progress(),
    )
    return await carry_out(session, plan, request)


def announce(plan: Plan) -> None:
    """Say on stderr what is about to happen."""
    from orchestrator.cli._planning import summary

    click.echo(summary(plan), err=True)


def finish(result: RunResult, form: str) -> int:
    """Print the result and return its exit code."""
    from orchestrator.cli._render import print_document, print_matrix, print_summary

    if form == "table":
        print_matrix(result.items)
        print_summary(result)
    else:
        print_document(result, form)
    return result.exit_code


async def switch(
    settings: Settings, models: tuple[str, ...], want: Want, kubeconfig: Path | None, options: dict[str, Any]
) -> RunResult:
    """Set one state for some models in the clusters that the options choose."""
    from orchestrator.cli._planning import duration, plan_options
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.workflow.planning import plan_command
    from orchestrator.workflow.session import load_workspace, open_session

    wait_lock = duration(options.pop("wait_lock"))
    permitted = {name: options.pop(name) for name in ("overridden", "take_over", "force_conflicts", "prune")}
    scope = scope_from_flags(**options)
    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, kubeconfig) as session:
        plan = await plan_command(session, models, scope, want, plan_options(**permitted))
        announce(plan)
        return await carry_out_and_tell(session, plan, wait_lock=wait_lock)
