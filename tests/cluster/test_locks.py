"""Who may work on a model, between real processes of the command line (the locks alone: execution/test_locks.py)."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.desk import Desk, desk_of, heard, prepare
from tests.cluster.timeline import Darkness, Timeline

EVERYWHERE = {"name": "everywhere", "enable": {"scope": {"all": True}}}


@pytest.fixture
def desk(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path) -> Iterator[Desk]:
    with desk_of(control_planes, workspace, orchestrator, tmp_path) as made:
        yield made


def test_the_second_apply_is_refused_and_told_who_works_on_it_since_when(desk: Desk) -> None:
    """Exit 4, in words by which the first one is found; once that has ended the way is free."""
    prepare(desk, "apply")
    desk.scene.workspace.write_playbook({**EVERYWHERE, "soak": "10m"}, name="on")
    with desk.start("apply", "playbooks/on.yaml", "-o", "json") as first:
        heard(first, "soaking")
        (holder,) = set(desk.holders())
        refused = desk.scene.orchestrator("apply", "playbooks/on.yaml", "-o", "json").expect(4).json["error"]
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=90)
    assert refused["code"] == "locked"
    assert f" pid {first.pid} run " in holder
    assert re.search(rf"locked by {re.escape(holder)} since \d{{4}}-\d\d-\d\dT", refused["message"])
    assert "--wait-lock" in refused["hint"]
    assert desk.holders() == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["restore", "hold lift"])
def test_the_way_back_waits_for_a_lock_for_as_long_as_it_is_told_to(desk: Desk, command: str) -> None:
    """Of a run that died, so that nobody gives it back: it is refused at once, and free once it has expired."""
    scene, model = desk.scene, desk.model
    scene.orchestrator("enable", model, "--all", "-o", "json").expect(0)
    if command == "restore":
        order = scene.write_order(models=[model], restore={"jitter": "0s"})
        scene.take_down(order, models=[model]).expect(0)
        words = ("restore", "--order", order, "--confirm", model, "--lift-reference", "EX-1")
    else:
        held = scene.orchestrator("disable", model, "--all", "--hold", "incident 4711", "--soak", "1s", "-o", "json")
        hold = held.expect(0).json["order"]
        words = ("hold", "lift", hold, "--confirm", hold)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "a run that died", "leaseDurationSeconds": 8, "acquireTime": now, "renewTime": now}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"lock.{model}", "namespace": "orchestrator-system"},
        "spec": spec,
    }
    scene.planes.kubectl(scene.planes.clusters[0], "create", "-f", "-", stdin=json.dumps(lease))
    refused = scene.orchestrator(*words, "-o", "json").expect(4).json["error"]
    assert refused["code"] == "locked" and "--wait-lock" in refused["hint"]
    done = scene.orchestrator(*words, "--wait-lock", "2m", "-o", "json").expect(0)
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert desk.holders() == []


@pytest.mark.long
def test_a_takedown_takes_over_and_stands_after_the_losers_last_write(
    desk: Desk, control_planes: ControlPlanes, tmp_path: Path
) -> None:
    """The order waits for nobody; the loser, which has two steps to go, does nothing more to the model."""
    order = prepare(desk, "apply")
    timelines = [
        Timeline(control_planes, cluster, desk.scene.workspace.namespace, desk.model, tmp_path)
        for cluster in control_planes.clusters
    ]
    strategy = {"progressDeadline": "45s"}
    steps = [
        {"name": name, "enable": {"scope": {"clusters": [name]}}, "strategy": strategy, "soak": "60s"}
        for name in control_planes.clusters
    ]
    desk.scene.workspace.write_playbook(*steps, name="on", onFailure="continue")
    with desk.start("apply", "playbooks/on.yaml", "-o", "json") as loser:
        heard(loser, "soaking")
        (holder,) = set(desk.holders())
        taken = desk.scene.take_down(order, models=[desk.model]).expect(0)
        stdout, stderr = loser.communicate(timeout=170)
    lost = Finished(loser.returncode, stdout, stderr)
    assert lost.code in (1, 3), lost
    # The first step may have been through before the order came.
    later = [lost.items()[cluster]["verdict"] for cluster in control_planes.clusters[1:]]
    assert "verified" not in later, lost
    assert {item["guard"] for item in taken.json["items"]} == {"proven"}
    assert holder in _taken_from(desk, taken.json["run"])
    for timeline in timelines:
        kept = Darkness(timeline.cluster).replay(timeline.events(), desk.model)
        timeline.close()
        assert (len(kept.ever_proven), kept.broken) == (1, []), timeline.cluster
        assert len(kept.guards) == 1
    assert desk.holders() == []


def _taken_from(desk: Desk, run: str) -> list[str]:
    """From whom a takedown took each lock, as its journal says."""
    (journal,) = desk.home.rglob(f"{run}/journal.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    return [str(record["data"]["lockTakenFrom"]) for record in records if "lockTakenFrom" in (record.get("data") or {})]


@pytest.mark.long
def test_a_process_that_slept_while_its_lock_expired_writes_nothing_when_it_wakes(desk: Desk) -> None:
    """Stopped in its soak; somebody else waits for the lock and switches the model off. It stays so."""
    first = desk.scene.planes.clusters[0]
    scope = {"scope": {"clusters": [first]}}
    playbook = desk.scene.workspace.write_playbook(
        {"name": "canary", "enable": scope, "soak": "10s", "strategy": {"progressDeadline": "45s"}}
    )
    with desk.start("apply", playbook, "-o", "json") as sleeper:
        heard(sleeper, "soaking")
        sleeper.send_signal(signal.SIGSTOP)
        off = ("disable", desk.model, "--cluster", first, "--wait-lock", "3m", "--soak", "1s")
        desk.scene.orchestrator(*off, "-o", "json").expect(0)
        before = _versions(desk)
        sleeper.send_signal(signal.SIGCONT)
        stdout, stderr = sleeper.communicate(timeout=170)
    done = Finished(sleeper.returncode, stdout, stderr)
    assert done.code in (1, 3), done
    assert done.items()[first]["verdict"] != "verified"
    assert _versions(desk) == before
    assert desk.holders() == []


def _versions(desk: Desk) -> dict[str, str]:
    """Of everything that a run on the model writes, in every cluster: which version it has."""
    found = {}
    for cluster in desk.scene.planes.clusters:
        for place in (
            ("deployments", "-n", desk.scene.workspace.namespace),
            ("configmaps,secrets,leases", "-n", "orchestrator-system", "-l", f"orchestrator.dev/model={desk.model}"),
        ):
            for item in desk.scene.planes.read(cluster, *place)["items"]:
                key = f"{cluster} {item['kind']} {item['metadata']['name']}"
                is_workload = item["kind"] == "Deployment"
                metadata = item["metadata"]
                found[key] = str(metadata["generation"] if is_workload else metadata["resourceVersion"])
    return found
