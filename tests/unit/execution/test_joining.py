"""Clusters that answer after a takedown has begun: they join it, hold nobody up, and are never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from orchestrator.core.events import EventType
from orchestrator.core.plan import AWAITED, Plan
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.errors import HoldRefusal
from orchestrator.execution import Joined, RunOutcome
from tests.unit.execution.test_darkening import DarkWorld, replicas_in
from tests.unit.execution.world import codes

TIMEOUT = Reason(code="timeout", message="no connection within 5 s")

Join = Callable[[], Awaitable[Plan]]


@dataclass
class Late:
    """Clusters that join when they are told to."""

    plan: Join
    clusters: tuple[str, ...] = ("b",)
    unsearched: str | None = None

    async def join(self) -> Joined:
        return Joined(plan=await self.plan(), unsearched=self.unsearched)


def early(world: DarkWorld, *late: str) -> Plan:
    """The takedown that begins without some of the clusters."""
    plan = world.plan()
    (wave,) = plan.waves
    away = tuple((part.cluster, AWAITED) for part in wave.clusters if part.cluster.name in late)
    here = tuple(part for part in wave.clusters if part.cluster.name not in late)
    return replace(plan, waves=(replace(wave, clusters=here, unreachable=away, models=plan.models),))


def of_late(world: DarkWorld, *late: str, away: tuple[str, ...] = ()) -> Plan:
    """The takedown of the others, once they have answered or given up."""
    plan = world.plan()
    (wave,) = plan.waves
    clusters = tuple(part for part in wave.clusters if part.cluster.name in late)
    silent = tuple((part.cluster, TIMEOUT) for part in wave.clusters if part.cluster.name in away)
    return replace(plan, waves=(replace(wave, clusters=clusters, unreachable=silent, models=plan.models),))


async def until_stopped(world: DarkWorld, name: str) -> None:
    """Until a cluster's workload is down; the memory's clock goes as fast as the loop."""
    for _ in range(100_000):
        if not replicas_in(world, name):
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{name} was never stopped")


async def take_down(world: DarkWorld, plan: Plan, join: Join, *, unsearched: str | None = None) -> RunOutcome:
    return await world.take_dark(plan, Late(join, unsearched=unsearched))


def by_cluster(outcome: RunOutcome) -> dict[str, ResultItem]:
    found = {item.cluster: item for item in outcome.items}
    assert len(found) == len(outcome.items), "an item is told twice"
    return found


async def test_one_joins_that_answers_when_the_others_are_done_already() -> None:
    world = DarkWorld("ab")
    seen: list[int] = []

    async def join() -> Plan:
        await until_stopped(world, "a")
        seen.append(replicas_in(world, "b"))
        return of_late(world, "b")

    outcome = await take_down(world, early(world, "b"), join)
    assert seen == [3], "nobody waited for it, and nothing was sent to it before it had answered"
    items = by_cluster(outcome)
    assert {name: item.verdict for name, item in items.items()} == {"a": Verdict.VERIFIED, "b": Verdict.VERIFIED}
    assert replicas_in(world, "b") == 0
    assert outcome.plan is not None
    assert [part.cluster.name for part in outcome.plan.waves[0].clusters] == ["a", "b"]
    assert outcome.plan.awaited == ()
    assert EventType.JOINED in [event.type for event in world.journal.events]


async def test_one_that_never_answers_is_out_of_reach_for_its_own_reason() -> None:
    world = DarkWorld("ab")

    async def join() -> Plan:
        return of_late(world, away=("b",))

    items = by_cluster(await take_down(world, early(world, "b"), join))
    assert (items["a"].verdict, items["b"].verdict) == (Verdict.VERIFIED, Verdict.UNREACHABLE)
    assert codes(items["b"]) == ["timeout"]


async def test_what_late_ones_know_may_forbid_to_go_on_and_never_counts_as_proven() -> None:
    """The order is lifted, as only they record: that is said, and the whole is not verified."""
    world = DarkWorld("ab")

    async def join() -> Plan:
        raise HoldRefusal("the order is lifted, as b records", hint="restore it", code="lifted")

    outcome = await take_down(world, early(world, "b"), join)
    items = by_cluster(outcome)
    assert (items["b"].verdict, codes(items["b"])) == (Verdict.UNVERIFIED, ["not-joined"])
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.hint) == ("lifted", "restore it")
    assert replicas_in(world, "b") == 3


async def test_a_defect_on_the_way_costs_the_others_nothing() -> None:
    world = DarkWorld("ab")

    async def join() -> Plan:
        raise ZeroDivisionError

    items = by_cluster(await take_down(world, early(world, "b"), join))
    assert (items["a"].verdict, items["b"].verdict) == (Verdict.VERIFIED, Verdict.UNVERIFIED)


async def test_a_defect_after_they_have_joined_costs_the_others_nothing_either() -> None:
    """There is no way to it: whatever the reason, the early ones go on, and it is not lost."""
    world = DarkWorld("ab")
    plan = early(world, "b")
    late = of_late(world, "b")
    del world.clusters["b"]

    async def join() -> Plan:
        return late

    outcome = await take_down(world, plan, join)
    items = by_cluster(outcome)
    assert (items["a"].verdict, items["b"].verdict) == (Verdict.VERIFIED, Verdict.UNVERIFIED)
    assert outcome.error is not None
    assert outcome.error.code == "internal"


async def test_what_the_others_were_not_searched_for_is_said_before_anything_counts_as_proven() -> None:
    world = DarkWorld("ab")

    async def join() -> Plan:
        return of_late(world, "b")

    outcome = await take_down(world, early(world, "b"), join, unsearched="b knows of a derivative")
    assert {item.verdict for item in outcome.items} == {Verdict.VERIFIED}
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.message) == ("searched-in-part", "b knows of a derivative")


async def test_a_signal_cuts_the_run_short_also_where_none_of_them_is_concerned() -> None:
    """What they might have known of the order was never asked."""
    world = DarkWorld("a")

    async def join() -> Plan:
        await until_stopped(world, "a")
        while world.journal.events[-1].type is not EventType.ITEM_ENDED:  # noqa: ASYNC110
            await asyncio.sleep(0)
        world.stop.set()
        await asyncio.Event().wait()
        raise AssertionError

    outcome = await take_down(world, world.plan(), join)
    assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED]
    assert outcome.interrupted


async def test_a_signal_ends_the_waiting_for_them() -> None:
    world = DarkWorld("ab")

    async def join() -> Plan:
        await until_stopped(world, "a")
        world.stop.set()
        await asyncio.Event().wait()
        raise AssertionError

    outcome = await take_down(world, early(world, "b"), join)
    items = by_cluster(outcome)
    assert outcome.interrupted
    assert (items["b"].verdict, codes(items["b"])) == (Verdict.NOT_RUN, ["interrupted"])
