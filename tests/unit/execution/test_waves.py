"""One step over its clusters: order, how many at once, and when it has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.fleet import Cluster
from orchestrator.core.plan import ClusterPlan
from orchestrator.core.playbook import Strategy
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.execution.concluding import blank
from orchestrator.execution.outcome import ClusterResult, ItemResult
from orchestrator.execution.waves import Standing, WaveResult, failure_of, run_wave, standing_of
from tests.unit.execution.doubles import item_of, wave_of


def part_of(name: str) -> ClusterPlan:
    cluster = Cluster(name=name, region="r")
    return ClusterPlan(cluster=cluster, items=(item_of(cluster),))


def result_of(part: ClusterPlan, verdict: Verdict) -> ClusterResult:
    items = tuple(ItemResult(item=item, result=blank(item, part.cluster, verdict)) for item in part.items)
    return ClusterResult(cluster=part.cluster.name, items=items)


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        ([Verdict.VERIFIED], Standing.THROUGH),
        ([Verdict.VERIFIED, Verdict.HELD], Standing.THROUGH),
        ([Verdict.HELD], Standing.THROUGH),
        ([], Standing.THROUGH),
        ([Verdict.FAILED, Verdict.VERIFIED], Standing.FAILED),
        ([Verdict.UNVERIFIED], Standing.FAILED),
        ([Verdict.RESIDUE], Standing.FAILED),
        ([Verdict.UNREACHABLE], Standing.UNREACHABLE),
        ([Verdict.UNREACHABLE, Verdict.FAILED], Standing.FAILED),
        ([Verdict.NOT_RUN, Verdict.VERIFIED], Standing.NOT_RUN),
    ],
)
def test_only_what_is_proven_or_held_lets_the_next_step_begin(verdicts: list[Verdict], standing: Standing) -> None:
    assert standing_of(verdicts) is standing


@pytest.mark.parametrize(
    ("strategy", "failed", "unreachable", "fails"),
    [
        (Strategy(), 0, 0, False),
        (Strategy(), 1, 0, True),
        (Strategy(max_failures=2), 2, 0, False),
        (Strategy(max_failures=2), 3, 0, True),
        (Strategy(), 0, 99, False),
        (Strategy(max_unreachable=0), 0, 1, True),
        (Strategy(max_unreachable=1), 0, 1, False),
    ],
)
def test_budgets_tolerate_exactly_their_number(strategy: Strategy, failed: int, unreachable: int, fails: bool) -> None:
    assert (failure_of(strategy, failed=failed, unreachable=unreachable) is not None) is fails


class Watched:
    """Carries out clusters as told, and remembers who was at work together."""

    def __init__(self, verdicts: dict[str, Verdict], ticks: dict[str, int] | None = None) -> None:
        self.verdicts, self.ticks = verdicts, ticks or {}
        self.begun: list[str] = []
        self.at_work: set[str] = set()
        self.most = 0
        self.failed_before: dict[str, int] = {}

    def __call__(self, part: ClusterPlan) -> Coroutine[Any, Any, ClusterResult]:
        # Not a coroutine itself: what counts is when a cluster is begun, not when the loop gets to it.
        name = part.cluster.name
        self.failed_before[name] = sum(self.verdicts[done] is Verdict.FAILED for done in self.ended)
        self.begun.append(name)
        self.at_work.add(name)
        self.most = max(self.most, len(self.at_work))
        return self._work(part)

    async def _work(self, part: ClusterPlan) -> ClusterResult:
        name = part.cluster.name
        for _ in range(self.ticks.get(name, 1)):
            await asyncio.sleep(0)
        self.at_work.remove(name)
        return result_of(part, self.verdicts[name])

    @property
    def ended(self) -> list[str]:
        return [name for name in self.begun if name not in self.at_work]


verdicts_of_clusters = st.lists(
    st.sampled_from([Verdict.VERIFIED, Verdict.FAILED, Verdict.UNREACHABLE, Verdict.HELD]), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(
    verdicts=verdicts_of_clusters,
    ticks=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    max_concurrent=st.integers(1, 5),
    max_failures=st.integers(0, 3),
    keep_going=st.booleans(),
)
def test_no_schedule_breaks_order_concurrency_or_budget(
    verdicts: list[Verdict], ticks: list[int], max_concurrent: int, max_failures: int, keep_going: bool
) -> None:
    """Whatever fails and however long each takes: begun in order, never too many at once, none after the failure."""
    names = [f"c{number:02}" for number in range(len(verdicts))]
    watched = Watched(dict(zip(names, verdicts, strict=True)), dict(zip(names, ticks, strict=False)))
    wave = wave_of("s", *map(part_of, names), max_concurrent=max_concurrent, max_failures=max_failures)

    result = asyncio.run(_run(wave, watched, keep_going=keep_going))

    assert watched.begun == names[: len(watched.begun)]
    assert watched.most <= max_concurrent
    assert not watched.at_work
    assert [done.cluster for done in result.clusters] == watched.begun
    failures = sum(watched.verdicts[name] is Verdict.FAILED for name in watched.begun)
    assert (result.failure is not None) is (failures > max_failures)
    if keep_going or result.failure is None:
        assert watched.begun == names
    else:
        # What was begun last was begun while the budget still held.
        assert all(before <= max_failures for before in watched.failed_before.values())


async def _run(wave: object, watched: Watched, *, keep_going: bool = False) -> WaveResult:
    return await run_wave(wave, watched, stop=asyncio.Event(), keep_going=keep_going)  # type: ignore[arg-type]


async def test_unreachable_clusters_of_the_plan_count_before_anything_is_begun() -> None:
    lost = ((Cluster(name="lost", region="r"), Reason(code="unreachable", message="no answer")),)
    wave = replace(wave_of("s", part_of("a"), max_unreachable=0), unreachable=lost)
    watched = Watched({"a": Verdict.VERIFIED})
    result = await _run(wave, watched)
    assert watched.begun == []
    assert result.failure == "1 unreachable, 0 tolerated"


async def test_clusters_that_become_unreachable_count_as_well() -> None:
    watched = Watched({"a": Verdict.UNREACHABLE, "b": Verdict.UNREACHABLE, "c": Verdict.VERIFIED})
    wave = wave_of("s", *map(part_of, "abc"), max_unreachable=1, max_concurrent=1)
    result = await _run(wave, watched)
    assert watched.begun == ["a", "b"]
    assert result.failure == "2 unreachable, 1 tolerated"


async def test_a_stop_begins_nothing_more_and_waits_for_what_was_begun() -> None:
    stop = asyncio.Event()
    watched = Watched(dict.fromkeys("abc", Verdict.VERIFIED))

    async def carry_out(part: ClusterPlan) -> ClusterResult:
        stop.set()
        return await watched(part)

    wave = wave_of("s", *map(part_of, "abc"), max_concurrent=1)
    result = await run_wave(wave, carry_out, stop=stop, keep_going=False)
    assert [done.cluster for done in result.clusters] == ["a"]
    assert result.failure is None


async def test_a_defect_in_one_cluster_ends_every_task_of_the_step() -> None:
    ended = []

    async def carry_out(part: ClusterPlan) -> ClusterResult:
        if part.cluster.name == "a":
            raise RuntimeError("a defect")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(part.cluster.name)
        raise AssertionError

    with pytest.raises(RuntimeError, match="a defect"):
        await run_wave(wave_of("s", *map(part_of, "ab")), carry_out, stop=asyncio.Event(), keep_going=False)
    assert ended == ["b"]
