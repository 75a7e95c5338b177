"""The stage of the verification tests: one of the shared control planes, a namespace, a real verifier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import FleetConnection, HttpProber, SystemClock, connect
from orchestrator.verification import LiveVerifier
from tests.cluster.conftest import ControlPlanes
from tests.cluster.verification.stage import Stage


@pytest.fixture
async def connection(control_planes: ControlPlanes) -> AsyncIterator[FleetConnection]:
    clusters = tuple(Cluster(name=name, region="here") for name in control_planes.clusters)
    fleet = Fleet(name="tests", clusters=clusters)
    async with connect(fleet, kubeconfig=control_planes.kubeconfig) as opened:
        yield opened


@pytest.fixture
async def stage(control_planes: ControlPlanes, namespace: str, connection: FleetConnection) -> AsyncIterator[Stage]:
    cluster, clock = control_planes.clusters[0], SystemClock()

    def kubectl(*arguments: str, **options: Any) -> str:
        return str(control_planes.kubectl(cluster, *arguments, **options))

    async with HttpProber() as prober:
        yield Stage(kubectl, namespace, connection.writer(cluster), LiveVerifier(clock, prober), clock)
