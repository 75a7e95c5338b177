"""The stage of the guard's tests: one of the shared control planes; whatever binds is taken away afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.objects import LABEL_MODEL, SYSTEM_NAMESPACE
from orchestrator.delivery import FleetConnection, connect
from tests.cluster.conftest import ControlPlanes
from tests.cluster.guarding.stage import Stage

GUARDS = "validatingadmissionpolicybindings,validatingadmissionpolicies"


@pytest.fixture
async def connection(control_planes: ControlPlanes) -> AsyncIterator[FleetConnection]:
    clusters = tuple(Cluster(name=name, region="here") for name in control_planes.clusters)
    async with connect(Fleet(name="tests", clusters=clusters), kubeconfig=control_planes.kubeconfig) as opened:
        yield opened


@pytest.fixture
def unguarded(control_planes: ControlPlanes, namespace: str) -> Iterator[None]:
    """No guard of the test's model survives it: it would hold up the deletion of nothing, but it is cluster-wide."""
    control_planes.kubectl(control_planes.clusters[0], "create", "namespace", SYSTEM_NAMESPACE, check=False)
    yield
    control_planes.kubectl(control_planes.clusters[0], "delete", GUARDS, "-l", f"{LABEL_MODEL}={namespace}")


@pytest.fixture
def stage(control_planes: ControlPlanes, namespace: str, connection: FleetConnection, unguarded: None) -> Stage:
    cluster = control_planes.clusters[0]

    def kubectl(*arguments: str, **options: Any) -> str:
        return control_planes.kubectl(cluster, *arguments, **options)

    return Stage(kubectl, namespace, connection.writer(cluster))
