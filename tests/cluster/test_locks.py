"""Who may work on a model, between real processes of the command line (the locks alone: execution/test_locks.py)."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.desk import Desk, desk_of, heard, prepare
from tests.cluster.timeline import Darkness, Timeline


@pytest.fixture
def desk(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path) -> Iterator[Desk]:
    with desk_of(control_planes, workspace, orchestrator, tmp_path) as made:
        yield made


def test_the_second_apply_is_refused_and_a_takedown_takes_over_and_stands(
    desk: Desk, control_planes: ControlPlanes, tmp_path: Path
) -> None:
    """Exit 4, told who works on it since when. The order waits for nobody; what the first one still does is in vain."""
    order = prepare(desk, "apply")
    timelines = [
        Timeline(control_planes, cluster, desk.scene.workspace.namespace, desk.model, tmp_path)
        for cluster in control_planes.clusters
    ]
    # A soak that outlasts the takedown, after which the loser still wants to write.
    playbook = {"name": "everywhere", "enable": {"scope": {"all": True}}, "soak": "25s"}
    desk.scene.workspace.write_playbook(playbook, name="on")
    with desk.start("apply", "playbooks/on.yaml", "-o", "json") as loser:
        heard(loser, "soaking")
        (holder,) = set(desk.holders())
        refused = desk.scene.orchestrator("apply", "playbooks/on.yaml", "-o", "json").expect(4).json["error"]
        assert refused["code"] == "locked"
        assert f" pid {loser.pid} run " in holder
        assert f"locked by {holder} since 20" in refused["message"]
        assert re.search(r"--wait-lock", refused["hint"])
        taken = desk.scene.take_down(order, models=[desk.model]).expect(0)
        stdout, stderr = loser.communicate(timeout=90)
    lost = Finished(loser.returncode, stdout, stderr)
    assert lost.code in (1, 3), lost
    assert "verified" not in {item["verdict"] for item in lost.json["items"]}
    assert {item["guard"] for item in taken.json["items"]} == {"proven"}
    assert set(_taken_from(desk, taken.json["run"])) == {holder}
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
    """Stopped in its first step; somebody else waits for the lock, and switches the model off. It stays off."""
    planes = desk.scene.planes
    first, second, _ = planes.clusters
    playbook = desk.scene.workspace.write_playbook(
        {"name": "canary", "enable": {"scope": {"clusters": [first]}}, "soak": "10s"},
        {"name": "rest", "enable": {"scope": {"clusters": [second]}}},
    )
    with desk.start("apply", playbook, "-o", "json") as sleeper:
        heard(sleeper, "soaking")
        sleeper.send_signal(signal.SIGSTOP)
        off = ("disable", desk.model, "--cluster", f"{first},{second}", "--wait-lock", "3m", "--soak", "1s")
        desk.scene.orchestrator(*off, "-o", "json").expect(0)
        before = _versions(desk)
        sleeper.send_signal(signal.SIGCONT)
        stdout, stderr = sleeper.communicate(timeout=90)
    done = Finished(sleeper.returncode, stdout, stderr)
    assert done.code in (1, 3), done
    assert "verified" not in {item["verdict"] for item in done.json["items"]}
    time.sleep(1)
    assert _versions(desk) == before
    assert planes.read(second, "deployment", "server", "-n", desk.scene.workspace.namespace) is None
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
