"""`takedown`: an order, from its file to a proven absence; the whole story on one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator import execution, planning
from orchestrator.core.holds import Hold, Lift
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
from orchestrator.errors import HoldRefusal, RefusedError
from orchestrator.geo.orders import check_identity, is_among, models_under, resolve_order, scope_of, superseded_digests
from orchestrator.planning.takedown import TakedownTerms, darken
from orchestrator.workflow import contexts
from orchestrator.workflow.applying import RunRequest
from orchestrator.workflow.collateral import with_collateral
from orchestrator.workflow.doubts import unseen_models, with_doubts, with_marks_of_others
from orchestrator.workflow.guards import draw_guard
from orchestrator.workflow.holds import check_debts
from orchestrator.workflow.looking_ahead import Guess, ask_ahead, guess_reads
from orchestrator.workflow.order_runs import carry_out_order
from orchestrator.workflow.recognising import Knowledge, Recognised, gather_knowledge
from orchestrator.workflow.requests import Asking, wish_for
from orchestrator.workflow.routes import cut_routes
from orchestrator.workflow.session import Session, ask_all, contradictions

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
    """When the run that this one goes on with began: from then on a rehearsal's lateness counts; None for a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorsHold:
    """Why an operator keeps a model off, and until when."""

    reason: str
    until: datetime | None = None


async def plan_takedown(session: Session, order: Order, options: TakedownOptions) -> Plan:
    """The takedown that an order demands of the clusters as they are now; nothing is changed.

    Raises RefusedError (exit 4) for an order that is lifted, that has another one's name, or that does not fit
    sandbox clusters; UsageError (exit 2) for one that concerns no cluster, or that a cluster owes which left the fleet.
    """
    session = session.looking_once()
    snapshots = await _look_everywhere(session, order)
    if session.fleet.name == contexts.NAME:
        session = replace(session, fleet=contexts.without_twins(session.fleet, snapshots.values()))
        snapshots = {cluster.name: snapshots[cluster.name] for cluster in session.fleet.clusters}
    _refuse_lifted(order, snapshots.values())
    holds, lifts = _records(snapshots.values())
    check_identity(order, holds, lifts)
    _check_rehearsal(snapshots.values(), rehearse=options.rehearse)
    scope = resolve_order(order, session.fleet, await _contradicted(session, order))
    knowledge = gather_knowledge(session.workspace, snapshots.values())
    recognised = _left_to(order, _recognise(order, knowledge), holds)
    if session.fleet.name != contexts.NAME:
        # Of this very order nothing may be called proven while a cluster that owes it is out of sight.
        check_debts(session.fleet, snapshots.values(), recognised, digest=order.digest)
    request = _request(session, order, _narrowed(scope, options.clusters), recognised)
    snapshots |= await _snapshots(session, request, snapshots)
    plan = planning.plan(request, snapshots)
    cuttings = await cut_routes(session, order, plan, snapshots)
    terms = TakedownTerms(
        order=order,
        scope=scope,
        received=received(order, snapshots.values(), session.clock.now(), options),
        draw_guard=draw_guard(order),
        supersedes=superseded_digests(order, holds, lifts),
        soak=options.soak,
        include_shared=options.include_shared,
        is_operators=options.operators is not None,
        reason=options.operators.reason if options.operators else "",
        until=options.operators.until if options.operators else None,
    )
    plan = with_marks_of_others(darken(plan, terms, snapshots, cuttings), knowledge)
    plan = with_doubts(plan, recognised, await unseen_models(session, plan, snapshots))
    if options.include_shared or options.shows_collateral:
        plan = await with_collateral(session, plan)
    return replace(plan, not_covered=tuple(session.connection.contexts_outside_fleet()))


async def take_down(session: Session, order: Order, plan: Plan, request: RunRequest) -> RunResult:
    """Carry out a takedown that was planned and confirmed; nothing stops it but a signal."""
    return await carry_out_order(session, order, plan, request, execution.take_dark)


def _narrowed(scope: OrderScope, clusters: frozenset[str]) -> OrderScope:
    if not clusters:
        return scope
    return replace(scope, clusters=tuple(name for name in scope.clusters if name in clusters))


async def _look_everywhere(session: Session, order: Order) -> dict[str, ClusterSnapshot]:
    """The records of every cluster of the fleet: a model, a hold or a lift may be known to one of them alone.

    What the plan will need of each is asked for at the same time, as far as the workspace tells.
    """
    guess = _guess(session, order)

    async def look(name: str) -> ClusterSnapshot:
        writer = session.writer(name)
        ask_ahead(writer, guess)
        return await take_snapshot(writer, SnapshotRequest())

    return await ask_all((cluster.name for cluster in session.fleet.clusters), look)


def _guess(session: Session, order: Order) -> Guess:
    recognised = _recognise(order, gather_knowledge(session.workspace, ()))
    known = {name: one for name, one in recognised.items() if name in session.workspace.model_names}
    some = tuple(cluster.name for cluster in session.fleet.clusters[:1])
    scope = OrderScope(clusters=some, words=(), collateral=())
    return guess_reads(session, _request(session, order, scope, known))


def _refuse_lifted(order: Order, snapshots: Iterable[ClusterSnapshot]) -> None:
    found = tuple(snapshots)
    for snapshot in found:
        for lift in snapshot.lifts:
            if lift.digest == order.digest:
                words = f"the order {order.name} is lifted ({lift.reference}), as {snapshot.cluster.name} records"
                left = [one.cluster.name for one in found if any(hold.digest == order.digest for hold in one.holds)]
                if not left:
                    raise HoldRefusal(words, hint="a lift is for good: a new decision needs a new order")
                raise HoldRefusal(
                    f"{words}; {', '.join(left)} still has its hold: it was away, or its restore did not end",
                    hint="`orchestrator restore --order FILE` again brings back just what is left; a lift is for good: "
                    "a new decision needs a new order",
                )


def _left_to(
    order: Order, recognised: dict[str, tuple[Recognised, str]], holds: Iterable[Hold]
) -> dict[str, tuple[Recognised, str]]:
    """The models that no order which replaced this one has taken over. Raises HoldRefusal where none is left."""
    successors = [one for one in holds if one.name == order.name and is_among(order.digest, one.supersedes)]
    taken = {hold.model for hold in successors}
    left = {name: one for name, one in recognised.items() if name not in taken}
    if recognised and not left:
        raise HoldRefusal(
            f"the order {order.name} of digest {order.digest[:16]} was replaced by the one of digest "
            f"{successors[0].digest[:16]}",
            hint="take down by the file of the order that replaced it",
            code="superseded",
        )
    return left


def _records(snapshots: Iterable[ClusterSnapshot]) -> tuple[tuple[Hold, ...], tuple[Lift, ...]]:
    found = tuple(snapshots)
    return (
        tuple(hold for snapshot in found for hold in snapshot.holds),
        tuple(lift for snapshot in found for lift in snapshot.lifts),
    )


def _check_rehearsal(snapshots: Iterable[ClusterSnapshot], *, rehearse: bool) -> None:
    """A sandbox is never mistaken for the real thing, nor the other way round."""
    identities = {one.cluster.name: one.identity for one in snapshots if one.identity is not None}
    sandboxes = sorted(name for name, identity in identities.items() if identity.sandbox)
    if sandboxes and not rehearse:
        raise RefusedError(
            f"{', '.join(sandboxes)}: a sandbox; taking a model down there proves nothing about the real thing",
            hint="--rehearse says that a rehearsal is meant",
            code="rehearsal",
        )
    if real := sorted(identities.keys() - set(sandboxes)) if rehearse else []:
        raise RefusedError(
            f"{', '.join(real)}: no sandbox, so this is no rehearsal",
            hint="leave --rehearse away, or choose another fleet",
            code="rehearsal",
        )


async def _contradicted(session: Session, order: Order) -> Mapping[str, str]:
    """Which clusters' nodes contradict what they declare, where the order's scope rests on that."""
    scope = scope_of(order.about, session.fleet)
    return await contradictions(session, [scope]) if scope is not None else {}


def _recognise(order: Order, knowledge: Knowledge) -> dict[str, tuple[Recognised, str]]:
    """By model in scope: how it is recognised, and why it is in scope."""
    return {name: (knowledge.recognise(name, order), why) for name, why in models_under(order, knowledge.lineage)}


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
    return order.received or min(known, default=now)
