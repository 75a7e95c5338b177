"""A model that is on in every region, and the parts by which it is brought back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator import execution, guarding, plugins
from orchestrator.core.events import Event
from orchestrator.core.order import About, Order, RestoreTerms
from orchestrator.core.plan import Plan
from orchestrator.core.schema import Seconds
from orchestrator.core.verdict import Reason
from orchestrator.delivery import HttpProber
from orchestrator.evidence import FileJournal, new_run_id, run_directory
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.restoring import RestoreOptions, plan_restore, refuse_short
from orchestrator.workflow.session import Session, load_workspace, open_session
from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.restoring.darkness import Darkness

REFERENCE = RestoreOptions(reference="EX-2026-0701", progress_deadline=Seconds(30))
JsonObject = dict[str, Any]


@dataclass
class Stage:
    """A model that is on in every region, and the parts by which it is brought back."""

    darkness: Darkness
    session: Session
    state: Path
    orders: list[Order] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda event: None

    @property
    def clusters(self) -> list[str]:
        return self.darkness.planes.clusters

    def order(self, name: str = "directive", **terms: Any) -> Order:
        """An order of this test's model, for everyone, without jitter."""
        order = Order(
            name=f"{self.darkness.namespace}-{name}",
            authority="Bureau of Examples",
            reference="EX-2026-0612",
            models=(self.darkness.model,),
            about=About(everyone=True),
            restore=RestoreTerms(jitter=Seconds(0), **terms),
        )
        self.orders.append(order)
        return order

    async def plan(self, order: Order, options: RestoreOptions = REFERENCE) -> Plan:
        return await plan_restore(self.session, order, options)

    async def restore(self, order: Order, options: RestoreOptions = REFERENCE) -> execution.RunOutcome:
        plan = await self.plan(order, options)
        refuse_short(plan)
        return await self.carry_out(plan)

    async def carry_out(self, plan: Plan) -> execution.RunOutcome:
        run = new_run_id()
        with ExitStack() as stack:
            journal = FileJournal(run_directory(self.state, run))
            stack.callback(journal.close)
            async with HttpProber() as prober:
                ports = execution.DarkPorts(
                    writers=self.session.writers(self.clusters),
                    verifier=LiveVerifier(self.session.clock, prober),
                    prober=prober,
                    guard_prover=guarding.DryRunProver(self.session.clock),
                    checks=plugins.checks(),
                    journal=journal,
                    clock=self.session.clock,
                    tell=self.on_event,
                )
                options = execution.RunOptions(run=run, holder=f"tester@here pid 1 run {run}")
                return await execution.bring_back(plan, ports, options)


def _route(namespace: str) -> JsonObject:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "fable", "namespace": namespace},
        "spec": {
            "hostnames": ["fable.models.example"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
                    "backendRefs": [{"name": "fable", "port": 80, "weight": 3}],
                },
            ],
        },
    }


def _autoscaler(namespace: str) -> JsonObject:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fable"}
    metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "fable", "namespace": namespace},
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
    }


@pytest.fixture
def darkness(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Darkness:
    """A model with an autoscaled Deployment, a StatefulSet, a Service and a route, on in every region."""
    namespace = workspace.namespace
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "fable", "namespace": namespace},
        "spec": {"selector": {"app": "fable"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]},
    }
    workspace.write_model(
        workspace.deployment("fable", replicas=2),
        workspace.deployment("shard", kind="StatefulSet", replicas=3),
        service,
        _autoscaler(namespace),
    )
    orchestrator("enable", workspace.model, "--all", workspace=workspace.root).expect(0)
    made = Darkness(control_planes, namespace, workspace.model)
    for cluster in control_planes.clusters:
        made.create(cluster, _route(namespace))
    return made


@pytest.fixture
async def stage(darkness: Darkness, workspace: TestWorkspace, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_session(load_workspace(workspace.root)) as session:
        made = Stage(darkness, session, tmp_path / "runs")
        yield made
    darkness.clean_up(made.orders)


@pytest.fixture(autouse=True)
def no_guard_outlives_its_test(control_planes: ControlPlanes, namespace: str) -> Iterator[None]:
    yield
    Darkness(control_planes, namespace, namespace).clean_up([])


def codes(reasons: tuple[Reason, ...]) -> set[str]:
    return {reason.code for reason in reasons}
