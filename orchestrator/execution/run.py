"""One run of a plan, from the locks to the last verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.result import ErrorDetail, ResultItem
from orchestrator.core.verdict import Reason, Verdict, Want
from orchestrator.errors import ClusterError, RefusedError
from orchestrator.execution import concluding
from orchestrator.execution.begun import Begun
from orchestrator.execution.continuing import continued, has_begun, is_due, left_by, may_confirm
from orchestrator.execution.locks import Key, Locks
from orchestrator.execution.outcome import ClusterResult, ItemResult, StepTerms
from orchestrator.execution.pipeline import carry_out
from orchestrator.execution.ports import ClusterPorts, RunOptions, RunOutcome, RunPorts
from orchestrator.execution.rollback import roll_back
from orchestrator.execution.waves import run_wave


async def execute(plan: Plan, ports: RunPorts, options: RunOptions) -> RunOutcome:
    """Carry out a plan: lock, waves in order, rollback where the playbook asks for it, unlock.

    A plan in which nothing is due takes no lock and writes nothing, neither in a cluster nor in the journal: it is
    verified only. What happens in a cluster is told by its items, never raised. A run that continues others is always
    journaled; it rolls back what they wrote as well, and where they were rolling back it does nothing but finish that.

    Raises `LockedError` when somebody else holds a lock and `RefusedError` when the plan itself is refused; then
    nothing was done.
    """
    if plan.refusals:
        raise RefusedError(
            "; ".join(reason.message for reason in plan.refusals),
            code=plan.refusals[0].code,
            hint="`orchestrator plan` shows every detail",
        )
    run = _Run(plan, ports, options)
    if not plan.is_due and options.begun is None:
        await run.confirm()
        return run.outcome()
    run.begin()
    try:
        await run.lock()
        if options.begun is not None and options.begun.rolling_back is not None:
            await run.finish_rollback(options.begun, options.begun.rolling_back)
        else:
            await run.work_through_waves()
            await run.roll_back()
    finally:
        await run.unlock()
    return run.outcome()


class _Run:
    """The state of one run."""

    def __init__(self, plan: Plan, ports: RunPorts, options: RunOptions) -> None:
        self._plan = plan
        self._ports = ports
        self._options = options
        self._locks = Locks(ports.writers, options.holder, ports.clock)
        self._unlockable: Mapping[Key, ClusterError] = {}
        self._done: dict[tuple[str, str], ClusterResult] = {}
        """By (step, cluster)."""
        self._left: tuple[tuple[Key, ClusterError], ...] = ()
        """Locks that could not be released, and why."""
        self._failed: tuple[WavePlan, str] | None = None
        self._is_due = plan.is_due or options.begun is not None

    def begin(self) -> None:
        plan = self._plan
        waves = [{"step": wave.step, "clusters": len(wave.clusters)} for wave in plan.waves]
        data = {"run": self._options.run, "action": plan.action, "name": plan.name, "fleet": plan.fleet}
        self._emit(
            EventType.RUN_STARTED, places=concluding.places_of(plan), **data, models=list(plan.models), waves=waves
        )

    async def confirm(self) -> None:
        """Nothing is due anywhere: look everywhere at once."""
        parts = [(wave, part) for wave in self._plan.waves for part in wave.clusters]
        results = await asyncio.gather(*(self._carry_out(wave, part) for wave, part in parts))
        for (wave, part), result in zip(parts, results, strict=True):
            self._done[wave.step, part.cluster.name] = result

    async def lock(self) -> None:
        """Lock every (model, cluster) in which something is due, in all steps, before the first step."""
        due = [
            (part.cluster.name, item.subject.model.name)
            for wave in self._plan.waves
            for part in wave.clusters
            for item in part.items
            if is_due(item) or self._begun_in(part, item)
        ]
        options = self._options
        self._unlockable = await self._locks.acquire(due, wait=options.wait_lock, stop=options.stop)
        failed = {f"{model} in {cluster}": error.code for (cluster, model), error in self._unlockable.items()}
        self._emit(EventType.LOCKED, locks=len(due) - len(failed), failed=failed)

    async def work_through_waves(self) -> None:
        keep_going = self._plan.on_failure is OnFailure.CONTINUE
        for wave in self._plan.waves:
            if self._options.stop.is_set() or (self._failed and not keep_going):
                return
            self._emit(EventType.WAVE_STARTED, step=wave.step, clusters=len(wave.clusters))
            result = await run_wave(
                wave, partial(self._carry_out, wave), stop=self._options.stop, keep_going=keep_going
            )
            self._done.update({(wave.step, cluster.cluster): cluster for cluster in result.clusters})
            if result.failure and not self._options.stop.is_set():
                self._failed = self._failed or (wave, result.failure)
            self._emit(EventType.WAVE_ENDED, step=wave.step, failure=result.failure)

    async def roll_back(self) -> None:
        """Take back what was enabled, where the playbook asks for it; a stopped run leaves things as they are."""
        if self._failed is None or self._options.stop.is_set():
            return
        match self._plan.on_failure:
            case OnFailure.ROLLBACK_WAVE:
                waves = [self._failed[0]]
            case OnFailure.ROLLBACK_RUN:
                waves = list(reversed(self._plan.waves))
            case _:
                return
        self._emit(EventType.ROLLING_BACK, steps=[wave.step for wave in waves], onFailure=self._plan.on_failure.value)
        await self._take_back(waves)

    async def finish_rollback(self, begun: Begun, steps: tuple[str, ...]) -> None:
        """Go on where a run was cut off that was rolling back: these steps, in this order, and nothing else."""
        by_step = {wave.step: wave for wave in self._plan.waves}
        waves = [by_step[step] for step in steps if step in by_step]
        self._failed = (waves[0], "and a run that was cut off was rolling back") if waves else None
        self._emit(EventType.ROLLING_BACK, steps=[wave.step for wave in waves], onFailure=self._plan.on_failure.value)
        for wave in self._plan.waves:
            parts = [part for part in wave.clusters if has_begun(wave, part, begun)]
            results = await asyncio.gather(*(self._recall(wave, part, begun, steps) for part in parts))
            self._done.update({(wave.step, result.cluster): result for result in results})
        await self._take_back(waves)

    async def _recall(self, wave: WavePlan, part: ClusterPlan, begun: Begun, steps: tuple[str, ...]) -> ClusterResult:
        """What the runs before left of a cluster's part, without sending anything that a rollback would undo."""
        items = []
        for item in part.items:
            left = None if may_confirm(wave, item, begun, steps) else left_by(item, part.cluster, begun)
            if left is None:
                result = await self._carry_out(wave, replace(part, items=(item,)))
                left = result.items[0]
            items.append(left)
        return ClusterResult(cluster=part.cluster.name, items=tuple(items))

    async def _take_back(self, waves: list[WavePlan]) -> None:
        for wave in waves:
            slots = asyncio.Semaphore(max(1, wave.strategy.max_concurrent))
            begun = [part for part in wave.clusters if (wave.step, part.cluster.name) in self._done]
            results = await asyncio.gather(*(self._roll_back(wave, part, slots) for part in begun))
            self._done.update({(wave.step, result.cluster): result for result in results})

    async def unlock(self) -> None:
        left = self._left = await self._locks.release()
        items = self._items()
        verdicts = {verdict.value: sum(item.verdict is verdict for item in items) for verdict in Verdict}
        locks = {f"{model} in {cluster}": error.code for (cluster, model), error in left}
        self._emit(EventType.RUN_ENDED, verdicts={key: n for key, n in verdicts.items() if n}, locksLeft=locks)

    def outcome(self) -> RunOutcome:
        left = dict(self._left)
        items = tuple(
            concluding.with_lock_left(item, left[key]) if (key := (item.cluster, item.model)) in left else item
            for item in self._items()
        )
        ended_early = any(
            item.verdict is Verdict.NOT_RUN or any(reason.code == "interrupted" for reason in item.reasons)
            for item in items
        )
        error = None
        # A journal on a disk says so; one that cannot fail need not.
        if self._is_due and getattr(self._ports.journal, "incomplete", False):
            message = "the journal could not be written: the evidence of this run is incomplete"
            error = ErrorDetail(code="evidence-incomplete", message=message)
        return RunOutcome(items=items, interrupted=self._options.stop.is_set() and ended_early, error=error)

    async def _carry_out(self, wave: WavePlan, part: ClusterPlan) -> ClusterResult:
        free = tuple(item for item in part.items if self._lock_failure(part, item) is None)
        result = await carry_out(replace(part, items=free), self._ports_of(part), self._terms_of(wave))
        carried_out = iter(result.items)
        items = [self._blocked(part, item) or next(carried_out) for item in part.items]
        return ClusterResult(cluster=part.cluster.name, items=tuple(items))

    async def _roll_back(self, wave: WavePlan, part: ClusterPlan, slots: asyncio.Semaphore) -> ClusterResult:
        done = self._done[wave.step, part.cluster.name]
        ports, terms = self._ports_of(part), self._terms_of(wave)

        async def one(item: ItemResult) -> ItemResult:
            if item.item.want is not Want.ENABLED or self._lock_failure(part, item.item) is not None:
                return item
            item = continued(item, part.cluster.name, self._options.begun)
            return await roll_back(item, ports, terms) if item.can_roll_back else item

        async with slots:
            items = await asyncio.gather(*(one(item) for item in done.items))
        return replace(done, items=tuple(items))

    def _blocked(self, part: ClusterPlan, item: ItemPlan) -> ItemResult | None:
        error = self._lock_failure(part, item)
        if error is None:
            return None
        verdict, reason = concluding.verdict_on_failure(error, refused=True, sent=False)
        return ItemResult(item=item, result=concluding.blank(item, part.cluster, verdict, reason))

    def _begun_in(self, part: ClusterPlan, item: ItemPlan) -> bool:
        begun = self._options.begun
        return begun is not None and (part.cluster.name, item.subject.model.name) in begun.items

    def _lock_failure(self, part: ClusterPlan, item: ItemPlan) -> ClusterError | None:
        return self._unlockable.get((part.cluster.name, item.subject.model.name))

    def _ports_of(self, part: ClusterPlan) -> ClusterPorts:
        name, ports = part.cluster.name, self._ports
        return ClusterPorts(
            writer=ports.writers[name],
            verifier=ports.verifier,
            prober=ports.prober,
            checks=ports.checks,
            clock=ports.clock,
            emit=self._pass_on,
            make_durable=ports.journal.make_durable,
            ensure_lock=partial(self._locks.ensure, name),
            stop=self._options.stop,
        )

    def _terms_of(self, wave: WavePlan) -> StepTerms:
        return StepTerms(
            step=wave.step,
            soak_key=f"{self._plan.name}/{wave.step}",
            progress_deadline=float(wave.strategy.progress_deadline),
            send_deadline=self._options.cluster_deadline,
            soak=wave.soak,
            checks=wave.checks,
        )

    def _emit(self, type_: EventType, *, step: str | None = None, **data: Any) -> None:
        self._pass_on(Event(type=type_, at=self._ports.clock.now(), step=step, data=data))

    def _pass_on(self, event: Event) -> None:
        if self._is_due and event.type is not EventType.PROGRESS:
            self._ports.journal.record(event)
        # A terminal or pipe that went away must not stop a run half-way.
        with contextlib.suppress(OSError):
            self._ports.tell(event)

    def _items(self) -> tuple[ResultItem, ...]:
        items: list[ResultItem] = []
        for wave in self._plan.waves:
            for part in wave.clusters:
                done = self._done.get((wave.step, part.cluster.name))
                items += [item.result for item in done.items] if done else self._not_run(part)
            for cluster, reason in wave.unreachable:
                items += [concluding.unreachable(model, cluster, wave.want, reason) for model in self._plan.models]
        return tuple(items)

    def _not_run(self, part: ClusterPlan) -> list[ResultItem]:
        reason = Reason(code="interrupted", message="the run was interrupted before this cluster's turn")
        if self._failed:
            wave, failure = self._failed
            reason = Reason(code="step-failed", message=f"step {wave.step} failed ({failure}): nothing was sent here")
        return [concluding.blank(item, part.cluster, Verdict.NOT_RUN, reason) for item in part.items]
