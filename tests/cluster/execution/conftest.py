"""Connections to the shared control planes, models of one test each, and a clock that can jump."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestrator import plugins
from orchestrator.core.events import Event
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.plan import Plan
from orchestrator.core.ports import Clock, ClusterWriter, Prober, Verifier
from orchestrator.delivery import FleetConnection, HttpProber, SystemClock, connect
from orchestrator.evidence import FileJournal, new_run_id, run_directory
from orchestrator.execution import RunOptions, RunOutcome, RunPorts, execute
from tests.cluster.conftest import ControlPlanes

if TYPE_CHECKING:
    from tests.cluster.execution.dark import Takedown
    from tests.cluster.execution.regions import Region


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

    def versions(self, namespace: str, model: str) -> dict[str, str]:
        """resourceVersion of every object that we might write: in the namespace, and the model's records and locks."""
        kinds = "deployments,statefulsets,services,configmaps,secrets,leases,horizontalpodautoscalers"
        places = (("-n", namespace), ("-n", "orchestrator-system", "-l", f"orchestrator.dev/model={model}"))
        found = {}
        for place in places:
            for item in (self.get(kinds, *place) or {"items": []})["items"]:
                metadata = item["metadata"]
                found[f"{item['kind']} {metadata['namespace']}/{metadata['name']}"] = metadata["resourceVersion"]
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
    labels = f"orchestrator.dev/model={name}"
    for witness in witnesses.values():
        kinds = "configmaps,secrets,leases"
        witness("delete", kinds, "-n", "orchestrator-system", "-l", labels, "--wait=false", check=False)


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    async with HttpProber() as made:
        yield made


@pytest.fixture
def verifier(prober: Prober) -> Verifier:
    from orchestrator.verification import LiveVerifier

    return LiveVerifier(SystemClock(), prober)


@dataclass
class Runner:
    """Carries out plans as the workflow does, with a journal on disk."""

    connection: FleetConnection
    verifier: Verifier
    prober: Prober
    state: Path
    clusters: list[str]
    clock: Clock = field(default_factory=SystemClock)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    on_event: Callable[[Event], None] = lambda event: None
    journal: FileJournal | None = None
    in_between: dict[str, Any] = field(default_factory=dict)
    """By cluster: stands between the run and the real writer."""

    def writer(self, cluster: str) -> ClusterWriter:
        return self.connection.writer(cluster)

    @property
    def writers(self) -> list[ClusterWriter]:
        return [self.writer(cluster) for cluster in self.clusters]

    async def run(self, plan: Plan) -> RunOutcome:
        run = new_run_id()
        self.journal = FileJournal(run_directory(self.state, run))
        ports = RunPorts(
            writers={name: self.in_between.get(name) or self.writer(name) for name in self.clusters},
            verifier=self.verifier,
            prober=self.prober,
            checks=plugins.checks(),
            journal=self.journal,
            clock=self.clock,
            tell=self.on_event,
        )
        options = RunOptions(run=run, holder=f"tester@here pid 1 run {run}", stop=self.stop)
        try:
            return await execute(plan, ports, options)
        finally:
            self.journal.close()


@pytest.fixture
def runner(
    connection: FleetConnection, verifier: Verifier, prober: Prober, tmp_path: Path, control_planes: ControlPlanes
) -> Runner:
    return Runner(connection, verifier, prober, tmp_path, control_planes.clusters)


@pytest.fixture
def regions(runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str) -> list[Region]:
    from tests.cluster.execution.regions import Region

    return [Region(runner, witnesses[each.cluster.name], each, model, namespace) for each in runner.writers]


@pytest.fixture
def takedown(regions: list[Region], model: str, namespace: str) -> Iterator[Takedown]:
    """A takedown of this test's model in the first region; no guard of it survives the test."""
    from tests.cluster.execution.dark import Takedown
    from tests.cluster.execution.plans import Release

    made = Takedown(regions[0], Release(model, namespace))
    yield made
    made.forget()


@pytest.fixture
def elsewhere(takedown: Takedown, namespace: str) -> Iterator[str]:
    """Another namespace of the same region."""
    name = f"{namespace}-elsewhere"
    takedown.kubectl("create", "namespace", name)
    takedown.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=20s")
    yield name
    takedown.kubectl("delete", "namespace", name, "--wait=false", check=False)


@pytest.fixture
def image(takedown: Takedown) -> str:
    """An image that serves nothing but the model."""
    from orchestrator.core.model import Match

    name = f"registry.example/{takedown.release.model}"
    takedown.match = Match(labels={"app": takedown.release.model}, images=(name,))
    return f"{name}:1"
