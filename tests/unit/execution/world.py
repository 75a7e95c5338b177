"""Some clusters in memory and everything that a run over them needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.events import Event
from orchestrator.core.plan import ClusterPlan, Plan
from orchestrator.core.ports import Clock
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import Verdict
from orchestrator.execution import RunOptions, RunOutcome, RunPorts, execute
from tests.unit.execution.doubles import (
    JumpingClock,
    MemoryCluster,
    MemoryJournal,
    SilentProber,
    ToldVerifier,
    item_of,
)


@dataclass
class World:
    """Some clusters in memory, and everything a run needs."""

    names: str = "abc"
    verifier: ToldVerifier = field(default_factory=ToldVerifier)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    clock: JumpingClock = field(default_factory=JumpingClock)
    told: list[Event] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    wait_lock: float | None = None
    cluster_deadline: float = 600.0
    on_event: Callable[[Event], None] = lambda event: None

    def __post_init__(self) -> None:
        self.clusters = {name: MemoryCluster(name) for name in self.names}

    def part(self, name: str, **changed: Any) -> ClusterPlan:
        cluster = self.clusters[name].cluster
        return ClusterPlan(cluster=cluster, items=(item_of(cluster, **changed),))

    def hear(self, event: Event) -> None:
        self.told.append(event)
        self.on_event(event)

    async def run(self, plan: Plan) -> RunOutcome:
        clock: Clock = self.clock
        ports = RunPorts(
            writers=self.clusters,
            verifier=self.verifier,
            prober=SilentProber(),
            checks={},
            journal=self.journal,
            clock=clock,
            tell=self.hear,
        )
        options = RunOptions(
            run="R",
            holder="me@here pid 1 run R",
            wait_lock=self.wait_lock,
            stop=self.stop,
            cluster_deadline=self.cluster_deadline,
        )
        return await asyncio.wait_for(execute(plan, ports, options), 20)

    def writes(self) -> dict[str, list[str]]:
        return {name: cluster.writes() for name, cluster in self.clusters.items() if cluster.writes()}


def verdicts(outcome: RunOutcome) -> dict[str, Verdict]:
    return {item.cluster: item.verdict for item in outcome.items}


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]
