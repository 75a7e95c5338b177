"""When the last pod went, as an independent watch saw it, and when we said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import Resource, dig
from orchestrator.core.ports import ChangeType, ClusterReader
from orchestrator.core.result import Times
from tests.cluster.conftest import ControlPlanes
from tests.cluster.execution.conftest import Runner
from tests.cluster.execution.dark import OFF, Takedown, wanted_off
from tests.cluster.execution.plans import SLOW_TO_GO, Release, plan, wave
from tests.cluster.execution.regions import Region

PODS = Resource("", "v1", "pods", "Pod")
AT_ONCE = timedelta(milliseconds=100)


@dataclass
class Onlooker:
    """Another connection's watch of a namespace's pods."""

    gone_at: datetime | None = None
    """When the event came that left none."""
    _pods: set[str] = field(default_factory=set)

    async def look(self, reader: ClusterReader, namespace: str, listed: asyncio.Event) -> None:
        async with aclosing(reader.follow(PODS, namespace)) as changes:
            async for change in changes:
                if change.type is ChangeType.LISTED:
                    self._pods = {str(dig(pod, "metadata", "uid")) for pod in change.items}
                    listed.set()
                    continue
                uid = str(dig(change.object, "metadata", "uid"))
                if change.type is not ChangeType.DELETED:
                    self._pods.add(uid)
                    continue
                self._pods.discard(uid)
                if not self._pods:
                    self.gone_at = datetime.now(UTC)


@asynccontextmanager
async def onlooker(region: Region, planes: ControlPlanes) -> AsyncIterator[Onlooker]:
    """An independent witness of one region, under way."""
    from orchestrator.core.fleet import Fleet
    from orchestrator.delivery import connect

    cluster, made, listed = region.writer.cluster, Onlooker(), asyncio.Event()
    async with connect(Fleet(name="onlooker", clusters=(cluster,)), kubeconfig=planes.kubeconfig) as connection:
        looking = asyncio.create_task(made.look(connection.writer(cluster.name), region.namespace, listed))
        try:
            await asyncio.wait_for(listed.wait(), 20)
            yield made
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


def check_moments(seen: Onlooker, told: list[datetime], times: Times) -> None:
    """It was told once, and that is the item's time; both are the event's as somebody else saw it."""
    assert seen.gone_at is not None and times.last_pod_gone is not None
    assert len(told) == 1
    assert abs(times.last_pod_gone - seen.gone_at) <= AT_ONCE
    assert told[0] - seen.gone_at <= AT_ONCE
    assert times.stopped is not None and times.started is not None
    assert times.started <= times.stopped


async def test_a_takedown_tells_at_once_when_the_last_pod_is_gone(
    takedown: Takedown, control_planes: ControlPlanes
) -> None:
    """Pods go while the guard is still being proven; nobody waits for that to say so."""
    await takedown.region.bring_to(takedown.release)
    told: list[datetime] = []

    def hear(event: Event) -> None:
        if event.type is EventType.LAST_POD_GONE:
            told.append(datetime.now(UTC))

    takedown.on_event = hear
    async with onlooker(takedown.region, control_planes) as seen:
        item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    check_moments(seen, told, item.times)


async def test_a_plain_disable_tells_at_once_as_well(
    runner: Runner, regions: list[Region], control_planes: ControlPlanes
) -> None:
    region = regions[0]
    release = Release(region.model, region.namespace, pod_annotations=SLOW_TO_GO)
    await region.bring_to(release)
    told: list[datetime] = []

    def hear(event: Event) -> None:
        if event.type is EventType.LAST_POD_GONE:
            told.append(datetime.now(UTC))

    runner.on_event = hear
    async with onlooker(region, control_planes) as seen:
        off = await release.plan_off(region.writer, "off")
        (item,) = (await runner.run(plan(region.model, wave("off", (region.writer, off))))).items

    assert item.verdict.value == "verified", item.reasons
    check_moments(seen, told, item.times)
