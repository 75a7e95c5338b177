"""The root of the command line: finds the commands, and turns every error into one message and one exit code."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import orchestrator
from orchestrator import cli
from orchestrator.cli._settings import Settings
from orchestrator.errors import DocumentError, OrchestratorError, UsageError

SECTIONS = ("Start here", "Fleet", "Models", "Orders", "Reference")
EXIT_CODES = """\
\b
Exit codes, the first that fits:
  2    usage or invalid document; nothing was sent
  4    refused before anything was done: hold, lock, safety rule, conflict
  1    failed
  3    not proven: residue, unreachable, unverified
  5    all proven, but after the order's deadline
  10   plan --exit-code found changes
  0    everything asked is verified, or there was nothing to do
  130  interrupted
"""


def _module_of(command_name: str) -> Any:
    return importlib.import_module(f"orchestrator.cli.{command_name.replace('-', '_')}")


class CommandFolder(click.Group):
    """A group whose commands are the files of `orchestrator/cli`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in alphabetical order."""
        names = (module.name for module in pkgutil.iter_modules(cli.__path__))
        return [name.replace("_", "-") for name in names if not name.startswith("_") and name != "app"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; its file is imported now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = _module_of(cmd_name).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; a misspelt one gets a suggestion."""
        import difflib

        name = args[0] if args else ""
        if name and self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            suggestion = f" Did you mean `{near[0]}`?" if near else " `orchestrator --help` lists them."
            raise click.UsageError(f"There is no command `{name}`.{suggestion}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under the section that each file names."""
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for name in self.list_commands(ctx):
            module = _module_of(name)
            rows[module.SECTION].append((name, module.command.get_short_help_str(limit=80)))
        for section, entries in rows.items():
            if entries:
                with formatter.section(section):
                    formatter.write_dl(entries)


@click.command(
    cls=CommandFolder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option(
    "-C",
    "workspace",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="WORKSPACE",
    help="Folder with fleet.yaml, manifests/ and playbooks/; relative paths are the workspace's.",
)
@click.option("--connect-timeout", metavar="DURATION", default="5s", show_default=True, help="To reach a cluster.")
@click.option("--request-timeout", metavar="DURATION", default="15s", show_default=True, help="For one answer of it.")
@click.version_option(orchestrator.__version__, "--version", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, workspace: Path, connect_timeout: str, request_timeout: str) -> None:
    """Switches AI models on and off across regions, and proves it.

    \b
    Try it, without any cluster of yours:
      orchestrator sandbox up --dir sandbox
      orchestrator -C sandbox status
    """
    ctx.obj = Settings(workspace, connect_timeout, request_timeout)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = root.main(list(arguments), prog_name="orchestrator", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        code = _report(_as_usage_error(error), arguments)
    except OrchestratorError as error:
        code = _report(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        code = report_interruption(arguments)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    if (told := sys.modules.get("orchestrator.cli._audience")) is not None:
        told.close_audiences()
    return code if isinstance(code, int) else 0


def report_interruption(arguments: Sequence[str]) -> int:
    """Say that a command line ended because of a signal, in the form that it asks for; its exit code."""
    words = "`orchestrator runs list` tells what was begun, if anything"
    return _report(_Interrupted("interrupted", hint=words), arguments)


class _Interrupted(OrchestratorError):
    """A signal, or the end of the input where an answer was awaited."""

    exit_code = 130
    code = "interrupted"


def _as_usage_error(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "orchestrator"
    return UsageError(error.format_message(), hint=f"`{command} --help` shows how it is used.")


def _report(error: OrchestratorError, arguments: Sequence[str]) -> int:
    from orchestrator.core.text import printable

    form, hint = _asked_output(arguments), error.hint or error.next_step
    if form in ("json", "yaml"):
        from orchestrator.cli._render import print_document
        from orchestrator.core.result import ErrorDetail, ErrorDocument

        place = (error.file, error.line) if isinstance(error, DocumentError) else (None, None)
        detail = ErrorDetail(code=error.code, message=error.message, file=place[0], line=place[1], hint=hint)
        print_document(ErrorDocument(exit_code=error.exit_code, error=detail), form)
    else:
        _say(f"error: {printable(error, 2000)}")
        if hint:
            _say(f"  next: {printable(hint, 2000)}")
    return error.exit_code


def _say(line: str) -> None:
    """A line on stderr; a terminal's is broken between words."""
    if sys.stderr.isatty() and len(line) > (width := shutil.get_terminal_size().columns):
        from orchestrator.cli._terminal import hanging

        line = hanging(line, width)
    click.echo(line, err=True)


def _asked_output(arguments: Sequence[str]) -> str:
    """The output form, even of a command line that could not be parsed."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word in ("-o", "--output"):
            return after
        if word.startswith(("-ojson", "-oyaml", "--output=")):
            return word.removeprefix("--output=").removeprefix("-o")
    return "table"
