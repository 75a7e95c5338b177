"""A kubeconfig that somebody repairs while the tool runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import connect
from orchestrator.errors import ClusterError, Unauthenticated
from tests.cluster.conftest import ControlPlanes


def with_token(planes: ControlPlanes, token: str, to: Path) -> Path:
    """A kubeconfig in which everybody comes with this token and nothing else, put in place at once."""
    config = yaml.safe_load(planes.kubeconfig.read_text())
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    return _put(config, to)


def _put(config: dict[str, Any], to: Path) -> Path:
    fresh = to.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(config))
    fresh.replace(to)
    return to


@pytest.fixture
def fleet(control_planes: ControlPlanes) -> Fleet:
    """The first cluster alone."""
    (found, *_) = yaml.safe_load(control_planes.fleet_file.read_text())["spec"]["clusters"]
    cluster = Cluster(name=found["name"], region=found["region"], context=found.get("context"), uid=found.get("uid"))
    return Fleet(name="one", clusters=(cluster,))


async def test_repaired_credentials_are_used_once_the_file_is_read_again(
    fleet: Fleet, control_planes: ControlPlanes, tmp_path: Path
) -> None:
    """Not before, so that what is under way goes on as it began; and a file that did not change renews nothing."""
    (cluster,) = fleet.clusters
    file = with_token(control_planes, "out-of-date", tmp_path / "kubeconfig")
    async with connect(fleet, kubeconfig=file) as connection:
        with pytest.raises(Unauthenticated):
            await connection.writer(cluster.name).identify()
        assert await connection.read_kubeconfig_again() == frozenset()
        _put(yaml.safe_load(control_planes.kubeconfig.read_text()), file)
        with pytest.raises(Unauthenticated):
            await connection.writer(cluster.name).identify()
        assert await connection.read_kubeconfig_again() == {cluster.name}
        assert (await connection.writer(cluster.name).identify()).uid == cluster.uid
        assert await connection.read_kubeconfig_again() == frozenset()


@pytest.mark.parametrize("damage", ["half a: [file", "clusters: []", None])
async def test_a_file_that_is_damaged_or_gone_changes_nothing(
    fleet: Fleet, control_planes: ControlPlanes, tmp_path: Path, damage: str | None
) -> None:
    """Somebody may be writing it just now."""
    (cluster,) = fleet.clusters
    file = _put(yaml.safe_load(control_planes.kubeconfig.read_text()), tmp_path / "kubeconfig")
    async with connect(fleet, kubeconfig=file) as connection:
        writer = connection.writer(cluster.name)
        await writer.identify()
        file.write_text(damage) if damage is not None else file.unlink()
        assert await connection.read_kubeconfig_again() == frozenset()
        assert connection.writer(cluster.name) is writer


async def test_another_cluster_under_the_same_context_is_never_written_to(
    fleet: Fleet, control_planes: ControlPlanes, tmp_path: Path
) -> None:
    """A repaired file may lead astray as well: the pinned uid is asked for anew."""
    (cluster,) = fleet.clusters
    config = yaml.safe_load(control_planes.kubeconfig.read_text())
    file = _put(config, tmp_path / "kubeconfig")
    async with connect(fleet, kubeconfig=file) as connection:
        await connection.writer(cluster.name).identify()
        name = cluster.context or cluster.name
        other = next(one["context"] for one in config["contexts"] if one["name"] != name)
        contexts = [{"name": one["name"], "context": other} for one in config["contexts"]]
        _put({**config, "contexts": contexts}, file)
        assert await connection.read_kubeconfig_again() == {cluster.name}
        with pytest.raises(ClusterError) as caught:
            await connection.writer(cluster.name).identify()
        assert caught.value.code == "wrong-cluster"


async def test_a_pipe_is_read_once(fleet: Fleet, control_planes: ControlPlanes, tmp_path: Path) -> None:
    """It has nothing more to say, and whoever asked it again would wait."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_text(control_planes.kubeconfig.read_text()), daemon=True)
    writing.start()
    async with connect(fleet, kubeconfig=pipe) as connection:
        writing.join(10)
        await connection.writer(fleet.clusters[0].name).identify()
        assert await connection.read_kubeconfig_again() == frozenset()
