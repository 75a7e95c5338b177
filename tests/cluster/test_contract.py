"""The contract with pipelines: exit codes, one document on stdout, saved plans, interruption.

Every `-o json` in the cluster tests is held against the published schemas by the fixture `orchestrator`; here are the
ends that no other test reaches.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.documents import schemas
from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, check_contract

OURS = "orchestrator-system"


def only(*clusters: str) -> dict[str, Any]:
    return {"scope": {"clusters": list(clusters)}}


def locks(planes: ControlPlanes, cluster: str, model: str) -> list[str]:
    """Names of the Leases that lock the model."""
    found = planes.read(cluster, "leases", "-n", OURS)["items"]
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"].endswith(model)]


def soaked(planes: ControlPlanes, cluster: str, model: str) -> Any:
    """What the cluster has on record of soaks that passed, by playbook and step."""
    return json.loads(planes.read(cluster, "configmap", f"model.{model}", "-n", OURS)["data"]["entry"])["soaked"]


def hold_lock(planes: ControlPlanes, cluster: str, model: str) -> None:
    """As another run would that is under way."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"lock.{model}", "namespace": OURS},
        "spec": {
            "holderIdentity": "ann@laptop pid 4711",
            "leaseDurationSeconds": 30,
            "acquireTime": now,
            "renewTime": now,
        },
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}
    planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump_all([namespace, lease]))


def refusal(done: Finished, code: str) -> Any:
    """The error of what was refused before anything was done."""
    document = done.expect(4).json
    assert (document["kind"], document["exitCode"], document["error"]["code"]) == ("Error", 4, code)
    return document["error"]


def test_a_lock_held_by_somebody_else_is_refused_by_name_and_nothing_is_done_anywhere(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    first, second, _ = control_planes.clusters
    workspace.write_model(replicas=1)
    hold_lock(control_planes, second, workspace.model)
    flags = ("--cluster", first, "--cluster", second)
    try:
        done = orchestrator("enable", workspace.model, *flags, "-o", "json", workspace=workspace.root)
        error = refusal(done, "locked")
    finally:
        control_planes.kubectl(second, "-n", OURS, "delete", "lease", f"lock.{workspace.model}")
    assert "ann@laptop pid 4711" in error["message"]
    assert second in error["message"]
    assert control_planes.read(first, "deployment", "server", "-n", workspace.namespace) is None
    assert locks(control_planes, first, workspace.model) == []


def test_waiting_for_a_lock_goes_on_when_it_is_released(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    hold_lock(control_planes, cluster, workspace.model)
    delete = ("-n", OURS, "delete", "lease", f"lock.{workspace.model}")
    release = threading.Timer(3, lambda: control_planes.kubectl(cluster, *delete))
    release.start()
    done = orchestrator("enable", workspace.model, "--cluster", cluster, "--wait-lock", "60s", workspace=workspace.root)
    release.join()
    done.expect(0)
    assert locks(control_planes, cluster, workspace.model) == []


@pytest.mark.slow
def test_a_safety_rule_refuses_by_name_and_is_overridden_only_with_a_reason(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    fleet["spec"]["safety"] = [{"rule": "minEnabledClusters", "models": [workspace.model], "value": 1}]
    file.write_text(yaml.safe_dump(fleet))
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    off = ("disable", workspace.model, "--cluster", cluster, "-o", "json")

    error = refusal(orchestrator(*off, workspace=workspace.root), "safety")
    assert "minEnabledClusters" in error["message"]
    assert "--override" in error["hint"]
    running = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    assert running["spec"]["replicas"] == 1

    orchestrator(*off, "--override", "minEnabledClusters", workspace=workspace.root).expect(2)
    orchestrator(*off, "--override", "minEnabledClusters=incident 7", workspace=workspace.root).expect(0)


@pytest.mark.slow
def test_another_playbooks_model_is_refused_until_it_is_taken_over(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    ours = workspace.write_playbook({"name": "on", "enable": only(cluster)})
    theirs = workspace.write_playbook({"name": "off", "disable": only(cluster)}, name=f"{workspace.model}-off")
    orchestrator("apply", ours, workspace=workspace.root).expect(0)

    error = refusal(orchestrator("apply", theirs, "-o", "json", workspace=workspace.root), "other-playbook")
    assert f"{workspace.model}-rollout" in error["message"]
    orchestrator("plan", theirs, "-o", "json", workspace=workspace.root).expect(4)
    orchestrator("apply", theirs, "--take-over", workspace=workspace.root).expect(0)
    refusal(orchestrator("apply", ours, "-o", "json", workspace=workspace.root), "other-playbook")


def test_fields_of_another_manager_are_listed_and_taken_only_when_asked_for(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": only(cluster)})
    orchestrator("apply", playbook, workspace=workspace.root).expect(0)
    theirs = workspace.deployment(image="registry.example/server:hotfix")
    command = ("apply", "--server-side", "--force-conflicts", "--field-manager", "hotfixer", "-f", "-")
    control_planes.kubectl(cluster, *command, stdin=json.dumps(theirs))

    error = refusal(orchestrator("apply", playbook, "-o", "json", workspace=workspace.root), "conflict")
    assert "hotfixer" in error["message"]
    assert "--force-conflicts" in error["hint"]
    plan = orchestrator("plan", playbook, "--force-conflicts", workspace=workspace.root).expect(0)
    assert "from hotfixer" in plan.stdout
    orchestrator("apply", playbook, "--force-conflicts", workspace=workspace.root).expect(0)
    live = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/server:1"


def test_a_saved_plan_is_carried_out_as_it_was_reviewed(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """Even when the workspace has changed since."""
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=2)
    playbook = workspace.write_playbook({"name": "on", "enable": only(cluster)})
    orchestrator("plan", playbook, "--save", "plan.json", "--exit-code", workspace=workspace.root).expect(10)
    assert (workspace.root / "plan.json").stat().st_mode & 0o077 == 0
    workspace.write_model(workspace.deployment(image="registry.example/server:9"), replicas=4)
    done = orchestrator("apply", "plan.json", "-o", "json", workspace=workspace.root).expect(0)
    assert done.items()[cluster]["replicas"]["ready"] == 2
    live = control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/server:1"


def test_a_saved_plan_that_was_changed_is_refused(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": only(control_planes.clusters[0])})
    orchestrator("plan", playbook, "--save", "plan.json", workspace=workspace.root).expect(0)
    saved = workspace.root / "plan.json"
    saved.write_text(saved.read_text().replace("registry.example/server:1", "registry.example/server:2"))
    error = orchestrator("apply", "plan.json", "-o", "json", workspace=workspace.root).expect(2).json["error"]
    assert error["message"] == "this plan was changed after it was saved"
    assert error["file"].endswith("plan.json")
    saved.write_text("{}")
    orchestrator("apply", "plan.json", "-o", "json", workspace=workspace.root).expect(2)
    saved.write_text("{")
    orchestrator("apply", "plan.json", "-o", "json", workspace=workspace.root).expect(2)


@pytest.mark.slow
def test_a_stale_plan_never_touches_an_object_that_was_made_anew(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """The plan names the uid that was looked at; the same name may be somebody else's by now."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    workspace.write_model(replicas=1)
    orchestrator("enable", workspace.model, "--cluster", cluster, workspace=workspace.root).expect(0)
    workspace.write_model(workspace.deployment(image="registry.example/server:2"), replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": only(cluster)})
    orchestrator("plan", playbook, "--save", "plan.json", workspace=workspace.root).expect(0)
    control_planes.kubectl(cluster, "-n", namespace, "delete", "deployment", "server", "--wait=true")
    foreign = workspace.deployment(image="registry.example/another:1")
    control_planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(foreign))
    uid = control_planes.read(cluster, "deployment", "server", "-n", namespace)["metadata"]["uid"]

    done = orchestrator("apply", "plan.json", "-o", "json", workspace=workspace.root).expect(1)
    item = done.items()[cluster]
    assert item["verdict"] == "failed"
    assert item["reasons"][0]["code"] == "conflict"
    live = control_planes.read(cluster, "deployment", "server", "-n", namespace)
    assert live["metadata"]["uid"] == uid
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/another:1"


@contextmanager
def running(
    workspace: TestWorkspace, planes: ControlPlanes, home: Path, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    """A command under way; ended with the test, whatever happens."""
    command = [sys.executable, "-m", "orchestrator", "-C", str(workspace.root), *arguments]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "ORCHESTRATOR_STATE": str(home / "state"), "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        # Reading what it says has no time limit of its own.
        limit = threading.Timer(120, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


def until(process: subprocess.Popen[str], words: str) -> None:
    """Until the command says these words on stderr."""
    assert process.stderr is not None
    heard = []
    for line in process.stderr:
        heard.append(line)
        if words in line:
            return
    raise AssertionError("".join(heard))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_soak_is_not_skipped_by_the_next_run(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path, number: signal.Signals
) -> None:
    """130, the locks released, later steps not begun; and only a soak that was waited for is on record."""
    first, second, _ = control_planes.clusters
    workspace.write_model(replicas=1)

    def playbook(soak: str) -> str:
        return workspace.write_playbook(
            {"name": "canary", "enable": only(first), "soak": soak}, {"name": "rest", "enable": only(second)}
        )

    with running(workspace, control_planes, tmp_path, "apply", playbook("10m"), "-o", "json") as process:
        until(process, "soaking")
        assert locks(control_planes, first, workspace.model)
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=60)
    done = Finished(process.returncode, stdout, "").expect(130)
    check_contract(done)
    assert done.json["outcome"] == "interrupted"
    assert done.items()[first]["verdict"] == "unverified"
    assert done.items()[second]["verdict"] == "not_run"
    for cluster in (first, second):
        assert locks(control_planes, cluster, workspace.model) == []
    assert not soaked(control_planes, first, workspace.model)
    assert control_planes.read(second, "deployment", "server", "-n", workspace.namespace) is None

    orchestrator("plan", playbook("3s"), workspace=workspace.root).expect(0)
    started = time.monotonic()
    again = orchestrator("apply", playbook("3s"), "-o", "json", workspace=workspace.root).expect(0)
    assert time.monotonic() - started >= 3
    assert {item["verdict"] for item in again.json["items"]} == {"verified"}
    assert soaked(control_planes, first, workspace.model)

    third = orchestrator("apply", playbook("3s"), "-o", "json", workspace=workspace.root).expect(0)
    assert not any(item["changed"] for item in third.json["items"]), "the soak of this revision is on record"


@pytest.mark.slow
def test_the_schemas_that_are_published_are_those_that_hold(orchestrator: Run) -> None:
    for kind in schemas.PRINTED_KINDS:
        assert orchestrator("schema", kind).expect(0).json == schemas.schema(kind)


@pytest.mark.slow
def test_every_command_that_reports_prints_one_document_of_a_published_kind(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    cluster = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook({"name": "on", "enable": only(cluster)})
    expected = {
        ("plan", playbook): "Plan",
        ("apply", playbook): "RunResult",
        ("status", workspace.model): "Status",
        ("verify", playbook): "Status",
        ("verify", workspace.model, "--expect", "enabled", "--cluster", cluster): "Status",
        ("disable", workspace.model, "--cluster", cluster): "RunResult",
        ("enable", workspace.model, "--cluster", cluster): "RunResult",
    }
    for command, kind in expected.items():
        done = orchestrator(*command, "-o", "json", workspace=workspace.root).expect(0)
        assert done.json["kind"] == kind
    text = orchestrator("status", workspace.model, "-o", "yaml", workspace=workspace.root).stdout
    assert yaml.safe_load(text)["kind"] == "Status"
