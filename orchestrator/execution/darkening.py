"""A takedown: every cluster of its plan at once, to the end, whatever fails on the way.

It takes no safety rule, no lock and no other cluster's trouble for a reason to wait. It never rolls back. Clusters that
had not answered when it was planned join it, together, once each has answered or given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from functools import partial
from typing import Any

from orchestrator.core.dispatch import Question
from orchestrator.core.events import Event, EventType
from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold
from orchestrator.core.plan import AWAITED, ClusterPlan, ItemPlan, Plan
from orchestrator.core.result import ErrorDetail, ResultItem
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Verdict, Want
from orchestrator.errors import OrchestratorError
from orchestrator.execution import concluding
from orchestrator.execution.dark_item import DarkItem
from orchestrator.execution.darkness import DarkClusterPorts
from orchestrator.execution.ports import DarkPorts, RunOptions, RunOutcome
from orchestrator.execution.seizing import SeizedLocks
from orchestrator.execution.stopping import Interrupted, unless_stopped


async def take_dark(plan: Plan, ports: DarkPorts, options: RunOptions) -> RunOutcome:
    """Carry out a takedown: each model in each cluster, all at once. What happens is told by its items, never raised.

    A second run of the same takedown proves everything anew and writes only what is missing.
    """
    return await _Takedown(plan, ports, options).carry_out()


class _Takedown:
    """The state of one takedown."""

    def __init__(self, plan: Plan, ports: DarkPorts, options: RunOptions) -> None:
        self._plan = plan
        self._ports = ports
        self._options = options
        self._locks = SeizedLocks(ports.writers, options.holder, ports.clock)
        self._fault: ErrorDetail | None = None
        """Why those that were awaited may not join, or what the others were not searched for."""
        self._is_cut_short = False
        """Whether a signal ended the waiting for them."""

    async def carry_out(self) -> RunOutcome:
        plan = self._plan
        waves = [{"step": wave.step, "clusters": len(wave.clusters)} for wave in plan.waves]
        about = {"run": self._options.run, "action": plan.action, "name": plan.name, "order": plan.order_digest}
        self._emit(
            EventType.RUN_STARTED,
            places=concluding.places_of(plan),
            deadline=_deadline_of(plan),
            **about,
            fleet=plan.fleet,
            models=list(plan.models),
            waves=waves,
        )
        items: list[ResultItem] = []
        try:
            items = [*itertools.chain(*await asyncio.gather(self._take_all_dark(plan), self._join()))]
        finally:
            left = dict(await self._locks.release())
            verdicts = {verdict.value: sum(item.verdict is verdict for item in items) for verdict in Verdict}
            locks = {f"{model} in {cluster}": error.code for (cluster, model), error in left.items()}
            self._emit(EventType.RUN_ENDED, verdicts={key: n for key, n in verdicts.items() if n}, locksLeft=locks)
        items = [
            concluding.with_lock_left(item, left[key]) if (key := (item.cluster, item.model)) in left else item
            for item in items
        ]
        items += [
            self._out_of_reach(model, cluster, wave.want, reason)
            for wave in self._plan.waves
            for cluster, reason in wave.unreachable
            for model in (wave.models or self._plan.models)
        ]
        return self._outcome(tuple(items))

    async def _join(self) -> list[ResultItem]:
        """Take those dark that answer late. Nobody waits for them, and no defect of theirs reaches anybody else."""
        if self._ports.late is None:
            return []
        try:
            late = await unless_stopped(self._ports.late.join(), self._options.stop)
            self._emit(EventType.JOINED, places=concluding.places_of(late.plan), unsearched=late.unsearched)
            items = await self._take_all_dark(late.plan)
        except Interrupted:
            self._is_cut_short = True
        except OrchestratorError as error:
            self._fault = ErrorDetail(code=error.code, message=printable(error.message, 600), hint=error.hint)
        except Exception as error:
            words = f"a defect of this tool: {type(error).__name__}: {printable(error, 200)}"
            hint = "the same command again looks at every cluster anew; please report what it says here"
            self._fault = ErrorDetail(code="internal", message=words, hint=hint)
        else:
            self._plan = self._plan.joined_by(late.plan)
            if late.unsearched is not None:
                hint = "the same command again searches every cluster for it"
                self._fault = ErrorDetail(code="searched-in-part", message=late.unsearched, hint=hint)
            return items
        return []

    def _out_of_reach(self, model: str, cluster: Cluster, want: Want, reason: Reason) -> ResultItem:
        if reason != AWAITED:
            return concluding.unreachable(model, cluster, want, reason)
        if self._fault is not None:
            return concluding.not_joined(model, cluster, want, self._fault.message)
        return concluding.not_awaited(model, cluster, want)

    def _outcome(self, items: tuple[ResultItem, ...]) -> RunOutcome:
        ended_early = any(reason.code == "interrupted" for item in items for reason in item.reasons)
        error = self._fault
        if getattr(self._ports.journal, "incomplete", False):
            message = "the journal could not be written: the evidence of this run is incomplete"
            error = ErrorDetail(code="evidence-incomplete", message=message)
        interrupted = self._is_cut_short or (self._options.stop.is_set() and ended_early)
        return RunOutcome(items=items, interrupted=interrupted, error=error, plan=self._plan)

    async def _take_all_dark(self, plan: Plan) -> list[ResultItem]:
        parts = [part for wave in plan.waves for part in wave.clusters]
        done = await asyncio.gather(*(self._take_cluster_dark(part) for part in parts))
        return [item for found in done for item in found]

    async def _take_cluster_dark(self, part: ClusterPlan) -> tuple[ResultItem, ...]:
        return tuple(await asyncio.gather(*(self._take_dark(part.cluster, item) for item in part.items)))

    async def _take_dark(self, cluster: Cluster, item: ItemPlan) -> ResultItem:
        blank = concluding.blank(item, cluster, Verdict.NOT_RUN)
        if item.darkening is None:
            words = "the plan says nothing of how it is taken dark: a defect of this tool"
            return concluding.blank(item, cluster, Verdict.UNVERIFIED, Reason(code="internal", message=words))
        ports = self._ports_of(cluster, item.darkening.hold)
        return await DarkItem(item, item.darkening, ports, blank).carry_out()

    def _ports_of(self, cluster: Cluster, hold: Hold) -> DarkClusterPorts:
        ports = self._ports

        async def ensure_lock(model: str) -> Question:
            return await self._locks.ensure(cluster.name, hold)

        return DarkClusterPorts(
            writer=ports.writers[cluster.name],
            verifier=ports.verifier,
            prober=ports.prober,
            checks=ports.checks,
            clock=ports.clock,
            emit=self._pass_on,
            make_durable=ports.journal.make_durable,
            ensure_lock=ensure_lock,
            needs_lock=False,
            stop=self._options.stop,
            guard_prover=ports.guard_prover,
            seize=partial(self._locks.seize, cluster.name),
            cluster_deadline=self._options.cluster_deadline,
        )

    def _emit(self, type_: EventType, **data: Any) -> None:
        self._pass_on(Event(type=type_, at=self._ports.clock.now(), data=data))

    def _pass_on(self, event: Event) -> None:
        if event.type is not EventType.PROGRESS:
            self._ports.journal.record(event)
        # A terminal or pipe that went away must not stop a takedown half-way.
        with contextlib.suppress(OSError):
            self._ports.tell(event)


def _deadline_of(plan: Plan) -> str | None:
    items = (item for wave in plan.waves for part in wave.clusters for item in part.items)
    limits = [item.darkening.hold.deadline for item in items if item.darkening and item.darkening.hold.deadline]
    return min(limits).isoformat() if limits else None
