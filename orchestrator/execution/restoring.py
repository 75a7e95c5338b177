"""One restore, from the locks to the last verdict: lifted everywhere first, then wave by wave.

A cluster that fails goes dark again by itself and costs its wave's others nothing; later waves are not begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.holds import Hold, Lift
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.result import ErrorDetail, ResultItem
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.errors import ClusterError, RefusedError
from orchestrator.execution import concluding
from orchestrator.execution.lifting import holds_under, write_lift
from orchestrator.execution.locks import Key, Locks
from orchestrator.execution.outcome import ClusterResult, ItemResult, StepTerms
from orchestrator.execution.ports import ClusterPorts, DarkPorts, RunOptions, RunOutcome
from orchestrator.execution.returning import WayBack, give_back
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.execution.waves import run_wave


async def bring_back(plan: Plan, ports: DarkPorts, options: RunOptions) -> RunOutcome:
    """Carry out the plan of a restore: lock, write the lift to every cluster of the plan, then its waves, unlock.

    What happens in a cluster is told by its items, never raised. Raises `LockedError` when somebody else holds a lock
    and `RefusedError` when the plan or one of its items is refused; then nothing was done. Raises ValueError for a
    plan without a lift.
    """
    if plan.lift is None:
        raise ValueError("a plan to restore without a lift")
    refusals = [*plan.refusals, *(reason for item in _items_of(plan) for reason in item.refusals)]
    if refusals:
        raise RefusedError(
            "; ".join(reason.message for reason in refusals),
            code=refusals[0].code,
            hint="`orchestrator plan` shows every detail",
        )
    run = _Restore(plan, plan.lift, ports, options)
    run.begin()
    try:
        await run.lock()
        await run.lift()
        await run.work_through_waves()
    finally:
        await run.unlock()
    return run.outcome()


class _Restore:
    """The state of one run."""

    def __init__(self, plan: Plan, lift: Lift, ports: DarkPorts, options: RunOptions) -> None:
        self._plan = plan
        self._lift = lift
        self._ports = ports
        self._options = options
        self._locks = Locks(ports.writers, options.holder, ports.clock)
        self._unlockable: Mapping[Key, ClusterError] = {}
        self._unlifted: dict[str, ClusterError] = {}
        """By cluster: why the lift could not be written there, or its holds not looked for."""
        self._held_since: dict[str, tuple[Hold, ...]] = {}
        """By cluster: holds of the lifted order that a takedown of it kept after this restore was planned."""
        self._left: dict[Key, ClusterError] = {}
        self._done: dict[str, ClusterResult] = {}
        self._failed: tuple[str, str] | None = None
        """The wave that failed, and why."""

    def begin(self) -> None:
        plan = self._plan
        data = {"run": self._options.run, "action": plan.action, "name": plan.name, "fleet": plan.fleet}
        waves = [{"step": wave.step, "clusters": len(wave.clusters)} for wave in plan.waves]
        ignored = [reason.message for reason in plan.overridden]
        self._emit(
            EventType.RUN_STARTED,
            places=concluding.places_of(plan),
            **data,
            models=list(plan.models),
            waves=waves,
            overridden=ignored,
        )

    async def lock(self) -> None:
        """Lock every (model, cluster) in which something is due before anything is written."""
        due = [
            (part.cluster.name, item.subject.model.name)
            for wave in self._plan.waves
            for part in wave.clusters
            for item in part.items
        ]
        options = self._options
        self._unlockable = await self._locks.acquire(due, wait=options.wait_lock, stop=options.stop)
        failed = {f"{model} in {cluster}": error.code for (cluster, model), error in self._unlockable.items()}
        self._emit(EventType.LOCKED, locks=len(due) - len(failed), failed=failed)

    async def lift(self) -> None:
        """Write the lift everywhere at once; a cluster that cannot be written is named, and the others go on."""
        if self._options.stop.is_set():
            return
        await asyncio.gather(*(self._lift_in(part) for wave in self._plan.waves for part in wave.clusters))

    async def work_through_waves(self) -> None:
        for wave in self._plan.waves:
            if self._options.stop.is_set() or self._failed:
                return
            self._emit(EventType.WAVE_STARTED, step=wave.step, clusters=len(wave.clusters))
            result = await run_wave(wave, partial(self._carry_out, wave), stop=self._options.stop, keep_going=True)
            self._done.update({part.cluster: part for part in result.clusters})
            if result.failure and not self._options.stop.is_set():
                self._failed = (wave.step, result.failure)
            self._emit(EventType.WAVE_ENDED, step=wave.step, failure=result.failure)

    async def unlock(self) -> None:
        self._left = dict(await self._locks.release())
        items = self._items()
        verdicts = {verdict.value: sum(item.verdict is verdict for item in items) for verdict in Verdict}
        locks = {f"{model} in {cluster}": error.code for (cluster, model), error in self._left.items()}
        self._emit(EventType.RUN_ENDED, verdicts={key: n for key, n in verdicts.items() if n}, locksLeft=locks)

    def outcome(self) -> RunOutcome:
        left = self._left
        items = tuple(
            concluding.with_lock_left(item, left[key]) if (key := (item.cluster, item.model)) in left else item
            for item in self._items()
        )
        ended_early = not items or any(
            item.verdict is Verdict.NOT_RUN or any(reason.code == "interrupted" for reason in item.reasons)
            for item in items
        )
        return RunOutcome(items=items, interrupted=self._options.stop.is_set() and ended_early, error=self._error())

    def _error(self) -> ErrorDetail | None:
        if getattr(self._ports.journal, "incomplete", False):
            message = "the journal could not be written: the evidence of this run is incomplete"
            return ErrorDetail(code="evidence-incomplete", message=message)
        if self._unlifted:
            where = "; ".join(f"{name}: {printable(error.message)}" for name, error in self._unlifted.items())
            message = f"the lift could not be written and looked after everywhere: {where}"
            return ErrorDetail(code="lift-incomplete", message=message, hint="restore again once it can be")
        return None

    async def _lift_in(self, part: ClusterPlan) -> None:
        name = part.cluster.name
        try:
            await write_lift(self._ports.writers[name], self._lift, self._ports.clock, self._pass_on)
            planned = {item.subject.model.name for item in part.items}
            holds = await holds_under(self._ports.writers[name], self._lift)
            self._held_since[name] = tuple(hold for hold in holds if hold.model not in planned)
        except ClusterError as error:
            self._unlifted[name] = error

    async def _carry_out(self, wave: WavePlan, part: ClusterPlan) -> ClusterResult:
        """A cluster's part, begun somewhere within the wave's jitter; its models come back side by side."""
        if part.items and wave.jitter and len(wave.clusters) > 1:
            pause = self._ports.clock.sleep(random.uniform(0, wave.jitter))  # noqa: S311 - no secret depends on it
            with contextlib.suppress(Interrupted):
                await unless_stopped(pause, self._options.stop)
        items = await asyncio.gather(*(self._give_back(wave, part, item) for item in part.items))
        return ClusterResult(cluster=part.cluster.name, items=tuple(items))

    async def _give_back(self, wave: WavePlan, part: ClusterPlan, item: ItemPlan) -> ItemResult:
        name = part.cluster.name
        error = self._unlockable.get((name, item.subject.model.name)) or self._unlifted.get(name)
        if error is not None:
            verdict, reason = concluding.verdict_on_failure(error, refused=True, sent=False)
            return ItemResult(item=item, result=concluding.blank(item, part.cluster, verdict, reason))
        way = WayBack(
            part=part, ports=self._ports_of(name), prover=self._ports.guard_prover, terms=self._terms_of(wave)
        )
        return ItemResult(item=item, result=await give_back(item, way))

    def _ports_of(self, cluster: str) -> ClusterPorts:
        ports = self._ports
        return ClusterPorts(
            writer=ports.writers[cluster],
            verifier=ports.verifier,
            prober=ports.prober,
            checks=ports.checks,
            clock=ports.clock,
            emit=self._pass_on,
            make_durable=ports.journal.make_durable,
            ensure_lock=partial(self._locks.ensure, cluster),
            stop=self._options.stop,
        )

    def _terms_of(self, wave: WavePlan) -> StepTerms:
        return StepTerms(
            step=wave.step,
            soak_key=f"{self._plan.name}/{wave.step}",
            progress_deadline=float(wave.strategy.progress_deadline),
            send_deadline=self._options.cluster_deadline,
            soak=wave.soak,
        )

    def _emit(self, type_: EventType, *, step: str | None = None, **data: Any) -> None:
        self._pass_on(Event(type=type_, at=self._ports.clock.now(), step=step, data=data))

    def _pass_on(self, event: Event) -> None:
        if event.type is not EventType.PROGRESS:
            self._ports.journal.record(event)
        # A terminal or pipe that went away must not stop a run half-way.
        with contextlib.suppress(OSError):
            self._ports.tell(event)

    def _items(self) -> tuple[ResultItem, ...]:
        items: list[ResultItem] = []
        for wave in self._plan.waves:
            for part in wave.clusters:
                done = self._done.get(part.cluster.name)
                items += [item.result for item in done.items] if done else self._not_run(part)
                items += [
                    concluding.held_since(part.cluster, hold) for hold in self._held_since.get(part.cluster.name, ())
                ]
            for cluster, reason in wave.unreachable:
                items += [concluding.unreachable(model, cluster, wave.want, reason) for model in wave.models]
        return tuple(items)

    def _not_run(self, part: ClusterPlan) -> list[ResultItem]:
        reason = Reason(code="interrupted", message="the run was interrupted before this cluster's turn")
        if self._failed:
            wave, failure = self._failed
            reason = Reason(code="step-failed", message=f"wave {wave} failed ({failure}): it stays dark here")
        return [
            replace(concluding.blank(item, part.cluster, Verdict.NOT_RUN), reasons=(reason,)) for item in part.items
        ]


def _items_of(plan: Plan) -> list[ItemPlan]:
    return [item for wave in plan.waves for part in wave.clusters for item in part.items]
