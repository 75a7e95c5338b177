"""Connections to the shared control planes, models of one test each, and a clock that can jump."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import FleetConnection, SystemClock, connect
from tests.cluster.conftest import ControlPlanes


class Witness:
    """One control plane as kubectl sees it: an independent witness."""

    def __init__(self, control_planes: ControlPlanes, cluster: str) -> None:
        self.name = cluster
        self._control_planes = control_planes

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self._control_planes.kubectl(self.name, *arguments, stdin=stdin, check=check)

    def get(self, *arguments: str) -> dict[str, Any] | None:
        """One object as JSON; None when it is not there."""
        text = self("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def versions(self, *namespaces: str) -> dict[str, str]:
        """resourceVersion of every object that we might write in these namespaces, Leases and records included."""
        kinds = "deployments,statefulsets,services,configmaps,secrets,leases,horizontalpodautoscalers"
        found = {}
        for namespace in namespaces:
            for item in json.loads(self("get", kinds, "-n", namespace, "-o", "json"))["items"]:
                metadata = item["metadata"]
                found[f"{item['kind']} {namespace}/{metadata['name']}"] = metadata["resourceVersion"]
        return found


class JumpingClock(SystemClock):
    """Real time, plus whatever a test adds; waits of more than a second are jumped over."""

    def __init__(self, skew: timedelta = timedelta()) -> None:
        self.jumped = 0.0
        self.skew = skew
        self.slept: list[float] = []
        self.on_sleep: Callable[[], Any] | None = None

    def now(self) -> datetime:
        return super().now() + self.skew + timedelta(seconds=self.jumped)

    def elapsed(self) -> float:
        return super().elapsed() + self.jumped

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 1:
            await super().sleep(seconds)
            return
        if self.on_sleep is not None:
            await self.on_sleep()
        await super().sleep(0.01)
        self.jumped += seconds


@pytest.fixture
def fleet(control_planes: ControlPlanes) -> Fleet:
    document = yaml.safe_load(control_planes.fleet_file.read_text())
    clusters = tuple(
        Cluster(
            name=cluster["name"],
            region=cluster["region"],
            country=cluster.get("country"),
            context=cluster.get("context"),
            uid=cluster.get("uid"),
            labels=cluster.get("labels", {}),
        )
        for cluster in document["spec"]["clusters"]
    )
    return Fleet(name="test", clusters=clusters)


@pytest.fixture
async def connection(fleet: Fleet, control_planes: ControlPlanes) -> AsyncIterator[FleetConnection]:
    async with connect(fleet, kubeconfig=control_planes.kubeconfig) as connected:
        yield connected


@pytest.fixture
def witnesses(control_planes: ControlPlanes) -> dict[str, Witness]:
    """kubectl for each cluster, in the fleet's order."""
    return {name: Witness(control_planes, name) for name in control_planes.clusters}


@pytest.fixture
def model(witnesses: dict[str, Witness]) -> Iterator[str]:
    """A model of this test alone: its records and locks are nobody else's."""
    name = f"m-{uuid.uuid4().hex[:8]}"
    yield name
    for witness in witnesses.values():
        for kind in ("configmaps", "secrets", "leases"):
            labels = f"orchestrator.dev/model={name}"
            witness("delete", kind, "-n", "orchestrator-system", "-l", labels, "--wait=false", check=False)
