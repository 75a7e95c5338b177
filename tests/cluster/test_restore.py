"""The way back, on real control planes: from what a takedown leaves to every object as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import execution, guarding, plugins
from orchestrator.core.events import Event, EventType
from orchestrator.core.order import About, Order, RestoreTerms, RestoreWave
from orchestrator.core.plan import Plan
from orchestrator.core.schema import Seconds
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.delivery import HttpProber
from orchestrator.errors import RefusedError, UsageError
from orchestrator.evidence import FileJournal, new_run_id, run_directory
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.restoring import RestoreOptions, plan_restore, refuse_short
from orchestrator.workflow.session import Session, load_workspace, open_session
from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.darkness import Darkness
from tests.cluster.orders import wait_until

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


def _codes(reasons: tuple[Reason, ...]) -> set[str]:
    return {reason.code for reason in reasons}


async def test_everything_comes_back_as_it_was_and_nothing_of_ours_stays(stage: Stage) -> None:
    """Field by field in every region; records, hold, guard, lock and made objects are gone, the tombstone stays."""
    darkness = stage.darkness
    before = {cluster: darkness.objects(cluster) for cluster in stage.clusters}
    kept = {cluster: darkness.ours(cluster) for cluster in stage.clusters}
    order = stage.order()
    for cluster in stage.clusters:
        darkness.take_dark(cluster, order)
        assert darkness.objects(cluster) != before[cluster]

    outcome = await stage.restore(order)

    assert [(item.verdict, item.reasons) for item in outcome.items] == [(Verdict.VERIFIED, ())] * 3
    assert outcome.error is None
    for cluster in stage.clusters:
        assert darkness.objects(cluster) == before[cluster]
        assert darkness.ours(cluster) == kept[cluster]
        lift = darkness.planes.read(cluster, f"configmap/lift.{order.digest[:16]}", "-n", "orchestrator-system")
        assert lift["data"]["reference"] == "EX-2026-0701"
        assert lift["data"]["actor"]
        assert len(darkness.planes.read(cluster, "pods", "-n", darkness.namespace)["items"]) == 5


async def test_a_second_restore_finds_nothing_to_bring_back(stage: Stage) -> None:
    """No item, no error; the first lift stays as it was written."""
    order = stage.order()
    stage.darkness.take_dark(stage.clusters[0], order)
    await stage.restore(order)
    name = f"configmap/lift.{order.digest[:16]}"
    first = stage.darkness.planes.read(stage.clusters[0], name, "-n", "orchestrator-system")
    again = await stage.restore(order, replace(REFERENCE, reference="another"))
    assert again.items == ()
    assert stage.darkness.planes.read(stage.clusters[0], name, "-n", "orchestrator-system") == first


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_orders_the_last_one_lifted_brings_it_back(stage: Stage, first: int) -> None:
    """In either order: the first lift leaves it dark, as held by the other; the second restores from the one record."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    before, kept = darkness.objects(cluster), darkness.ours(cluster)
    orders = [stage.order("one"), stage.order("two")]
    darkness.take_dark(cluster, *orders)
    dark = darkness.objects(cluster)

    (held,) = (await stage.restore(orders[first])).items
    assert (held.verdict, held.holds) == (Verdict.HELD, (orders[1 - first].name,))
    assert darkness.objects(cluster) == dark
    assert "orchestrator guard" in darkness.try_to_wake(cluster)
    assert not any(orders[first].digest[:16] in name for name in darkness.ours(cluster))

    (back,) = (await stage.restore(orders[1 - first])).items
    assert back.verdict is Verdict.VERIFIED
    assert darkness.objects(cluster) == before
    assert darkness.ours(cluster) == kept


async def test_what_does_not_become_healthy_goes_dark_again_and_later_waves_stay_dark(stage: Stage) -> None:
    """Pods that crash in the first wave: guarded, cut and stopped again, and the second wave is not begun."""
    darkness, (one, two, _) = stage.darkness, stage.clusters
    wave = RestoreWave(name="canary", scope=Scope(clusters=(one,)))
    order = stage.order(waves=(wave,))
    crash = '{"spec":{"template":{"metadata":{"annotations":{"sandbox.orchestrator.dev/fail":"crash-loop"}}}}}'
    for cluster in (one, two):
        darkness.take_dark(cluster, order)
    darkness.planes.kubectl(one, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", crash)
    dark = darkness.objects(one)

    outcome = await stage.restore(order)

    by_cluster = {item.cluster: item for item in outcome.items}
    assert by_cluster[one].verdict is Verdict.FAILED
    assert "dark-again" in _codes(by_cluster[one].reasons)
    assert len(_codes(by_cluster[one].reasons)) > 1
    assert by_cluster[one].guard == "proven"
    assert by_cluster[two].verdict is Verdict.NOT_RUN
    assert darkness.objects(one) == dark
    assert "orchestrator guard" in darkness.try_to_wake(one)
    assert "orchestrator guard" in darkness.try_to_wake(two)

    mend = '{"spec":{"template":{"metadata":{"annotations":{"sandbox.orchestrator.dev/fail":null}}}}}'
    darkness.planes.kubectl(one, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", mend)
    again = await stage.restore(order)
    assert {item.cluster: item.verdict for item in again.items} == {one: Verdict.VERIFIED, two: Verdict.VERIFIED}


async def test_a_takedown_during_a_restore_wins(stage: Stage) -> None:
    """A hold that comes while replicas are written back: nothing more is sent, and routes stay cut."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    order, other = stage.order(), stage.order("another")
    darkness.take_dark(cluster, order)
    done: list[Event] = []

    def interfere(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data.get("verb") == "scale" and not done:
            done.append(event)
            darkness.hold(cluster, other)
            for name in ("deployment/fable", "statefulset/shard"):
                darkness.planes.kubectl(cluster, "scale", name, "--replicas=0", "-n", darkness.namespace)

    stage.on_event = interfere
    (item,) = (await stage.restore(order)).items
    assert done
    assert (item.verdict, item.holds) == (Verdict.HELD, (other.name,))
    assert darkness.objects(cluster)["Service/fable"]["spec"]["selector"] != {"app": "fable"}
    assert "orchestrator guard" in darkness.try_to_wake(cluster)
    assert any(name.startswith("Secret/restore.") for name in darkness.ours(cluster))

    stage.on_event = lambda event: None
    (back,) = (await stage.restore(other)).items
    assert back.verdict is Verdict.VERIFIED


async def test_without_room_it_is_refused_and_says_by_how_much(stage: Stage) -> None:
    """A node that is too small for what comes back: exit 4 and nothing written, unless capacity is ignored."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    order = stage.order()
    big = '{"spec":{"template":{"spec":{"containers":[{"name":"server","resources":{"requests":{"cpu":"900"}}}]}}}}'
    darkness.take_dark(cluster, order)
    darkness.planes.kubectl(cluster, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", big)

    plan = await stage.plan(order)
    with pytest.raises(RefusedError, match=r"short by .* cpu") as refused:
        refuse_short(plan)
    assert refused.value.exit_code == 4
    assert darkness.planes.read(cluster, f"configmap/lift.{order.digest[:16]}", "-n", "orchestrator-system") is None

    ignoring = await stage.plan(order, replace(REFERENCE, ignore_capacity=True))
    refuse_short(ignoring)
    assert _codes(ignoring.overridden) == {"capacity-ignored"}


async def test_a_cluster_that_was_away_comes_back_restored(stage: Stage) -> None:
    """Lifted elsewhere while it was away: running it again brings it back."""
    darkness, (one, two, _) = stage.darkness, stage.clusters
    order = stage.order()
    before = darkness.objects(two)
    for cluster in (one, two):
        darkness.take_dark(cluster, order)
    fleet = stage.session.fleet
    lost = tuple(replace(each, uid="0" * 36) if each.name == two else each for each in fleet.clusters)
    workspace = stage.session.workspace
    async with open_session(workspace, fleet=replace(fleet, clusters=lost)) as session:
        outcome = await replace_session(stage, session).restore(order)
    verdicts = {item.cluster: item.verdict for item in outcome.items}
    assert verdicts == {one: Verdict.VERIFIED, two: Verdict.UNREACHABLE}
    assert "orchestrator guard" in darkness.try_to_wake(two)

    again = await stage.restore(order, replace(REFERENCE, reference=None))
    assert {item.cluster: item.verdict for item in again.items} == {two: Verdict.VERIFIED}
    assert darkness.objects(two) == before


def replace_session(stage: Stage, session: Session) -> Stage:
    """The same stage, through another session."""
    return Stage(stage.darkness, session, stage.state)


async def test_a_reference_is_needed(stage: Stage) -> None:
    """Neither an option nor the order says what the lifting rests on: exit 2."""
    with pytest.raises(UsageError):
        await stage.plan(stage.order(), replace(REFERENCE, reference=None))


async def test_a_model_that_was_off_before_stays_off(stage: Stage) -> None:
    """Records of zero replicas: guard, hold and records go, and it stays off, verified."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    planes = darkness.planes
    planes.kubectl(cluster, "delete", "hpa/fable", "-n", darkness.namespace)
    for name in ("deployment/fable", "statefulset/shard"):
        planes.kubectl(cluster, "scale", name, "--replicas=0", "-n", darkness.namespace)
    wait_until(lambda: not planes.read(cluster, "pods", "-n", darkness.namespace)["items"])
    before = darkness.objects(cluster)
    order = stage.order()
    darkness.take_dark(cluster, order)
    (item,) = (await stage.restore(order)).items
    assert item.state.value == "disabled"
    assert item.verdict is Verdict.VERIFIED
    assert darkness.objects(cluster) == before


async def test_a_damaged_record_is_never_verified(stage: Stage) -> None:
    """One record that cannot be read: the rest comes back, and the item says what is missing."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    order = stage.order()
    darkness.take_dark(cluster, order, forget=("statefulset/shard",))
    broken = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"restore.{darkness.model}.0123456789abcdef",
            "namespace": "orchestrator-system",
            "labels": {"orchestrator.dev/record": "restore", "orchestrator.dev/model": darkness.model},
        },
        "type": "orchestrator.dev/restore",
        "data": {"gz": "AAAA"},
    }
    darkness.create(cluster, broken)
    (item,) = (await stage.restore(order)).items
    assert item.verdict is Verdict.UNVERIFIED
    assert "damaged-record" in _codes(item.reasons)


async def test_clusters_of_a_wave_begin_spread_over_the_jitter(stage: Stage) -> None:
    """The order's jitter, and nothing begins before every cluster has its lift."""
    order = replace(stage.order(), restore=RestoreTerms(jitter=Seconds(2)))
    stage.orders.append(order)
    events: list[Event] = []
    stage.on_event = events.append
    for cluster in stage.clusters:
        stage.darkness.take_dark(cluster, order)
    plan = await stage.plan(order)
    assert [wave.jitter for wave in plan.waves] == [2.0]
    await asyncio.wait_for(stage.carry_out(plan), 120)
    lifted = [index for index, one in enumerate(events) if "lift." in str(one.data.get("object"))]
    begun = [index for index, one in enumerate(events) if one.type is EventType.ITEM_STARTED]
    assert max(lifted) < min(begun)
