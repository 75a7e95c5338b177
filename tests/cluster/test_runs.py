"""Runs that were cut off, by `kill -9` on the real command line, and how they go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.test_contract import OURS, locks, running, until
from tests.cluster.test_failing_rollouts import NEW, OLD, crashing_in, live, only, record, words

PATIENCE = {"progressDeadline": "5m"}


@pytest.fixture
def cut_off(control_planes: ControlPlanes, workspace: TestWorkspace, tmp_path: Path) -> Any:
    """Runs a command until one record is written, and kills it there; returns the identity of its run."""

    def run(where: dict[str, Any], *arguments: str) -> str:
        before = set(runs(tmp_path))
        done = subprocess.run(
            [sys.executable, "-m", "tests.cluster.cut_off", "-C", str(workspace.root), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "ORCHESTRATOR_STATE": str(tmp_path / "state"),
                "KUBECONFIG": str(control_planes.kubeconfig),
                "CUT_OFF": json.dumps(where),
                "NO_COLOR": "1",
            },
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, (
            f"it was not cut off: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        (found,) = set(runs(tmp_path)) - before
        return found

    return run


def runs(home: Path) -> list[str]:
    """Identities of the runs that are kept."""
    folder = home / "state" / "runs"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def entries(orchestrator: Run) -> dict[str, Any]:
    """What `runs list` says, by run."""
    return {run["run"]: run for run in orchestrator("runs", "list", "-o", "json").expect(0).json["runs"]}


def staged(workspace: TestWorkspace, first: str, second: str, **spec: Any) -> str:
    return workspace.write_playbook(
        {"name": "first", "enable": only(first), "soak": "1s", "strategy": PATIENCE},
        {"name": "second", "enable": only(second), "strategy": PATIENCE},
        **spec,
    )


def test_a_rollout_that_was_killed_goes_on_at_once_and_ends_as_if_nothing_had_happened(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any, tmp_path: Path
) -> None:
    """The dead run's lock is not waited for, however fresh it looks; the chain is shown; nothing is done twice."""
    first, second, _ = control_planes.clusters
    workspace.write_model(replicas=2)
    playbook = staged(workspace, first, second)
    run = cut_off({"type": "answered", "cluster": first, "text": "Deployment"}, "apply", playbook)
    assert locks(control_planes, first, workspace.model), "the lock of the dead run is there"
    endless = json.dumps({"spec": {"leaseDurationSeconds": 86400}})
    control_planes.kubectl(first, "-n", OURS, "patch", "lease", f"lock.{workspace.model}", "-p", endless)
    dead = entries(orchestrator)[run]
    assert (dead["state"], dead["outcome"], dead["action"]) == ("died", None, "apply")
    shown = orchestrator("runs", "show", run[-4:]).expect(0)
    assert "create apps/Deployment" in shown.stdout
    assert f"runs resume {run}" in shown.stdout

    done = orchestrator("runs", "resume", run, "-o", "json").expect(0)
    assert done.json["kind"] == "RunResult"
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    for cluster in (first, second):
        assert live(control_planes, cluster, workspace) == (OLD, 2, 2)
        assert locks(control_planes, cluster, workspace.model) == []
    found = entries(orchestrator)
    assert found[run]["continuedBy"] == done.json["run"]
    assert found[done.json["run"]]["continues"] == run
    assert list(found) == [done.json["run"], run], "the newest first"

    kept = runs(tmp_path)
    again = orchestrator("runs", "resume", run, "-o", "json").expect(0)
    assert again.json["run"] == done.json["run"]
    assert "nothing is left to do" in again.stderr
    assert runs(tmp_path) == kept


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"type": "waveStarted", "nth": 2}, id="before the failure"),
        pytest.param({"type": "rollingBack"}, id="when it is decided", marks=pytest.mark.long),
        pytest.param({"type": "rollingBack", "nth": 3}, id="of the second region"),
        pytest.param({"type": "runEnded"}, id="at its very end", marks=pytest.mark.long),
    ],
)
def test_a_rollback_leads_to_what_was_there_before_the_run_that_was_killed(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any, where: dict[str, Any]
) -> None:
    """Wherever it was killed; never to what the killed run itself had made of it."""
    good, bad, later = control_planes.clusters
    workspace.write_model(replicas=3)
    orchestrator(
        "apply", workspace.write_playbook({"name": "on", "enable": only(good, bad)}), workspace=workspace.root
    ).expect(0)
    before = {cluster: record(control_planes, cluster, workspace) for cluster in (good, bad)}
    workspace.write_model(workspace.deployment(image=NEW), replicas=2, overrides=crashing_in(bad))
    release = workspace.write_playbook(
        {"name": "good", "enable": only(good), "strategy": PATIENCE},
        {"name": "bad", "enable": only(bad), "strategy": PATIENCE},
        {"name": "later", "enable": only(later), "strategy": PATIENCE},
        onFailure="rollback-run",
    )
    run = cut_off(where, "apply", release)

    done = orchestrator("runs", "resume", run, "-o", "json").expect(1)
    verdicts = {cluster: item["verdict"] for cluster, item in done.items().items()}
    assert verdicts == {good: "failed", bad: "failed", later: "not_run"}
    for cluster in (good, bad):
        assert "verified" in words(done, cluster)
        assert live(control_planes, cluster, workspace) == (OLD, 3, 3)
        assert record(control_planes, cluster, workspace) == before[cluster]
        assert locks(control_planes, cluster, workspace.model) == []
    assert live(control_planes, later, workspace) is None
    refused = orchestrator("runs", "resume", run, "-o", "json").expect(4).json["error"]
    assert refused["code"] == "rolled-back"


def test_a_run_is_not_gone_on_with_from_other_documents(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any
) -> None:
    first, second, _ = control_planes.clusters
    workspace.write_model(replicas=1)
    run = cut_off({"type": "waveStarted", "nth": 2}, "apply", staged(workspace, first, second))
    workspace.write_model(workspace.deployment(image=NEW), replicas=1)
    error = orchestrator("runs", "resume", run, "-o", "json").expect(4).json["error"]
    assert error["code"] == "documents-changed"
    assert "apply" in error["hint"]
    assert live(control_planes, first, workspace) == (OLD, 1, 1)
    assert live(control_planes, second, workspace) is None
    workspace.write_model(replicas=1)
    orchestrator("runs", "resume", run).expect(0)


def test_an_interrupted_run_says_by_which_command_it_goes_on_and_that_command_does(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> None:
    """While it lives it is refused; a soak that was cut short is repeated, and may be interrupted as well."""
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "canary", "enable": only(cluster), "soak": "10m"})
    with running(workspace, control_planes, tmp_path, "apply", playbook) as process:
        until(process, "soaking")
        error = orchestrator("runs", "resume", "--last", "-o", "json").expect(4).json["error"]
        assert (error["code"], str(process.pid) in error["message"]) == ("running", True)
        first = interrupted(process)
    (run,) = runs(tmp_path)
    assert entries(orchestrator)[run]["state"] == "interrupted"
    assert first == ["orchestrator", "-C", str(workspace.root), "runs", "resume", run]

    with running(workspace, control_planes, tmp_path, *first[3:]) as process:
        until(process, "soaking")
        second = interrupted(process)
    _, newer = sorted(runs(tmp_path), key=lambda name: entries(orchestrator)[name]["started"])
    assert second == [*first[:-1], newer]
    assert entries(orchestrator)[newer]["continues"] == run
    assert locks(control_planes, cluster, workspace.model) == []


def interrupted(process: subprocess.Popen[str]) -> list[str]:
    """Interrupt a run; the command by which, it says, it goes on."""
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    return shlex.split(stderr.partition("next: `")[2].partition("`")[0])


@pytest.mark.long
def test_a_saved_plan_goes_on_as_it_was_reviewed(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any
) -> None:
    """Even when the workspace has changed since; what the killed run wrote is not taken for another's."""
    first, second, _ = control_planes.clusters
    workspace.write_model(replicas=2)
    orchestrator("plan", staged(workspace, first, second), "--save", "plan.json", workspace=workspace.root).expect(0)
    run = cut_off({"type": "answered", "cluster": first, "text": "Deployment"}, "apply", "plan.json")
    workspace.write_model(workspace.deployment(image=NEW), replicas=4)
    done: Finished = orchestrator("runs", "resume", run, "-o", "json").expect(0)
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    for cluster in (first, second):
        assert live(control_planes, cluster, workspace) == (OLD, 2, 2)
