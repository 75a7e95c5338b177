"""Rollouts whose pods are doomed: they end early, go no further, and every region returns to what it was."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace

OLD, NEW = "registry.example/server:1", "registry.example/server:2"
FAIL = "sandbox.orchestrator.dev/fail"
PATIENCE = {"progressDeadline": "5m"}
"""Far longer than any of these tests may take: a doomed rollout must not wait for it."""
DOOMED = {
    "crash-loop": {"pod_annotations": {FAIL: "crash-loop"}},
    "image-not-found": {"pod_annotations": {FAIL: "image-not-found"}},
    "config-error": {"pod_annotations": {FAIL: "config-error"}},
    "too-large": {"requests": {"cpu": "96"}},
}
WORDS = {
    "crash-loop": "crashes again and again",
    "image-not-found": "image registry.example/server:1 is not found",
    "config-error": 'configmap "settings" not found',
    "too-large": "cpu",
}


def only(*clusters: str) -> dict[str, Any]:
    return {"scope": {"clusters": list(clusters)}}


def crashing_in(*clusters: str) -> list[dict[str, Any]]:
    """Overrides by which the pods of these clusters crash."""
    template = {"metadata": {"annotations": {FAIL: "crash-loop"}}}
    patch = {"target": {"kind": "Deployment"}, "patch": {"spec": {"template": template}}}
    return [{"scope": {"clusters": list(clusters)}, "patches": [patch]}]


def live(planes: ControlPlanes, cluster: str, workspace: TestWorkspace) -> tuple[str, int, int] | None:
    """Image, wanted and ready replicas of the Deployment; None where there is none."""
    found = planes.read(cluster, "deployment", "server", "-n", workspace.namespace)
    if found is None:
        return None
    image = found["spec"]["template"]["spec"]["containers"][0]["image"]
    return image, found["spec"]["replicas"], found["status"].get("readyReplicas", 0)


def record(planes: ControlPlanes, cluster: str, workspace: TestWorkspace) -> Any:
    """What the cluster's own catalogue says of the model; None where it knows nothing of it."""
    found = planes.read(cluster, "configmap", f"model.{workspace.model}", "-n", "orchestrator-system")
    return found and found["data"]


def words(done: Finished, cluster: str) -> str:
    """Every reason of a cluster's item, in one text."""
    return "; ".join(f"{reason['code']}: {reason['message']}" for reason in done.items()[cluster]["reasons"])


def test_rollback_run_brings_every_region_back_and_later_waves_are_never_touched(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """The first wave succeeded before the second one's pods crashed; the third never had anything."""
    good, bad, later = control_planes.clusters
    workspace.write_model(replicas=3)
    first = workspace.write_playbook({"name": "on", "enable": only(good, bad)})
    orchestrator("apply", first, "-o", "json", workspace=workspace.root).expect(0)
    before = {cluster: record(control_planes, cluster, workspace) for cluster in (good, bad)}
    revision = orchestrator("status", workspace.model, "-o", "json", workspace=workspace.root).items()[good]["revision"]

    workspace.write_model(workspace.deployment(image=NEW), replicas=2, overrides=crashing_in(bad))
    release = workspace.write_playbook(
        {"name": "good", "enable": only(good), "soak": "1s", "strategy": PATIENCE},
        {"name": "bad", "enable": only(bad), "strategy": PATIENCE},
        {"name": "later", "enable": only(later), "strategy": PATIENCE},
        onFailure="rollback-run",
    )
    started = time.monotonic()
    done = orchestrator("apply", release, "-o", "json", workspace=workspace.root).expect(1)
    assert time.monotonic() - started < 120

    verdicts = {cluster: item["verdict"] for cluster, item in done.items().items()}
    assert verdicts == {good: "failed", bad: "failed", later: "not_run"}
    assert "crashes again and again" in words(done, bad)
    for cluster in (good, bad):
        assert f"rolled back to revision {revision}, verified" in words(done, cluster)
        assert live(control_planes, cluster, workspace) == (OLD, 3, 3)
        assert record(control_planes, cluster, workspace) == before[cluster]
    assert live(control_planes, later, workspace) is None
    assert record(control_planes, later, workspace) is None
    assert "step bad failed" in words(done, later)
    orchestrator("verify", workspace.model, "--expect", "enabled", "--cluster", later, workspace=workspace.root).expect(
        3
    )


@pytest.mark.parametrize("why", DOOMED)
def test_a_first_deploy_whose_pods_are_doomed_ends_early_and_leaves_nothing(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, why: str
) -> None:
    cluster = control_planes.clusters[0]
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": workspace.namespace},
        "data": {"tools": "on"},
    }
    workspace.write_model(config, workspace.deployment(**DOOMED[why]), replicas=2)
    playbook = workspace.write_playbook(
        {"name": "first", "enable": only(cluster), "strategy": PATIENCE}, onFailure="rollback-wave"
    )
    started = time.monotonic()
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(1)
    assert time.monotonic() - started < 120

    item = done.items()[cluster]
    assert (item["verdict"], item["state"]) == ("failed", "disabled")
    assert WORDS[why] in words(done, cluster)
    assert "rolled-back" in words(done, cluster)
    left = control_planes.read(cluster, "deployments,replicasets,pods,configmaps", "-n", workspace.namespace)
    assert [one["metadata"]["name"] for one in left["items"]] == ["kube-root-ca.crt"]
    assert record(control_planes, cluster, workspace) is None


@pytest.mark.slow
def test_a_region_that_the_playbook_switched_off_is_not_switched_on_by_a_rollback(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """And one that was off before the run is off again after it."""
    on, off, _ = control_planes.clusters
    workspace.write_model(replicas=2)
    orchestrator("enable", workspace.model, "--cluster", on, "--cluster", off, workspace=workspace.root).expect(0)
    orchestrator("disable", workspace.model, "--cluster", off, workspace=workspace.root).expect(0)

    workspace.write_model(replicas=2, overrides=crashing_in(off))
    swap = workspace.write_playbook(
        {"name": "off-here", "disable": only(on), "soak": "0s"},
        {"name": "on-there", "enable": only(off), "strategy": PATIENCE},
        onFailure="rollback-run",
    )
    done = orchestrator("apply", swap, "-o", "json", workspace=workspace.root).expect(1)

    items = done.items()
    assert (items[on]["want"], items[on]["verdict"], items[on]["state"]) == ("disabled", "verified", "disabled")
    assert (items[off]["verdict"], items[off]["state"]) == ("failed", "disabled")
    assert "rolled-back" in words(done, off)
    for cluster in (on, off):
        assert live(control_planes, cluster, workspace) == (OLD, 0, 0)
    status = orchestrator("status", workspace.model, "-o", "json", workspace=workspace.root).expect(0)
    assert {item["state"] for item in status.items().values()} == {"disabled"}


def test_stop_leaves_the_failed_region_for_its_operator_and_touches_no_later_one(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """Pods that never become ready are not doomed: they get the whole progressDeadline."""
    bad, later, _ = control_planes.clusters
    workspace.write_model(workspace.deployment(pod_annotations={FAIL: "never-ready"}), replicas=1)
    playbook = workspace.write_playbook(
        {"name": "bad", "enable": only(bad), "strategy": {"progressDeadline": "4s"}},
        {"name": "later", "enable": only(later)},
    )
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(1)
    assert (done.items()[bad]["verdict"], done.items()[later]["verdict"]) == ("failed", "not_run")
    assert "not settled within 4 s" in words(done, bad)
    assert live(control_planes, bad, workspace) == (OLD, 1, 0)
    assert live(control_planes, later, workspace) is None


def test_continue_goes_on_to_the_next_step_and_still_fails(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    bad, later, _ = control_planes.clusters
    workspace.write_model(replicas=1, overrides=crashing_in(bad))
    playbook = workspace.write_playbook(
        {"name": "bad", "enable": only(bad), "strategy": PATIENCE},
        {"name": "later", "enable": only(later)},
        onFailure="continue",
    )
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(1)
    assert (done.items()[bad]["verdict"], done.items()[later]["verdict"]) == ("failed", "verified")
    assert live(control_planes, later, workspace) == (OLD, 1, 1)


def test_a_step_with_tolerance_lets_one_cluster_fail_and_goes_on(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    bad, good, later = control_planes.clusters
    workspace.write_model(replicas=1, overrides=crashing_in(bad))
    playbook = workspace.write_playbook(
        {"name": "two", "enable": only(bad, good), "strategy": {**PATIENCE, "maxConcurrent": 1, "maxFailures": 1}},
        {"name": "later", "enable": only(later)},
        onFailure="rollback-run",
    )
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(1)
    verdicts = {cluster: item["verdict"] for cluster, item in done.items().items()}
    assert verdicts == {bad: "failed", good: "verified", later: "verified"}
