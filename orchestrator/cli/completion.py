"""`orchestrator completion`: what a shell needs to complete our commands."""

from __future__ import annotations

import click

SECTION = "Start here"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options, models, playbooks, clusters, regions, orders and runs in SHELL.

    Names come from the workspace and from the runs on this machine; no cluster is asked.

    \b
    Examples:
      source <(orchestrator completion bash)                       # for this shell; in ~/.bashrc for every one
      orchestrator completion zsh > "${fpath[1]}/_orchestrator"
      orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        name = "orchestrator"
        click.echo(kind(ctx.find_root().command, {}, name, f"_{name.upper()}_COMPLETE").source())
