"""The pipelines that docs/ci shows, run as far as they go without their vendor: their scripts, in a real shell."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, TestWorkspace
from tests.package.test_docs import what_is_wrong

EXAMPLES = Path(__file__).parents[2] / "docs" / "ci"
NOT_HERE = ("pip install", "gh pr", "curl ", "umask 077")
"""What only the vendor's machine can do: its packages, its comments, its secrets."""


def documents(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def scripts() -> dict[str, dict[str, str]]:
    """Every script of every example, by file and by what it does."""
    job = documents("github-actions.yaml")["jobs"]["models"]
    github = {step["name"]: step["run"] for step in job["steps"] if "run" in step}
    pipeline = documents("gitlab-ci.yaml")
    gitlab = {name: "\n".join(pipeline[name]["script"]) for name in ("plan", "apply", "verify")}
    gitlab["comment"] = "\n".join(pipeline["plan"]["after_script"])
    gitlab["install"] = "\n".join(pipeline["default"]["before_script"])
    (step,) = documents("tekton.yaml")["spec"]["steps"]
    return {"github-actions": github, "gitlab-ci": gitlab, "tekton": {"any": step["script"]}}


def commands() -> Iterator[tuple[str, str]]:
    for file, steps in scripts().items():
        for name, script in steps.items():
            for line in script.splitlines():
                if line.strip().startswith("orchestrator ") and "$COMMAND" not in line:
                    yield f"{file}: {name}", line.strip().partition(" > ")[0]


def test_every_command_of_every_example_exists_with_its_options() -> None:
    found = list(commands())
    assert len(found) == 6
    assert [(place, text, wrong) for place, text in found if (wrong := what_is_wrong(text))] == []


def test_every_script_is_run_here_or_needs_its_vendor() -> None:
    """A new step that nobody runs would be an example that nobody has tried."""
    ours = {"plan", "apply", "verify", "any"}
    foreign = [text for steps in scripts().values() for name, text in steps.items() if name not in ours]
    assert all(any(word in text for word in NOT_HERE) for text in foreign), foreign


@pytest.mark.parametrize("vendor", ["github-actions", pytest.param("gitlab-ci", marks=pytest.mark.long), "tekton"])
def test_a_playbook_is_planned_applied_and_verified_as_the_example_says(
    control_planes: ControlPlanes, workspace: TestWorkspace, tmp_path: Path, vendor: str
) -> None:
    """A plan as the body of a comment, a result, a report in JUnit; and a red build once somebody scales it by hand."""
    workspace.write_model(replicas=1)
    model = workspace.model
    step = {"name": "everywhere", "enable": {"scope": {"clusters": [control_planes.clusters[0]]}}}
    playbook = {"apiVersion": "orchestrator/v1", "kind": "Playbook", "metadata": {"name": model}}
    workspace.write("playbooks/ci.yaml", {**playbook, "spec": {"models": [model], "steps": [step]}})
    steps, summary = scripts()[vendor], tmp_path / "summary.md"

    def run(name: str) -> subprocess.CompletedProcess[str]:
        script = steps.get(name) or steps["any"]
        return subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=workspace.root,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "KUBECONFIG": str(control_planes.kubeconfig),
                "ORCHESTRATOR_STATE": str(tmp_path / "state"),
                "PLAYBOOK": "playbooks/ci.yaml",
                "COMMAND": name,
                "EXIT_CODE": str(tmp_path / "exit-code"),
                **({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)} if "github" in vendor else {}),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def result() -> Any:
        return json.loads((workspace.root / "result.json").read_text())

    planned = run("plan")
    assert planned.returncode == 0, planned.stderr
    if vendor != "tekton":
        body = (workspace.root / "plan.md").read_text()
        assert body.startswith("### Plan of playbooks/ci.yaml") and "+ create apps/Deployment" in body
    applied = run("apply")
    assert applied.returncode == 0, applied.stderr
    assert result()["outcome"] == "verified"
    control_planes.kubectl(control_planes.clusters[0], "scale", "deployment/server", "--replicas=0", "-n", model)
    checked = run("verify")
    assert checked.returncode in (1, 3), checked.stderr
    assert result()["exitCode"] == checked.returncode
    if vendor == "tekton":
        assert (tmp_path / "exit-code").read_text() == str(checked.returncode)
    else:
        report = ElementTree.parse(workspace.root / "junit.xml").getroot()  # noqa: S314 - our own
        assert int(report.get("failures", "0")) + int(report.get("errors", "0")) == 1
    if "github" in vendor:
        assert "orchestrator apply: verified" in summary.read_text()
        assert "::error title=" in checked.stderr


def test_no_example_names_a_secret_in_a_command() -> None:
    """What stands in a command line can be read by every process of the machine."""
    for steps in scripts().values():
        for text in steps.values():
            assert not [word for word in shlex.split(text, comments=True) if "secrets." in word], text
