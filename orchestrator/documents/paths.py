"""Paths that documents and people give: they stay inside the workspace, whatever `..` and symbolic links say."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import UsageError


def inside(root: Path, given: Path) -> Path:
    """The real path of what was given, which lies in `root`, itself a real path.

    Relative paths are the root's. Raises UsageError when it leads out of the root, by `..`, a symbolic link or as an
    absolute path, or when it is no path at all.
    """
    try:
        real = (root / given).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a NUL character
        raise UsageError(
            f"{given} is no usable path", hint="name a file by letters, digits, dots and dashes"
        ) from error
    if not real.is_relative_to(root):
        raise UsageError(
            f"{given} leaves the workspace {root}", hint="files lie in the workspace; -C chooses another workspace"
        )
    return real


def shown_in(root: Path, path: Path) -> str:
    """A path as messages name it: relative to the root where it lies in it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
