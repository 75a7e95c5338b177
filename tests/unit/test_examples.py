"""Every shipped file is loaded and planned, for the sandbox's own regions."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import planning
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.ports import Identity
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Want
from orchestrator.documents.examples import examples_folder, make_workspace
from orchestrator.documents.workspace import Workspace
from orchestrator.documents.writing import dump_fleet
from orchestrator.sandbox.regions import default_regions
from orchestrator.workflow.requests import Asking, request_for_playbook
from orchestrator.workflow.session import load_workspace

PLAYBOOKS = sorted((examples_folder() / "playbooks").glob("*.yaml"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """What `orchestrator init --sandbox` makes of a sandbox with five regions."""
    clusters = tuple(
        Cluster(name=one.cluster, region=one.region, country=one.country, serves=one.serves)
        for one in default_regions(5)
    )
    make_workspace(tmp_path, dump_fleet(Fleet(name="sandbox", clusters=clusters)))
    return load_workspace(tmp_path)


def empty(workspace: Workspace) -> dict[str, ClusterSnapshot]:
    """Five clusters in which there is nothing yet."""
    return {
        cluster.name: ClusterSnapshot(cluster=cluster, identity=Identity(uid=cluster.name, sandbox=True))
        for cluster in workspace.fleet.clusters
    }


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_shipped_playbook_is_planned_without_a_refusal(workspace: Workspace, path: Path) -> None:
    request = request_for_playbook(
        Asking(workspace=workspace, fleet=workspace.fleet), workspace.playbook(Path("playbooks", path.name))
    )
    plan = planning.plan(request, empty(workspace))
    items = [item for wave in plan.waves for part in wave.clusters for item in part.items]
    assert not plan.refusals
    assert not [reason for item in items for reason in item.refusals]
    assert all(item.is_change for item in items if item.want is Want.ENABLED)
    assert {item.subject.cluster for item in items} == set(empty(workspace))


def test_every_shipped_model_is_set_by_a_playbook(workspace: Workspace) -> None:
    """A model that no playbook names would be shipped without being planned above."""
    named = {name for path in PLAYBOOKS for name in workspace.playbook(Path("playbooks", path.name)).value.models}
    assert named == set(workspace.model_names) == {"fable-5", "mythos-5"}


def test_overrides_reach_the_region_they_name(workspace: Workspace) -> None:
    """In eu-west fable-5 runs its restricted profile, with three replicas; elsewhere it does not."""
    request = request_for_playbook(
        Asking(workspace=workspace, fleet=workspace.fleet), workspace.playbook("fable-5-rollout")
    )
    plan = planning.plan(request, empty(workspace))
    entries = {item.subject.cluster: item.entry for wave in plan.waves for part in wave.clusters for item in part.items}
    restricted = {name for name, entry in entries.items() if entry.profile == "restricted"}
    assert restricted == {"eu-west-1"}
    assert {name for name, entry in entries.items() if set(entry.replicas.values()) == {3}} == restricted
    assert len({entry.revision for entry in entries.values()}) == 2
