"""`takedown`: an order, from its file to a proven absence; the whole story on one page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator import execution, planning
from orchestrator.core.model import Model
from orchestrator.core.order import Order, OrderScope
from orchestrator.core.plan import Plan
from orchestrator.core.playbook import OnFailure, Strategy
from orchestrator.core.result import RunResult
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanRequest, Wish, WishedWave
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.geo.orders import superseded_digests
from orchestrator.planning.takedown import TakedownTerms, darken
from orchestrator.workflow.applying import RunRequest, items_of
from orchestrator.workflow.arrivals import Arrivals, looking
from orchestrator.workflow.collateral import with_collateral
from orchestrator.workflow.demand import Demand, recognise, understand
from orchestrator.workflow.doubts import unseen_models, with_doubts, with_marks_of_others
from orchestrator.workflow.guards import draw_guard
from orchestrator.workflow.looking_ahead import Guess, ask_ahead, guess_reads
from orchestrator.workflow.order_runs import carry_out_order
from orchestrator.workflow.recognising import Recognised, gather_knowledge
from orchestrator.workflow.requests import Asking, wish_for
from orchestrator.workflow.routes import cut_routes
from orchestrator.workflow.session import Session, ask_all

STEP = "takedown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownOptions:
    """What the command line adds to an order."""

    soak: float = DEFAULT_TAKEDOWN_SOAK
    include_shared: bool = False
    rehearse: bool = False
    """Whether the clusters are sandboxes; its deadline then counts from the run's start."""
    operators: OperatorsHold | None = None
    """What `disable --hold` says instead of an order."""
    shows_collateral: bool = False
    """Whether shared pods are searched for beforehand though they are left alone; else only where they are stopped."""
    clusters: frozenset[str] = frozenset()
    """Only these of the clusters concerned: those that still owe something; every one when empty."""
    began: datetime | None = None
    """When the run that this one goes on with or joins began: from then on lateness counts where neither the order nor
    a cluster tells when it arrived. None for a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsHold:
    """Why an operator keeps a model off, and until when."""

    reason: str
    until: datetime | None = None


async def plan_takedown(session: Session, order: Order, options: TakedownOptions) -> Plan:
    """The takedown that an order demands of the clusters as they are now; nothing is changed.

    Raises what `understand` raises.
    """
    session = session.looking_once()
    async with look_everywhere(session, order) as arrivals:
        snapshots = await arrivals.everybody()
    return await plan_demand(order, await understand(session, order, snapshots, rehearse=options.rehearse), options)


async def plan_demand(
    order: Order, demand: Demand, options: TakedownOptions, *, seen: Collection[str] = frozenset()
) -> Plan:
    """The takedown that a demand comes to. `seen` are models that somebody is known to have something of."""
    session, recognised = demand.session, demand.recognised
    snapshots = dict(demand.snapshots)
    request = _request(session, order, _narrowed(demand.scope, options.clusters), recognised)
    snapshots |= await _snapshots(session, request, snapshots)
    plan = planning.plan(request, snapshots)
    cuttings = await cut_routes(session, order, plan, snapshots)
    terms = TakedownTerms(
        order=order,
        scope=demand.scope,
        received=received(order, snapshots.values(), session.clock.now(), options),
        draw_guard=draw_guard(order),
        supersedes=superseded_digests(order, demand.holds, demand.lifts),
        soak=options.soak,
        include_shared=options.include_shared,
        is_operators=options.operators is not None,
        reason=options.operators.reason if options.operators else "",
        until=options.operators.until if options.operators else None,
    )
    plan = with_marks_of_others(darken(plan, terms, snapshots, cuttings), demand.knowledge)
    unseen = await unseen_models(session, plan, snapshots)
    plan = with_doubts(plan, recognised, unseen.difference(seen))
    if options.include_shared or options.shows_collateral:
        plan = await with_collateral(session, plan)
    return replace(plan, not_covered=tuple(session.connection.contexts_outside_fleet()))


async def take_down(
    session: Session, order: Order, plan: Plan, request: RunRequest, late: execution.Joining | None = None
) -> RunResult:
    """Carry out a takedown that was planned and confirmed; nothing stops it but a signal."""
    return await carry_out_order(session, order, plan, request, execution.take_dark, late=late)


def start_of(plan: Plan) -> datetime | None:
    """From when its deadline counts; None where no cluster answered."""
    when = (item.darkening.hold.received for item in items_of(plan) if item.darkening)
    return next((at for at in when if at is not None), None)


def _narrowed(scope: OrderScope, clusters: frozenset[str]) -> OrderScope:
    if not clusters:
        return scope
    return replace(scope, clusters=tuple(name for name in scope.clusters if name in clusters))


def look_everywhere(session: Session, order: Order) -> AbstractAsyncContextManager[Arrivals]:
    """The records of every cluster of the fleet: a model, a hold or a lift may be known to one of them alone.

    What the plan will need of each is asked for at the same time, as far as the workspace tells.
    """
    guess = _guess(session, order)

    async def look(name: str) -> ClusterSnapshot:
        writer = session.writer(name)
        ask_ahead(writer, guess)
        return await take_snapshot(writer, SnapshotRequest())

    return looking((cluster.name for cluster in session.fleet.clusters), look)


def _guess(session: Session, order: Order) -> Guess:
    recognised = recognise(order, gather_knowledge(session.workspace, ()))
    known = {name: one for name, one in recognised.items() if name in session.workspace.model_names}
    some = tuple(cluster.name for cluster in session.fleet.clusters[:1])
    scope = OrderScope(clusters=some, words=(), collateral=())
    return guess_reads(session, _request(session, order, scope, known))


def _request(
    session: Session, order: Order, scope: OrderScope, recognised: Mapping[str, tuple[Recognised, str]]
) -> PlanRequest:
    asking = Asking(workspace=session.workspace, fleet=session.fleet)
    wishes = tuple(_wish(asking, one.model, cluster) for cluster in scope.clusters for one, _ in recognised.values())
    # Everything at once: a takedown waits for no cluster.
    strategy = Strategy(max_concurrent=max(1, len(scope.clusters)))
    wave = WishedWave(step=STEP, want=Want.DISABLED, words=scope.words, strategy=strategy, wishes=wishes)
    return PlanRequest(
        action="takedown", name=order.name, fleet=session.fleet, waves=(wave,), on_failure=OnFailure.CONTINUE
    )


def _wish(asking: Asking, model: Model, cluster: str) -> Wish:
    """What the workspace knows besides the marks; from a bare laptop it knows nothing, and the catalogue has to do."""
    if model.name in asking.workspace.model_names:
        return wish_for(asking, model, cluster, step=STEP, want=Want.DISABLED, playbook=None)
    return Wish(
        model=model, cluster=asking.fleet.cluster(cluster), step=STEP, want=Want.DISABLED, playbook=None, manifests=()
    )


async def _snapshots(
    session: Session, request: PlanRequest, records: Mapping[str, ClusterSnapshot]
) -> dict[str, ClusterSnapshot]:
    """The objects of the models, in every cluster that answered just now; the others are not asked twice."""
    wanted = {name: reads for name, reads in planning.reads(request).items() if records[name].failure is None}
    return await ask_all(wanted, lambda name: take_snapshot(session.writer(name), wanted[name]))


def received(order: Order, snapshots: Iterable[ClusterSnapshot], now: datetime, options: TakedownOptions) -> datetime:
    """When the order arrived: by its own word, else when a cluster first got to know of it, else now.

    In a rehearsal it arrives as the run begins, and does so once, however many rounds follow.
    """
    if options.rehearse:
        return options.began or now
    known = [hold.received for one in snapshots for hold in one.holds if hold.digest == order.digest and hold.received]
    return order.received or min(known, default=options.began or now)
