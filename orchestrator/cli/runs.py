"""`orchestrator runs`: what was run from this machine, and how a run that was cut off goes on or ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli import _completing, _options
from orchestrator.core.text import printable
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.result import RunResult
    from orchestrator.workflow.resuming import Resumption

SECTION = "Models"
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _chosen(command: Decorated) -> Decorated:
    """`RUN|--last`."""
    command = click.option("--last", is_flag=True, help="The newest run.")(command)
    return click.argument("run", required=False, metavar="[RUN]", shell_complete=_completing.runs)(command)


@click.group()
def command() -> None:
    """List runs, show one, and go on with one that was cut off, or end it."""


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="How many of the newest.")
@_options.output
def list_(*, limit: int, form: str) -> int:
    """Every run that this machine keeps, the newest first: what it did, when, and how it ended.

    Running: its process lives. Died: its process is gone, and it left no result. Interrupted: a signal ended it.

    \b
    Examples:
      orchestrator runs list
      orchestrator runs list -o json | jq -r '.runs[] | select(.state == "died") | .run'
    """
    from orchestrator.cli._render import print_document
    from orchestrator.cli._run_tables import print_runs
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.runs import list_runs

    found = list_runs(state_directory(), limit)
    if form == "table":
        print_runs(found)
    else:
        print_document(found, form)
    return found.exit_code


@command.command()
@_chosen
@_options.explain
@_options.output
def show(*, run: str | None, last: bool, form: str) -> int:
    """One RUN (its identity, or a beginning or end of it): its scope, its records as a timeline, and what next.

    What is missing or cannot be believed of it is named.

    \b
    Examples:
      orchestrator runs show --last
      orchestrator runs show --last --explain
      orchestrator runs show 3f9a -o json
    """
    from orchestrator.cli._render import print_document
    from orchestrator.cli._run_tables import print_run
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.run_reports import report_run
    from orchestrator.workflow.runs import find_run

    state = state_directory()
    found = report_run(state, find_run(state, _given(run, last=last)), explains=_options.asks_for_explanation())
    if form == "table":
        print_run(found)
    else:
        print_document(found, form)
    return found.exit_code


@command.command()
@_chosen
@click.option(
    "--confirm", metavar="MODEL,…", default=None, help="Models that an order came to concern since it was confirmed."
)
@_options.explain
@_options.junit
@_options.metrics
@_options.output
@click.pass_obj
def resume(settings: Settings, /, *, run: str | None, last: bool, confirm: str | None, form: str) -> int:
    """Go on with RUN where it was cut off, as a new run, and end as its own command would have.

    It is planned anew from the same documents, so that nothing that was done is done again: a soak that passed is not
    repeated, an unfinished one is. A rollback that had begun is finished, to what was there before the run. Documents
    that were changed since are refused (exit 4), and so is a run that is still under way.

    \b
    Examples:
      orchestrator runs resume --last
      orchestrator runs resume 20261123T204500Z-3f9a -o json
    """
    from orchestrator.cli._render import print_result
    from orchestrator.cli._running import act
    from orchestrator.cli._settings import state_directory
    from orchestrator.core.explaining import explained
    from orchestrator.core.result import RunResult
    from orchestrator.workflow.resuming import find_resumption
    from orchestrator.workflow.runs import find_run

    state = state_directory()
    found = find_resumption(state, find_run(state, _given(run, last=last)), settings.workspace)
    if isinstance(found, RunResult):
        click.echo(f"run {found.run} ended {found.outcome}: nothing is left to do", err=True)
        return print_result(explained(found) if _options.asks_for_explanation() else found, form)
    click.echo(f"going on with run {found.last.entry.run}", err=True)
    for doubt in found.doubts:
        click.echo(f"  {printable(doubt, 400)}: what it alone knows is not rolled back", err=True)
    return print_result(act(_resume(found, confirm), outlives_terminal=found.last.entry.action == "takedown"), form)


@command.command()
@_chosen
@_options.output
def abort(*, run: str | None, last: bool, form: str) -> int:
    """End RUN for good, which was cut off: release its own locks, mark it, and say what it left half-done.

    No workload is changed. A run that is still under way is refused (exit 4). Exit code 3: a cluster could not be
    asked; a lock that is left there expires by itself within a minute.

    \b
    Examples:
      orchestrator runs abort --last
      orchestrator runs abort 3f9a -o json
    """
    from orchestrator.cli._render import print_document
    from orchestrator.cli._run_tables import print_abort
    from orchestrator.cli._running import run as run_story
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.aborting import abort as abort_run
    from orchestrator.workflow.runs import find_run

    state = state_directory()
    found = run_story(abort_run(state, find_run(state, _given(run, last=last))))
    if form == "table":
        print_abort(found)
    else:
        print_document(found, form)
    return found.exit_code


async def _resume(resumption: Resumption, confirm: str | None) -> RunResult:
    from orchestrator.cli._acting import Terms, run_request
    from orchestrator.cli._confirming import confirm_models
    from orchestrator.cli._run_tables import announce
    from orchestrator.workflow.going_on import GoingOn
    from orchestrator.workflow.resuming import resume

    def ask(models: Iterable[str]) -> None:
        if unconfirmed := tuple(models):
            confirm_models(unconfirmed, confirm)

    return await resume(resumption, GoingOn(request=run_request(Terms()), announce=announce, confirm=ask))


def _given(run: str | None, *, last: bool) -> str | None:
    """The run that was named; None for the newest. Raises UsageError when it is neither or both."""
    if (run is None) is not last:
        raise UsageError("name one run, or say --last", hint="`orchestrator runs list` lists them")
    return run
