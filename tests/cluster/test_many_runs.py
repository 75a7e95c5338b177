"""Two hundred command lines in one process leave no task, socket, thread or child behind, and little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, TestWorkspace

ROOT = Path(__file__).parents[2]
MOST_KILOBYTES = 48 * 1024
"""What two hundred runs may add: the allocator's own slack, and no more than a quarter of a megabyte each."""


def commands(planes: ControlPlanes, workspace: TestWorkspace, failing: Path) -> list[list[str]]:
    """A round: on, looked at, off, and planned, in one region; an order planned; and a fleet that cannot be reached."""
    here, model = ["-C", str(workspace.root)], workspace.model
    one = ["--cluster", planes.clusters[0]]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
    order = {
        "apiVersion": "orchestrator/v1",
        "kind": "Order",
        "metadata": {"name": f"{model}-order"},
        "spec": {"authority": "A", "reference": "R", "models": [model], "about": {"everyone": True}},
    }
    workspace.write("playbooks/orders/order.yaml", order)
    return [
        [*here, "enable", model, *one, "--soak", "0s", "-o", "json"],
        [*here, "status", "-o", "json", model],
        [*here, "disable", model, *one, "--soak", "0s", "-o", "json"],
        [*here, "plan", playbook, "-o", "json"],
        [*here, "plan", "--order", "playbooks/orders/order.yaml", "--rehearse"],
        ["-C", str(failing), "status", "-o", "json"],
    ]


def write_failing(folder: Path) -> Path:
    """A fleet of one cluster that refuses connections, and one whose credential plugin fails."""
    entries: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "refusing": ({"server": "https://127.0.0.1:1"}, {"token": "t"}),
        "failing": (
            {"server": "https://127.0.0.1:1"},
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}},
        ),
    }
    folder.mkdir()
    config = {
        "clusters": [{"name": name, "cluster": cluster} for name, (cluster, _) in entries.items()],
        "users": [{"name": name, "user": user} for name, (_, user) in entries.items()],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in entries],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    fleet = {
        "apiVersion": "orchestrator/v1",
        "kind": "Fleet",
        "metadata": {"name": "failing"},
        "spec": {
            "kubeconfig": str(folder / "kubeconfig"),
            "clusters": [{"name": name, "region": "r", "context": name} for name in entries],
        },
    }
    (folder / "fleet.yaml").write_text(yaml.safe_dump(fleet))
    model = folder / "manifests" / "fable-5" / "model.yaml"
    model.parent.mkdir(parents=True)
    spec = {"adopt": {"selector": {"app": "fable"}}}
    document = {"apiVersion": "orchestrator/v1", "kind": "Model", "metadata": {"name": "fable-5"}, "spec": spec}
    model.write_text(yaml.safe_dump(document))
    return folder


def perform(planes: ControlPlanes, workspace: TestWorkspace, home: Path, *, count: int) -> dict[str, Any]:
    wanted = {"commands": commands(planes, workspace, write_failing(home / "failing")), "count": count, "warmUp": 6}
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "ORCHESTRATOR_STATE": str(home / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.cluster.many_runs", json.dumps(wanted)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60 + 20 * (count + 6),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def check_nothing_left(report: dict[str, Any], count: int) -> None:
    assert report["complaints"] == []
    assert report["tasks"] == []
    assert report["loops"] >= count
    before, after = report["before"], report["after"]
    assert (after["files"], after["threads"], after["children"]) == (before["files"], before["threads"], 0)
    # Each kind of command did what it is there for: the fleet that cannot be reached is never a success.
    assert {code for codes in report["codes"].values() for code in codes} == {0, 3}
    assert len(report["codes"]) >= 4


@pytest.mark.slow
def test_a_dozen_runs_in_one_process_leave_nothing_behind(
    control_planes: ControlPlanes, workspace: TestWorkspace, tmp_path: Path
) -> None:
    check_nothing_left(perform(control_planes, workspace, tmp_path, count=12), 12)


@pytest.mark.long
def test_two_hundred_runs_in_one_process_leave_nothing_behind(
    control_planes: ControlPlanes, workspace: TestWorkspace, tmp_path: Path
) -> None:
    report = perform(control_planes, workspace, tmp_path, count=200)
    check_nothing_left(report, 200)
    assert report["after"]["kilobytes"] - report["before"]["kilobytes"] < MOST_KILOBYTES
