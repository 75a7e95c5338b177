"""A takedown that begins with the clusters that have answered, and those that join it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.core.order import Order
from orchestrator.core.plan import AWAITED, Plan
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.errors import OrchestratorError
from orchestrator.execution import Joined
from orchestrator.workflow import contexts
from orchestrator.workflow.applying import items_of
from orchestrator.workflow.arrivals import Arrivals
from orchestrator.workflow.demand import Demand, understand
from orchestrator.workflow.session import Session, ask_all
from orchestrator.workflow.taking_down import TakedownOptions, look_everywhere, plan_demand, start_of

_LONG_SECONDS: Final = 2.5
"""Half the time to connect: who plans for longer may have kept answers waiting until they were too late."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A takedown that can begin."""

    plan: Plan
    latecomers: Latecomers | None = None
    """Those that had not answered yet; None where everybody had, or was waited for."""


@asynccontextmanager
async def open_takedown(
    session: Session, order: Order, options: TakedownOptions, named: Collection[str] | None
) -> AsyncIterator[Opening]:
    """What `plan_takedown` plans, as soon as nobody else answers; those that are late join it.

    Everybody is waited for where somebody is to look at the plan first (`named`, the models that are confirmed already,
    is None), where it is about other models than those or what is known so far forbids it, where nothing of a model was
    seen yet, and in a fleet of mere contexts, of which two may be the same cluster. Raises what `understand` raises.
    """
    look = session.looking_once()
    async with look_everywhere(look, order) as arrivals:
        opening = None if named is None else await _open_promptly(look, order, options, arrivals, named)
        if opening is not None:
            yield opening
            return
        demand = await understand(look, order, await arrivals.everybody(), rehearse=options.rehearse)
        opening = Opening(await plan_demand(order, demand, options))
    # What was read to make the plan is not kept for as long as the run takes.
    del look, arrivals, demand
    yield opening


async def _open_promptly(
    session: Session, order: Order, options: TakedownOptions, arrivals: Arrivals, named: Collection[str]
) -> Opening | None:
    """None where everybody has to be waited for."""
    if session.fleet.name == contexts.NAME:
        return None
    snapshots = await arrivals.prompt()
    late = tuple(cluster.name for cluster in session.fleet.clusters if cluster.name not in snapshots)
    if not late:
        return None
    began = session.clock.elapsed()
    try:
        demand = await understand(session, order, _with_awaited(session, snapshots), rehearse=options.rehearse)
        plan = await plan_demand(order, demand, options)
    except OrchestratorError:
        # Whether it stands is for everybody's answers to say.
        return None
    if not _was_seen(plan) or set(plan.models) != set(named):
        return None
    options = replace(options, began=start_of(plan))
    was_long = session.clock.elapsed() - began > _LONG_SECONDS
    return Opening(plan, Latecomers(order, demand, options, arrivals, late, ask_again=was_long))


def _was_seen(plan: Plan) -> bool:
    """Whether there is something of each of its models in one of its clusters, or was."""
    items = items_of(plan)
    return bool(items) and not any(doubt.code == "found-nowhere" for item in items for doubt in item.doubts)


def _with_awaited(session: Session, snapshots: Mapping[str, ClusterSnapshot]) -> dict[str, ClusterSnapshot]:
    """The snapshots of the whole fleet; who has not answered may still do so."""
    return {
        cluster.name: snapshots.get(cluster.name) or ClusterSnapshot(cluster=cluster, failure=AWAITED)
        for cluster in session.fleet.clusters
    }


class Latecomers:
    """The clusters that had not answered when a takedown was planned."""

    def __init__(
        self,
        order: Order,
        demand: Demand,
        options: TakedownOptions,
        arrivals: Arrivals,
        clusters: tuple[str, ...],
        *,
        ask_again: bool,
    ) -> None:
        """`demand` is what was known without them; with `ask_again` those that failed are asked once more."""
        self.clusters = clusters
        self._order = order
        self._before = demand
        self._options = options
        self._arrivals = arrivals
        self._asks_again = ask_again
        self._demand: Demand | None = None
        self._plan: Plan | None = None

    async def join(self) -> Joined:
        """Their takedown, by what everybody knows, once they have answered or given up.

        Raises what `understand` raises.
        """
        session = self._before.session
        snapshots = {**self._before.snapshots, **await self._arrivals.everybody()}
        failed = [name for name in self.clusters if snapshots[name].failure is not None and self._asks_again]
        session.forget(failed)
        snapshots |= await ask_all(failed, lambda name: take_snapshot(session.writer(name), SnapshotRequest()))
        self._demand = await understand(session, self._order, snapshots, rehearse=self._options.rehearse)
        options = replace(self._options, clusters=frozenset(self.clusters))
        self._plan = await plan_demand(self._order, self._demand, options, seen=self._before.recognised)
        return Joined(plan=self._plan, unsearched=self.unsearched)

    @property
    def unsearched(self) -> str | None:
        """Once they have joined: what they know of, and the others were not searched for."""
        return _unsearched(self._before, self._demand) if self._demand is not None else None

    def with_them(self, plan: Plan) -> Plan:
        """The plan that was made without them, as it was carried out."""
        return plan.joined_by(self._plan) if self._plan is not None else plan

    async def plan_everywhere(self, session: Session) -> Plan:
        """The takedown of all clusters as they are now, by what was known once they had joined."""
        demand = self._demand or self._before
        session = replace(session.looking_once(), fleet=demand.session.fleet)
        return await plan_demand(self._order, replace(demand, session=session), self._options)


def _unsearched(before: Demand, after: Demand) -> str | None:
    """What is known after and was not before, in words."""
    more = sorted(name for name, one in after.recognised.items() if before.recognised.get(name) != one)
    if more:
        return f"a cluster that answered late knows more of {', '.join(more)} than the others were searched for"
    wider = [name for name in after.scope.clusters if name not in before.scope.clusters]
    if wider:
        return f"{', '.join(wider)} answered late, and only then turned out to be concerned: no ledger names them"
    return None
