"""`orchestrator disable`: one or more models, in the clusters of a scope."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli import _completing, _options
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.cli._settings import Settings
    from orchestrator.core.result import RunResult

SECTION = "Models"


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL…", shell_complete=_completing.models)
@_options.scope
@click.option(
    "--hold",
    "reason",
    metavar="REASON",
    default=None,
    help="Keep it off: guard it, cut its routes, and let nothing bring it back until `orchestrator hold lift`.",
)
@click.option(
    "--until",
    metavar="TIME",
    default=None,
    help="With --hold: when it counts as expired, with time zone; it still holds. Nothing comes back by time alone.",
)
@_options.pace
@_options.cluster_deadline
@_options.overrides
@_options.kubeconfig
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def command(
    settings: Settings, /, *, models: tuple[str, ...], kubeconfig: Path | None, form: str, **options: Any
) -> int:
    """Switch MODEL off in the clusters of the scope, and prove that nothing of it is left.

    Without --hold no guard is installed: where an autoscaler or a GitOps tool could bring the model back, the result
    says so. With it this is a takedown without an order: in every cluster at once, guarded, and never stopped by a
    failure; --max-…, --override and the like do not apply.

    \b
    Examples:
      orchestrator disable fable-5 --region eu-west
      orchestrator disable fable-5 mythos-5 --all --override 'minEnabledClusters=incident 4711'
      orchestrator disable fable-5 --in EU --hold "incident 4711" --until 2026-07-01T00:00:00Z
    """
    from orchestrator.cli._acting import switch
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act
    from orchestrator.core.verdict import Want

    reason, until = options.pop("reason"), _time(options.pop("until"))
    if reason is not None:
        held = _hold(settings, models, (reason, until), {**options, "kubeconfig": kubeconfig})
        return print_result(act(held, outlives_terminal=True), form)
    if until is not None:
        raise UsageError("--until says how long a hold is meant to last, and there is none", hint="--hold REASON")
    return print_result(act(switch(settings, models, Want.DISABLED, kubeconfig, options)), form)


async def _hold(
    settings: Settings, models: tuple[str, ...], why: tuple[str, datetime | None], options: dict[str, Any]
) -> RunResult:
    from orchestrator.cli._acting import Terms, run_request
    from orchestrator.cli._asking import asked_by
    from orchestrator.cli._ordering import announce_takedown
    from orchestrator.cli._planning import seconds
    from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK
    from orchestrator.geo.flags import scope_from_flags
    from orchestrator.workflow.asking import hold_task
    from orchestrator.workflow.holding import Holding, plan_hold
    from orchestrator.workflow.session import load_workspace, open_session
    from orchestrator.workflow.taking_down import take_down

    reason, until = why
    if not reason.strip() or not reason.isprintable() or len(reason) > _LONGEST_REASON:
        raise UsageError(
            f"--hold: expected a reason in one line of at most {_LONGEST_REASON} characters",
            hint='--hold "incident 4711"',
        )
    soak = options["soak"]
    chosen = {name: value for name, value in options.items() if name.removeprefix("except_") in _SCOPE}
    holding = Holding(
        models=models,
        scope=scope_from_flags(**chosen),
        reason=reason,
        until=until,
        soak=DEFAULT_TAKEDOWN_SOAK if soak is None else seconds(soak),
    )
    terms = Terms(cluster_deadline=seconds(options["cluster_deadline"]))
    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, options["kubeconfig"], settings.timeouts()) as session:
        order, plan = await plan_hold(session, holding)
        click.echo(f"hold: {order.name}", err=True)
        announce_takedown(plan)
        asked = asked_by(settings, options["kubeconfig"], terms, hold_task(order, holding))
        return await take_down(session, order, plan, run_request(terms, asked))


def _time(text: str | None) -> datetime | None:
    from datetime import datetime

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise UsageError(f"--until {text}: expected a time with its time zone", hint="2026-07-01T00:00:00Z")
    return moment


_SCOPE = ("region", "cluster", "label", "in", "in_", "serves", "all_")
_LONGEST_REASON = 200
