"""Every error has a cause and a next step."""

from __future__ import annotations

import ast
from pathlib import Path

import orchestrator
from orchestrator import errors

PACKAGE = Path(orchestrator.__file__).parent
WITHOUT = {
    name
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.OrchestratorError) and cls.next_step is None
}
"""Classes that have no next step of their own: each error has to say one."""


def test_every_error_says_what_to_do_next() -> None:
    silent = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in WITHOUT
        if not any(one.arg in ("hint", None) for one in node.keywords)
    ]
    assert silent == []


def test_the_classes_are_those_of_commands_not_of_clusters() -> None:
    """What a cluster answers always has the same next step: to look at what it answers."""
    assert {"OrchestratorError", "UsageError", "RefusedError", "SandboxError"} <= WITHOUT
    assert not {"ClusterError", "Forbidden", "WrongCluster", "DocumentError"} & WITHOUT
