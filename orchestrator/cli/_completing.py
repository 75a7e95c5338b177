"""What a shell offers while somebody types: names from the workspace and the state folder, never from a cluster.

It refuses to say anything about a workspace that is broken: a shell has no place for errors, the command itself has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from orchestrator.core.fleet import Fleet

Complete = Callable[[click.Context, click.Parameter, str], list[str]]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
"""What is offered is typed into a shell: nothing that a shell would read as more than a word."""


def _offered(find: Callable[[Path], Iterable[str]]) -> Complete:
    """Offer the words that `find` finds in the workspace and that begin as what was typed."""

    @wraps(find)
    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        workspace = ctx.find_root().params.get("workspace") or Path()
        try:
            words = sorted(set(find(Path(workspace))))
        except Exception:
            return []
        return [word for word in words if word.startswith(incomplete) and _NAME.fullmatch(word)]

    return complete


@_offered
def models(workspace: Path) -> Iterable[str]:
    """Models of the workspace: folders with a `model.yaml`."""
    return (path.parent.name for path in (workspace / "manifests").glob("*/model.yaml"))


@_offered
def playbooks(workspace: Path) -> Iterable[str]:
    """Playbooks, as paths of the workspace."""
    return _paths(workspace, "playbooks/*.yaml")


@_offered
def orders(workspace: Path) -> Iterable[str]:
    """Order files, as paths of the workspace."""
    return _paths(workspace, "playbooks/orders/*.yaml")


@_offered
def order_names(workspace: Path) -> Iterable[str]:
    """Orders of the workspace, by the names of their files, which are theirs by custom."""
    return (path.stem for path in (workspace / "playbooks" / "orders").glob("*.yaml"))


@_offered
def clusters(workspace: Path) -> Iterable[str]:
    """Clusters of the fleet."""
    return (cluster.name for cluster in _fleet(workspace).clusters)


@_offered
def regions(workspace: Path) -> Iterable[str]:
    """Regions of the fleet."""
    return (cluster.region for cluster in _fleet(workspace).clusters)


@_offered
def runs(workspace: Path) -> Iterable[str]:
    """Runs that this machine keeps."""
    from orchestrator.cli._settings import state_directory

    return (path.name for path in (state_directory() / "runs").iterdir() if path.is_dir())


def _paths(workspace: Path, pattern: str) -> Iterable[str]:
    return (path.relative_to(workspace).as_posix() for path in workspace.glob(pattern))


def _fleet(workspace: Path) -> Fleet:
    from orchestrator.workflow.session import load_workspace

    return load_workspace(workspace).fleet
