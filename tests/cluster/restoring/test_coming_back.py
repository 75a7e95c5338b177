"""The way back, on real control planes: from what a takedown leaves to every object as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import yaml

from orchestrator.core.events import Event, EventType
from orchestrator.core.order import RestoreTerms
from orchestrator.core.schema import Seconds
from orchestrator.core.verdict import Verdict
from orchestrator.workflow.restoring import plan_restore
from orchestrator.workflow.session import load_workspace, open_session
from tests.cluster.conftest import TestWorkspace
from tests.cluster.orders import wait_until
from tests.cluster.restoring.conftest import REFERENCE, Stage, codes


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


async def test_a_probe_of_another_cluster_is_not_asked_for_this_one(stage: Stage, workspace: TestWorkspace) -> None:
    """Also where no catalogue entry tells which probes are this cluster's: it would list what comes back elsewhere."""
    darkness, (here, there, _) = stage.darkness, stage.clusters
    own, other = "https://here.models.example", "https://there.models.example"
    probes = [{"url": own, "scope": {"clusters": [here]}}, {"url": other, "scope": {"clusters": [there]}}]
    model = workspace.root / f"manifests/{darkness.model}/model.yaml"
    document = yaml.safe_load(model.read_text())
    model.write_text(yaml.safe_dump({**document, "spec": {**document["spec"], "probes": probes}}))
    entry = f"configmap/model.{darkness.model}"
    darkness.planes.kubectl(here, "delete", entry, "-n", "orchestrator-system")
    order = stage.order()
    darkness.take_dark(here, order)

    async with open_session(load_workspace(workspace.root)) as session:
        plan = await plan_restore(session, order, REFERENCE)

    items = [item for wave in plan.waves for part in wave.clusters for item in part.items]
    assert [(item.subject.cluster, [probe.url for probe in item.subject.model.probes]) for item in items] == [
        (here, [own])
    ]


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, pytest.param(1, marks=pytest.mark.long)])
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


@pytest.mark.slow
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
        outcome = await replace(stage, session=session).restore(order)
    verdicts = {item.cluster: item.verdict for item in outcome.items}
    assert verdicts == {one: Verdict.VERIFIED, two: Verdict.UNREACHABLE}
    assert "orchestrator guard" in darkness.try_to_wake(two)

    again = await stage.restore(order, replace(REFERENCE, reference=None))
    assert {item.cluster: item.verdict for item in again.items} == {two: Verdict.VERIFIED}
    assert darkness.objects(two) == before


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
    assert "damaged-record" in codes(item.reasons)


@pytest.mark.long
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
