"""One step over its clusters: how many at once, and when it has failed.

It knows budgets and order; it refuses to know what is done in a cluster, which comes as an argument.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.plan import ClusterPlan, WavePlan
from orchestrator.core.playbook import Strategy
from orchestrator.core.verdict import Verdict
from orchestrator.execution.outcome import ClusterResult


class Standing(StrEnum):
    """How a cluster counts in its step's budget."""

    THROUGH = "through"
    FAILED = "failed"
    """Not proven counts as failed: only what is proven opens a gate."""
    UNREACHABLE = "unreachable"
    NOT_RUN = "notRun"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveResult:
    """How a step ended."""

    clusters: tuple[ClusterResult, ...]
    """Clusters that were begun, in the plan's order."""
    failure: str | None = None
    """Why the step failed, in words; None when it may be followed by the next."""


def standing_of(verdicts: Iterable[Verdict]) -> Standing:
    """How a cluster with items of these verdicts counts."""
    seen = set(verdicts)
    if seen & {Verdict.FAILED, Verdict.RESIDUE, Verdict.UNVERIFIED}:
        return Standing.FAILED
    if Verdict.UNREACHABLE in seen:
        return Standing.UNREACHABLE
    return Standing.NOT_RUN if Verdict.NOT_RUN in seen else Standing.THROUGH


def failure_of(strategy: Strategy, *, failed: int, unreachable: int) -> str | None:
    """Why a step with so many failed and unreachable clusters has failed; None while its budget holds."""
    if failed > strategy.max_failures:
        return f"{failed} failed, {strategy.max_failures} tolerated"
    if strategy.max_unreachable is not None and unreachable > strategy.max_unreachable:
        return f"{unreachable} unreachable, {strategy.max_unreachable} tolerated"
    return None


async def run_wave(
    wave: WavePlan,
    carry_out: Callable[[ClusterPlan], Awaitable[ClusterResult]],
    *,
    stop: asyncio.Event,
    keep_going: bool,
) -> WaveResult:
    """Work on a step's clusters, `maxConcurrent` at a time, in order, until it is through or has failed.

    A cluster that was begun is always brought to its own end. With `keep_going` a failed step begins its other
    clusters as well.
    """
    waiting = deque(wave.clusters)
    running: set[asyncio.Task[ClusterResult]] = set()
    done: list[ClusterResult] = []
    failed, unreachable = 0, len(wave.unreachable)
    failure = failure_of(wave.strategy, failed=failed, unreachable=unreachable)
    try:
        while True:
            while waiting and len(running) < max(1, wave.strategy.max_concurrent) and not stop.is_set():
                if failure and not keep_going:
                    break
                part = waiting.popleft()
                running.add(asyncio.ensure_future(carry_out(part)))
            if not running:
                break
            finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            done += [task.result() for task in finished]
            standings = [standing_of(item.result.verdict for item in result.items) for result in done]
            failed = standings.count(Standing.FAILED)
            unreachable = len(wave.unreachable) + standings.count(Standing.UNREACHABLE)
            failure = failure_of(wave.strategy, failed=failed, unreachable=unreachable)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    order = {part.cluster.name: place for place, part in enumerate(wave.clusters)}
    return WaveResult(clusters=tuple(sorted(done, key=lambda result: order[result.cluster])), failure=failure)
