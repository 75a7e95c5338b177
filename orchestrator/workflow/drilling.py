"""`drill`: every write of a takedown as a server-side dry run, every permission asked, everything timed.

It changes nothing. What a dry run cannot show is whether pods really end, and how long they take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from orchestrator import guarding
from orchestrator.core.drill import DrillReport, DrillStep
from orchestrator.core.objects import SYSTEM_NAMESPACE
from orchestrator.core.order import Order
from orchestrator.core.plan import ItemPlan, Plan, Verb
from orchestrator.core.ports import Access, ClusterWriter
from orchestrator.core.result import outcome_of
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Conflict, Forbidden, NotFound
from orchestrator.workflow.session import Session
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown

StepName = Literal["reach", "hold", "record", "guard", "cut", "stop", "search", "drain"]
_SEARCH = (
    Access("list", "", "pods"),
    Access("watch", "", "pods"),
    Access("list", "apps", "deployments"),
    Access("list", "apps", "statefulsets"),
    Access("list", "apps", "replicasets"),
    Access("list", "apps", "daemonsets"),
    Access("list", "batch", "jobs"),
    Access("list", "batch", "cronjobs"),
    Access("list", "", "nodes"),
)
_DRAIN = (Access("delete", "", "pods"),)
_GUARD = tuple(
    Access(verb, "admissionregistration.k8s.io", resource)
    for resource in ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
    for verb in ("get", "create", "update", "patch", "delete")
)


async def drill(session: Session, order: Order, options: TakedownOptions) -> DrillReport:
    """Try a takedown without changing anything. Raises what `plan_takedown` raises."""
    started = session.clock.elapsed()
    plan = await plan_takedown(session, order, options)
    parts = [(part.cluster.name, item) for wave in plan.waves for part in wave.clusters for item in part.items]
    tried = await asyncio.gather(*(_Drill(session, name, item).run() for name, item in parts))
    steps = (*_unreachable(plan), *(step for found in tried for step in found))
    code = 0 if all(step.works for step in steps) and not any(item.doubts for _, item in parts) else 3
    return DrillReport(
        order=order.name,
        rehearsal=plan.rehearsal,
        outcome=outcome_of(code),
        exit_code=code,
        seconds=round(session.clock.elapsed() - started, 3),
        words=tuple(words for wave in plan.waves for words in wave.words),
        collateral=_collateral(plan),
        steps=steps,
    )


def _unreachable(plan: Plan) -> tuple[DrillStep, ...]:
    return tuple(
        DrillStep(cluster=cluster.name, model=model, step="reach", works=False, seconds=0.0, reason=reason)
        for wave in plan.waves
        for cluster, reason in wave.unreachable
        for model in wave.models
    )


def _collateral(plan: Plan) -> tuple[Reason, ...]:
    items = (item for wave in plan.waves for part in wave.clusters for item in part.items)
    return tuple(
        dict.fromkeys(
            reason
            for item in items
            for reason in (*_shared(item), *item.doubts, *(item.darkening.not_cut if item.darkening else ()))
        )
    )


def _shared(item: ItemPlan) -> tuple[Reason, ...]:
    return tuple(reason for reason in item.notes if reason.code.startswith("collateral"))


@dataclass
class _Drill:
    """The steps of one model in one cluster."""

    session: Session
    cluster: str
    item: ItemPlan
    steps: list[DrillStep] = field(default_factory=list)
    has_namespace: bool = True

    @property
    def writer(self) -> ClusterWriter:
        """The way to the cluster."""
        return self.session.writer(self.cluster)

    async def run(self) -> list[DrillStep]:
        """Try everything, whatever fails."""
        darkening = self.item.darkening
        if darkening is None:
            return []
        await self._try("hold", lambda: self._create(darkening.hold.to_config_map()))
        for record in darkening.records:
            secret = record.to_secret()
            await self._try("record", partial(self._create, secret))
        if darkening.guard is not None:
            guard = darkening.guard
            await self._try("guard", lambda: self.writer.apply(guard.policy, dry_run=True))
            await self._try("guard", lambda: self.writer.apply(guard.binding, dry_run=True))
            await self._try("guard", self._admit_neutral)
        await self._ask("guard", _GUARD)
        for cut in darkening.cuts:
            patch = [{"op": "test", "path": "/metadata/uid", "value": cut.uid}, *cut.patch()]
            await self._try(
                "cut",
                partial(self.writer.patch, cut.ref, patch, type_="json", dry_run=True),
            )
        for change in self.item.changes:
            if change.verb is Verb.SCALE:
                await self._try(
                    "stop",
                    partial(self.writer.scale, change.ref, change.replicas or 0, dry_run=True),
                )
        await self._ask("search", _SEARCH)
        await self._ask("drain", _DRAIN)
        return self.steps

    async def _create(self, obj: dict[str, object]) -> None:
        """A record of ours; that it is there already, or that our namespace is not, stands in nobody's way."""
        try:
            await self.writer.create(obj, dry_run=True)
        except Conflict:
            return
        except NotFound:
            self.has_namespace = False
            if not await self.writer.allows(Access("create", "", "namespaces")):
                raise Forbidden(
                    f"{SYSTEM_NAMESPACE} is not there, and may not be created", hint="orchestrator fleet prepare"
                ) from None

    async def _admit_neutral(self) -> None:
        """What has nothing to do with the model has to be admitted, or no guard could be proven; see `guarding`.

        Where our namespace is not there yet, there is nowhere to try it.
        """
        if not self.has_namespace:
            return
        survey = await guarding.DryRunProver(self.session.clock).survey(self.writer)
        if survey.refused:
            raise ClusterError("; ".join(reason.message for reason in survey.refused), code="neutral-refused")

    async def _ask(self, step: StepName, accesses: tuple[Access, ...]) -> None:
        for access in accesses:
            await self._try(step, partial(self._demand, access))

    async def _demand(self, access: Access) -> None:
        if not await self.writer.allows(access):
            raise Forbidden(f"not permitted: {access}")

    async def _try(self, step: StepName, attempt: Callable[[], Awaitable[object]]) -> None:
        """Note whether it would work, and how long the server took."""
        clock = self.session.clock
        began, reason = clock.elapsed(), None
        try:
            await attempt()
        except ClusterError as error:
            words = printable(f"{error.message} ({error.hint})" if error.hint else error.message)
            reason = Reason(code=error.code, message=words)
        self.steps.append(
            DrillStep(
                cluster=self.cluster,
                model=self.item.subject.model.name,
                step=step,
                works=reason is None,
                seconds=round(clock.elapsed() - began, 4),
                reason=reason,
            )
        )
