"""A takedown of one model in one real cluster: planned by hand, guarded and proven for real."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orchestrator import plugins
from orchestrator.core.events import Event
from orchestrator.core.holds import Hold, RestoreRecord, read_restore_record
from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.plan import ItemPlan, Plan, Verb, WavePlan
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.result import ResultItem
from orchestrator.core.takedown import Darkening, RouteCut
from orchestrator.evidence import FileJournal, new_run_id, run_directory
from orchestrator.execution import DarkPorts, RunOptions, RunOutcome, take_dark
from orchestrator.guarding import DryRunProver, GuardRequest, build_guard
from tests.cluster.execution.plans import Release, plan, wave
from tests.cluster.execution.regions import SYSTEM, Region

POLICIES = "validatingadmissionpolicybindings,validatingadmissionpolicies"


@dataclass
class Takedown:
    """One order on one model in one region."""

    region: Region
    release: Release
    order: str = "directive"
    soak: float = 1.0
    cluster_deadline: float = 40.0
    ends_at: datetime | None = None
    cuts: tuple[RouteCut, ...] = ()
    match: Match | None = None
    include_shared: bool = False
    is_guarded: bool = True
    changed: dict[str, Any] = field(default_factory=dict)
    """Fields of the item that differ from what is usual."""
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda event: None

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.order} {self.release.model}".encode()).hexdigest()

    @property
    def hold(self) -> Hold:
        ledger = {self.region.writer.cluster.name: "owed"}
        return Hold(name=self.order, model=self.release.model, digest=self.digest, ledger=ledger)

    async def item(self, writer: ClusterWriter) -> ItemPlan:
        """What the takedown planner would plan: a stop under a hold."""
        off = await self.release.plan_off(writer, "takedown", entry_changes=False)
        model = off.subject.model
        if self.match is not None:
            model = replace(model, match=self.match)
        live = await writer.get(self.release.deployment)
        selector = dig(live, "spec", "selector")
        request = GuardRequest(
            order=self.order,
            digest=self.digest,
            model=model.name,
            public={"contact": "desk@models.example"},
            match=model.match,
            workloads=((self.release.deployment, selector),),
            cuts=self.cuts,
        )
        records = tuple(
            RestoreRecord(
                model=model.name,
                ref=change.ref,
                uid=change.uid or "",
                before={"/spec/replicas": dig(live, "spec", "replicas")},
            )
            for change in off.changes
            if change.verb is Verb.SCALE
        )
        darkening = Darkening(
            hold=self.hold,
            guard=build_guard(request) if self.is_guarded else None,
            cuts=self.cuts,
            records=records,
            include_shared=self.include_shared,
            soak=self.soak,
            ends_at=self.ends_at,
        )
        subject = replace(off.subject, model=model, is_everywhere=True)
        return replace(off, subject=subject, soak_due=True, darkening=darkening, **self.changed)

    async def plan(self, writer: ClusterWriter | None = None) -> Plan:
        """A plan of this item alone."""
        writer = writer or self.region.writer
        only: WavePlan = wave("takedown", (writer, await self.item(writer)))
        made = plan(self.release.model, only)
        return replace(made, action="takedown", name=self.order, order_digest=self.digest)

    async def run(self, writer: ClusterWriter | None = None, planned: Plan | None = None) -> ResultItem:
        """Take it down for real; the one item."""
        outcome = await self.carry_out(planned or await self.plan(writer), writer)
        (item,) = outcome.items
        return item

    async def carry_out(self, planned: Plan, writer: ClusterWriter | None = None) -> RunOutcome:
        """Take down what the plan says, with a journal on disk."""
        runner, run = self.region.runner, new_run_id()
        journal = FileJournal(run_directory(runner.state, run))
        name = self.region.writer.cluster.name
        ports = DarkPorts(
            writers={name: writer or self.region.writer},
            verifier=runner.verifier,
            prober=runner.prober,
            checks=plugins.checks(),
            journal=journal,
            clock=runner.clock,
            tell=self._hear,
            guard_prover=DryRunProver(runner.clock),
        )
        options = RunOptions(
            run=run, holder=f"responder@here run {run}", cluster_deadline=self.cluster_deadline, stop=runner.stop
        )
        try:
            async with asyncio.timeout(90):
                return await take_dark(planned, ports, options)
        finally:
            journal.close()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    @property
    def namespace(self) -> str:
        return self.release.namespace

    def kubectl(self, *arguments: str, stdin: JsonObject | None = None, check: bool = True) -> str:
        """kubectl in this region, an independent witness."""
        return self.region.witness(*arguments, stdin=json.dumps(stdin) if stdin else None, check=check)

    def create(self, obj: JsonObject) -> JsonObject:
        """Create an object as somebody else; as it then is."""
        return dict(json.loads(self.kubectl("create", "-f", "-", "-o", "json", stdin=obj)))

    def pods(self, namespace: str | None = None) -> list[JsonObject]:
        """Every pod of the test's namespace, or of another."""
        found = self.region.witness.get("pods", "-n", namespace or self.namespace) or {"items": []}
        return list(found["items"])

    async def wait_for_pods(
        self, number: int, namespace: str | None = None, *, phase: str = "Running"
    ) -> list[JsonObject]:
        """The pods in a phase, once there are as many; no others may be left where none are wanted."""
        async with asyncio.timeout(20):
            while True:
                pods = await asyncio.to_thread(self.pods, namespace)
                found = [pod for pod in pods if not number or dig(pod, "status", "phase") == phase]
                if len(found) == number:
                    return found
                await asyncio.sleep(0.1)

    def restore_records(self) -> dict[ObjectRef, RestoreRecord]:
        """What is kept in the cluster of what everything was."""
        labels = f"orchestrator.dev/record=restore,orchestrator.dev/model={self.release.model}"
        found = self.region.witness.get("secrets", "-n", SYSTEM, "-l", labels) or {"items": []}
        records = [read_restore_record(secret) for secret in found["items"]]
        return {record.ref: record for record in records}

    def forget(self) -> None:
        """Take every guard of this model away: they are cluster-wide."""
        labels = f"orchestrator.dev/model={self.release.model}"
        self.kubectl("delete", POLICIES, "-l", labels, "--wait=false", check=False)


@asynccontextmanager
async def loop_of(act: Callable[[], object], pause: float) -> AsyncIterator[None]:
    """A controller that acts again and again, whatever comes of it, while one is inside."""

    async def run() -> None:
        while True:
            await asyncio.to_thread(act)
            await asyncio.sleep(pause)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def pod_of(name: str, namespace: str, *, image: str = "registry.example/neutral:1", **metadata: Any) -> JsonObject:
    """A pod as somebody else writes it."""
    spec = {"terminationGracePeriodSeconds": 2, "containers": [{"name": "server", "image": image}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


def deployment_of(name: str, namespace: str, image: str, *, kind: str = "Deployment", **labels: str) -> JsonObject:
    """A workload of somebody else's."""
    template = {
        "metadata": {"labels": {"run": name, **labels}},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [{"name": "c", "image": image}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"run": name}}, "template": template},
    }


def wanted_off(item: ResultItem) -> tuple[str, str, str]:
    """Verdict, state and guard of an item, to be compared at once."""
    return item.verdict.value, item.state.value, item.guard


OFF = ("verified", "disabled", "proven")
