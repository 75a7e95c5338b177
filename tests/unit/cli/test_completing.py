"""A shell is offered what workspace and machine know, without an error, a cluster, or anything it would run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from orchestrator.cli import _completing

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` writes, with a cluster, a run, and names that nobody should be offered."""
    home = tmp_path_factory.mktemp("completing")
    root = home / "workspace"
    subprocess.run(
        [sys.executable, "-m", "orchestrator", "init", str(root)], check=True, capture_output=True, timeout=60, cwd=ROOT
    )
    (root / "fleet.yaml").write_text(
        "apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {name: f}\nspec:\n  clusters:\n"
        "    - {name: eu-west-1a, region: eu-west, context: nowhere}\n"
    )
    for name in ("$(reboot)", "-rf", "a b"):
        (root / "manifests" / name).mkdir()
        (root / "manifests" / name / "model.yaml").touch()
    (home / "state" / "runs" / "20261123T204500Z-3f9a").mkdir(parents=True)
    return root


def offered(workspace: Path, *words: str) -> list[str]:
    """What bash would be told for the last word."""
    line = ["orchestrator", "-C", str(workspace), *words]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator"],
        env={
            "_ORCHESTRATOR_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(line),
            "COMP_CWORD": str(len(line) - 1),
            "ORCHESTRATOR_STATE": str(workspace.parent / "state"),
            "PATH": "/usr/bin:/bin",
            "HOME": str(workspace.parent),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stat"], ["status"]),
        (["status", "f"], ["fable-5"]),
        (["status", "--region", "eu"], ["eu-west"]),
        (["enable", "fable-5", "--cluster", "eu"], ["eu-west-1a"]),
        (["apply", "playbooks/fable-5-roll"], ["playbooks/fable-5-rollout.yaml"]),
        (["takedown", "--order", "play"], ["playbooks/orders/directive-2026-06-12.yaml"]),
        (["orders", "show", "dir"], ["directive-2026-06-12"]),
        (["evidence", "export", "2026"], ["20261123T204500Z-3f9a"]),
    ],
)
def test_names_are_completed(workspace: Path, words: list[str], expected: list[str]) -> None:
    assert offered(workspace, *words) == expected


def test_nothing_is_offered_that_a_shell_would_run_or_take_for_an_option(workspace: Path) -> None:
    context = click.Context(click.Command("orchestrator"))
    context.params["workspace"] = workspace
    assert _completing.models(context, click.Argument(["models"]), "") == ["fable-5", "mythos-5"]


def test_a_broken_workspace_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("{")
    assert offered(tmp_path, "status", "--cluster", "e") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "completion", shell],
        check=True, capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert "_ORCHESTRATOR_COMPLETE" in done.stdout
