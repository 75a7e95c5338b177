"""What `apply`, `enable` and `disable` share: carry out a plan, with progress on stderr and the result on stdout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Plan
    from orchestrator.core.result import RunResult
    from orchestrator.core.verdict import Want
    from orchestrator.workflow.applying import RunRequest
    from orchestrator.workflow.asked import Asked
    from orchestrator.workflow.session import Session


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run is to behave, in seconds."""

    wait_lock: float | None = None
    cluster_deadline: float = 600.0
    held_fails: bool = False


async def carry_out_and_tell(session: Session, plan: Plan, terms: Terms, asked: Asked) -> RunResult:
    """Carry out a plan, with the progress and the signals of a command line."""
    from orchestrator.workflow.applying import carry_out

    return await carry_out(session, plan, run_request(terms, asked))


def run_request(terms: Terms, asked: Asked | None = None) -> RunRequest:
    """How a run of the command line behaves: its state folder, its signals, and its progress on stderr.

    `asked` is kept, so that the run can be resumed.
    """
    from orchestrator.cli import _options
    from orchestrator.cli._audience import open_audience
    from orchestrator.cli._interruptions import stop_on_signals
    from orchestrator.cli._running import progress
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.applying import RunRequest

    return RunRequest(
        state=state_directory(),
        wait_lock=terms.wait_lock,
        cluster_deadline=terms.cluster_deadline,
        held_fails=terms.held_fails,
        stop=stop_on_signals(),
        tell=progress(),
        asked=asked,
        explains=_options.asks_for_explanation(),
        audience=open_audience(),
    )


def announce(plan: Plan) -> None:
    """Say on stderr what is about to happen."""
    from orchestrator.cli._plan_text import summary

    click.echo(summary(plan), err=True)


async def switch(
    settings: Settings, models: tuple[str, ...], want: Want, kubeconfig: Path | None, options: dict[str, Any]
) -> RunResult:
    """Set one state for some models in the clusters that the options choose."""
    from orchestrator.cli._asking import asked_by
    from orchestrator.cli._planning import optional_seconds, plan_options, seconds
    from orchestrator.core.playbook import Strategy
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.workflow.asking import command_task
    from orchestrator.workflow.planning import plan_command
    from orchestrator.workflow.requests import Command
    from orchestrator.workflow.session import load_workspace, open_session

    strategy = Strategy(
        max_concurrent=options.pop("max_concurrent"),
        max_failures=options.pop("max_failures"),
        max_unreachable=options.pop("max_unreachable"),
        progress_deadline=seconds(options.pop("progress_deadline")),
    )
    soak = options.pop("soak")
    terms = Terms(optional_seconds(options.pop("wait_lock")), seconds(options.pop("cluster_deadline")))
    permitted = {name: options.pop(name) for name in ("overridden", "take_over", "force_conflicts", "prune")}
    command = Command(
        models=models,
        scope=scope_from_flags(**options),
        want=want,
        strategy=strategy,
        soak=None if soak is None else seconds(soak),
    )
    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, kubeconfig, settings.timeouts()) as session:
        allowed = plan_options(**permitted)
        plan = await plan_command(session, command, allowed)
        announce(plan)
        task = command_task(session.workspace, command, allowed)
        return await carry_out_and_tell(session, plan, terms, asked_by(settings, kubeconfig, terms, task))
