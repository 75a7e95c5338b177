"""Takedowns, holds and aborted runs: cut off by `kill -9`, gone on with, ended for good; and disks that refuse."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, check_contract
from tests.cluster.test_contract import OURS, locks
from tests.cluster.test_failing_rollouts import OLD, live
from tests.cluster.test_runs import cut_off, entries, runs

__all__ = ["cut_off"]


@pytest.fixture
def cluster(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[str]:
    """The only cluster of the fleet, with the model on; with the test, what concerns the whole cluster is removed."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    fleet["spec"]["clusters"] = fleet["spec"]["clusters"][:1]
    file.write_text(yaml.safe_dump(fleet))
    workspace.write_model(replicas=2)
    orchestrator("enable", workspace.model, "--all", workspace=workspace.root).expect(0)
    name: str = fleet["spec"]["clusters"][0]["name"]
    yield name
    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    for one in control_planes.read(name, policies, "-l", "orchestrator.dev/order")["items"]:
        if workspace.model in one["metadata"]["name"]:
            control_planes.kubectl(name, "delete", one["kind"], one["metadata"]["name"], check=False)


def write_order(workspace: TestWorkspace) -> str:
    """An order on the model, for everyone; returns its path in the workspace."""
    document = {
        "apiVersion": "orchestrator/v1",
        "kind": "Order",
        "metadata": {"name": f"{workspace.model}-directive"},
        "spec": {
            "authority": "Bureau of Examples",
            "reference": "EX-2026-0612",
            "models": [workspace.model],
            "about": {"everyone": True},
        },
    }
    workspace.write("playbooks/orders/directive.yaml", document)
    return "playbooks/orders/directive.yaml"


def takedown(workspace: TestWorkspace, order: str) -> tuple[str, ...]:
    return ("takedown", "--order", order, "--confirm", workspace.model, "--rehearse", "--soak", "1s")


@pytest.mark.slow
def test_a_takedown_that_was_killed_goes_on_without_being_confirmed_again(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    orchestrator: Run,
    cut_off: Any,
    cluster: str,
    tmp_path: Path,
) -> None:
    """With its order file gone it says so, and what the cluster keeps stands."""
    order = write_order(workspace)
    run = cut_off({"type": "sending", "text": f"apps/Deployment {workspace.namespace}"}, *takedown(workspace, order))
    found = entries(orchestrator)[run]
    assert (found["state"], found["action"], found["name"]) == ("died", "takedown", f"{workspace.model}-directive")

    file = workspace.root / order
    kept = file.read_text()
    file.unlink()
    error = orchestrator("runs", "resume", run, "-o", "json").expect(4).json["error"]
    assert error["code"] == "order-gone"
    file.write_text(kept.replace("0612", "0613"))
    assert orchestrator("runs", "resume", run, "-o", "json").expect(4).json["error"]["code"] == "order-gone"
    file.rename(file.with_name("moved.yaml"))
    file.with_name("moved.yaml").write_text(kept)

    done = orchestrator("runs", "resume", run, "-o", "json").expect(0)
    assert done.json["action"] == "takedown"
    assert done.items()[cluster]["guard"] == "proven"
    assert locks(control_planes, cluster, workspace.model) == []
    deployment = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    assert deployment["spec"]["replicas"] == 0

    back = (
        "restore",
        "--order",
        "playbooks/orders/moved.yaml",
        "--confirm",
        workspace.model,
        "--lift-reference",
        "X-1",
    )
    cut = cut_off({"type": "sending", "text": f"apps/Deployment {workspace.namespace}"}, *back)
    orchestrator("runs", "resume", cut, "-o", "json").expect(0)
    assert live(control_planes, cluster, workspace) == (OLD, 2, 2)
    assert len(runs(tmp_path)) == 5, "one to enable, and two each that were killed and gone on with"


@pytest.mark.long
def test_an_operators_hold_that_was_killed_goes_on_under_its_own_name(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    orchestrator: Run,
    cut_off: Any,
    cluster: str,
) -> None:
    """Never as a second hold beside the first, which nobody would lift."""
    run = cut_off(
        {"type": "sending", "text": "ValidatingAdmissionPolicyBinding"},
        "disable", workspace.model, "--all", "--hold", "incident 17", "--soak", "1s",
    )  # fmt: skip
    done = orchestrator("runs", "resume", run, "-o", "json").expect(0)
    standing = orchestrator("hold", "list", "-o", "json", workspace=workspace.root).json["holds"]
    ours = [hold["name"] for hold in standing if hold["model"] == workspace.model]
    assert ours == done.items()[cluster]["holds"]
    assert len(ours) == 1

    lift = ("hold", "lift", ours[0], "--confirm", ours[0], "--reason", "over")
    cut = cut_off({"type": "sending", "text": f"apps/Deployment {workspace.namespace}"}, *lift)
    orchestrator("runs", "resume", cut, "-o", "json").expect(0)
    assert live(control_planes, cluster, workspace) == (OLD, 2, 2)


def test_an_aborted_run_leaves_no_lock_of_its_own_and_everything_else_as_it_is(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any, cluster: str
) -> None:
    """It says what it left and how to go on; it is not gone on with any more."""
    workspace.write_model(workspace.deployment(image="registry.example/server:2"), replicas=3)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
    run = cut_off({"type": "answered", "text": f"Deployment {workspace.namespace}/server"}, "apply", playbook)
    before = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)["metadata"]["generation"]
    assert locks(control_planes, cluster, workspace.model)

    done = orchestrator("runs", "abort", run[-4:], "-o", "json").expect(0).json
    assert done["released"] == [f"{workspace.model} in {cluster}"]
    (left,) = done["left"]
    assert (left["model"], left["cluster"], left["verdict"]) == (workspace.model, cluster, None)
    assert f"apply apps/Deployment {workspace.namespace}/server" in left["sent"]
    assert left["state"] in ("enabled", "mixed")
    assert any("apply" in step for step in done["next"])
    assert locks(control_planes, cluster, workspace.model) == []
    after = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)["metadata"]["generation"]
    assert after == before
    assert entries(orchestrator)[run]["state"] == "aborted"
    assert orchestrator("runs", "resume", run, "-o", "json").expect(4).json["error"]["code"] == "aborted"
    assert orchestrator("runs", "abort", run, "-o", "json").expect(4).json["error"]["code"] == "aborted"
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)


@pytest.mark.long
def test_an_abort_leaves_the_lock_of_whoever_took_it_over(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, cut_off: Any, cluster: str
) -> None:
    workspace.write_model(replicas=3)
    run = cut_off({"type": "locked"}, "enable", workspace.model, "--all")
    patch = '{"spec": {"holderIdentity": "ann@laptop pid 4711 run R"}}'
    control_planes.kubectl(cluster, "-n", OURS, "patch", "lease", f"lock.{workspace.model}", "-p", patch)
    try:
        assert orchestrator("runs", "abort", run, "-o", "json").expect(0).json["released"] == []
        assert locks(control_planes, cluster, workspace.model) == [f"lock.{workspace.model}"]
    finally:
        control_planes.kubectl(cluster, "-n", OURS, "delete", "lease", f"lock.{workspace.model}")


def on_refusing_disk(
    planes: ControlPlanes, workspace: TestWorkspace, home: Path, disk: tuple[str, int | None], *arguments: str
) -> Finished:
    """The command with its state there, where no file may grow beyond so many bytes, as on a full disk."""
    state, limit = disk

    def refuse() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "-C", str(workspace.root), *arguments, "-o", "json"],
        env={
            "HOME": str(home),
            "ORCHESTRATOR_STATE": str(home / state),
            "KUBECONFIG": str(planes.kubeconfig),
            "NO_COLOR": "1",
        },
        preexec_fn=refuse,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "disk",
    [
        pytest.param(("small", 6000), id="a disk that fills up"),
        pytest.param(("/dev/null/state", None), id="no folder", marks=pytest.mark.long),
    ],
)
def test_a_disk_that_refuses_stops_no_takedown_and_costs_its_evidence(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    cluster: str,
    tmp_path: Path,
    disk: tuple[str, int | None],
) -> None:
    """Everything is taken down and proven; exit 3, because what happened is not all on record."""
    order = write_order(workspace)
    done = on_refusing_disk(control_planes, workspace, tmp_path, disk, *takedown(workspace, order)).expect(3)
    check_contract(done)
    assert done.json["error"]["code"] == "evidence-incomplete"
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert done.items()[cluster]["guard"] == "proven"
    deployment = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    assert deployment["spec"]["replicas"] == 0
