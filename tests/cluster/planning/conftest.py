"""One control plane, a model of the test's own, and the planner between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import connect
from tests.cluster.conftest import ControlPlanes
from tests.cluster.planning.place import Place


@pytest.fixture
async def place(control_planes: ControlPlanes, namespace: str) -> AsyncIterator[Place]:
    cluster = Cluster(name=control_planes.clusters[0], region="here")
    fleet = Fleet(name="tests", clusters=(cluster,))
    async with connect(fleet, kubeconfig=control_planes.kubeconfig) as connection:
        yield Place(control_planes, fleet, connection.writer(cluster.name), namespace)
    for kind in ("configmaps", "secrets"):
        control_planes.kubectl(
            cluster.name, "-n", "orchestrator-system", "delete", kind, "-l", f"orchestrator.dev/model={namespace}"
        )
