"""`orchestrator report`: a run as one page for managers and auditors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import _completing

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings

SECTION = "Orders"


@click.command()
@click.argument("run", required=False, shell_complete=_completing.runs)
@click.option("--last", is_flag=True, help="The run that began last on this machine.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where the page goes; RUN.report.html in the workspace when neither form is asked for.",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, allow_dash=True),
    default=None,
    metavar="FILE",
    help="Where the same goes in Markdown; - prints it.",
)
@click.option(
    "--evidence",
    "bundle",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Evidence exported from this run, whose hash the report then names.",
)
@click.pass_obj
def command(
    settings: Settings,
    /,
    *,
    run: str | None,
    last: bool,
    html: Path | None,
    markdown: Path | None,
    bundle: Path | None,
) -> int:
    """Tell RUN on one page: verdict, map, timeline, tables, what is not proven, and how to check it.

    The page loads nothing and runs nothing; it can be mailed, printed and archived. No cluster is asked, and no file is
    ever replaced. What the run recorded is all that is told: gaps in it come first.

    \b
    Exit code 0: written. 3: written, but the run's record has gaps or contradicts itself, and the page says so.

    \b
    Examples:
      orchestrator report --last
      orchestrator report 20261123T204500Z-3f9a --html takedown.html --evidence 20261123T204500Z-3f9a.evidence.jsonl
      orchestrator report --last --markdown - >> "$GITHUB_STEP_SUMMARY"
    """
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.reporting import latest_run, make_report, write_report

    if (run is None) != last:
        raise click.UsageError("Name either a RUN or --last.")
    name = run or latest_run(state_directory())
    report = make_report(state_directory(), name, settings.path(bundle) if bundle else None)
    if html is None and markdown is None:
        html = Path(f"{name}.report.html")
    for target, content in ((html, report.html), (markdown, report.markdown)):
        if target is None:
            continue
        if str(target) == "-":
            click.echo(content(), nl=False)
        else:
            write_report(settings.path(target), content())
            click.echo(f"wrote {settings.path(target)}", err=True)
    for doubt in report.view.doubts:
        click.echo(f"WARNING: {doubt}", err=True)
    return 0 if report.is_whole else 3
