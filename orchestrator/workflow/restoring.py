"""`restore`: an order is lifted, and its models come back as they were; the whole story on one page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator import execution
from orchestrator.core.holds import Lift, RestoreRecord, standing_holds
from orchestrator.core.model import Model
from orchestrator.core.order import Order
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.playbook import DEFAULT_PROGRESS_DEADLINE
from orchestrator.core.result import RunResult
from orchestrator.core.schema import Seconds
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.takedown import Guard
from orchestrator.core.verdict import Want
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.documents.definitions import read_definition
from orchestrator.errors import OrchestratorError, RefusedError, UsageError
from orchestrator.geo.orders import check_identity, clusters_under, models_under, superseded_digests
from orchestrator.geo.scopes import select
from orchestrator.planning.restoring import Group, Kept, Lifting, Remains, recorded_replicas
from orchestrator.planning.restoring import plan_restore as plan_the_way_back
from orchestrator.planning.takedown import workloads_of
from orchestrator.workflow import contexts
from orchestrator.workflow.applying import RunRequest, items_of
from orchestrator.workflow.guards import draw_guard
from orchestrator.workflow.holds import lifted_everywhere, order_from_holds, unite_holds
from orchestrator.workflow.order_runs import carry_out_order
from orchestrator.workflow.recognising import Knowledge, gather_knowledge
from orchestrator.workflow.remains import Found, read_manifests, read_remains, read_shortages
from orchestrator.workflow.requests import Asking, probes_of
from orchestrator.workflow.session import Session, ask_all


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What the command line adds to an order."""

    reference: str | None = None
    """What the lifting rests on; else what the order's `lifted` says, else what an earlier lift recorded."""
    ignore_capacity: bool = False
    progress_deadline: Seconds = DEFAULT_PROGRESS_DEADLINE


async def plan_restore(session: Session, order: Order, options: RestoreOptions) -> Plan:
    """The way back from an order's takedown, by what the clusters keep of it; nothing is changed.

    Raises UsageError (exit 2) without a reference for the lifting, and RefusedError (exit 4) for an order of another
    content than the one that holds.
    """
    snapshots = await ask_all(
        (cluster.name for cluster in session.fleet.clusters),
        lambda name: take_snapshot(session.writer(name), SnapshotRequest()),
    )
    if session.fleet.name == contexts.NAME:
        session = replace(session, fleet=contexts.without_twins(session.fleet, snapshots.values()))
        snapshots = {cluster.name: snapshots[cluster.name] for cluster in session.fleet.clusters}
    holds = tuple(hold for one in snapshots.values() for hold in one.holds)
    lifts = tuple(lift for one in snapshots.values() for lift in one.lifts)
    check_identity(order, holds, lifts)
    knowledge = gather_knowledge(session.workspace, snapshots.values())
    united = await unite_holds(session, snapshots, {}, knowledge.lineage)
    looking = _Looking(session, order, snapshots, united, knowledge)
    answered = [name for name, one in snapshots.items() if one.failure is None]
    read = await ask_all(answered, looking.read)
    snapshots = {**snapshots, **{name: snapshot for name, (snapshot, _) in read.items()}}
    lifting = _lifting(session, order, options, _reference(order, options, lifts), snapshots)
    lifting = replace(lifting, lift=replace(lifting.lift, supersedes=superseded_digests(order, holds, lifts)))
    found = {model for _, remains in read.values() for model in remains.models}
    models = tuple(dict.fromkeys((*order.models, *sorted(found))))
    plan = plan_the_way_back(
        replace(lifting, models=models), snapshots, {name: remains for name, (_, remains) in read.items()}
    )
    plan = _with_guards(plan, order, snapshots)
    return replace(plan, not_covered=tuple(session.connection.contexts_outside_fleet()))


async def plan_restore_of_hold(session: Session, name: str, options: RestoreOptions) -> tuple[Order, Plan]:
    """An operator's hold as the order that it stands for, and the way back from it; `restore` carries it out.

    Raises UsageError (exit 2) for a name that no reachable cluster has, and RefusedError (exit 4) for an order's hold,
    which needs its file, or for one whose records do not tell what it was.
    """
    snapshots = await ask_all(
        (cluster.name for cluster in session.fleet.clusters),
        lambda cluster: take_snapshot(session.writer(cluster), SnapshotRequest()),
    )
    found = tuple(hold for one in snapshots.values() for hold in one.holds if hold.name == name)
    if not found:
        away = sorted(one.cluster.name for one in snapshots.values() if one.failure)
        hint = f"out of reach: {', '.join(away)}" if away else "`orchestrator hold list` lists them"
        raise UsageError(f"no reachable cluster has a hold called {name}", hint=hint)
    if any(hold.kind != "operator" for hold in found) or len({hold.digest for hold in found}) != 1:
        raise RefusedError(
            f"{name} is no single hold of an operator",
            hint="an order is lifted by `orchestrator restore --order FILE`",
            code="not-operators",
        )
    try:
        order = order_from_holds(found)
    except ValueError as error:
        raise RefusedError(
            str(error),
            code="hold-not-understood",
            hint="`orchestrator hold list` tells where it lies; a version that wrote it can lift it",
        ) from error
    return order, await plan_restore(session, order, options)


def refuse_short(plan: Plan) -> None:
    """Raise RefusedError (exit 4), saying by how much, where there is no room for what would come back."""
    refusals = [(item, reason) for item in items_of(plan) for reason in item.refusals]
    if refusals:
        lines = (
            f"{item.subject.model.name} in {item.subject.cluster}: "
            f"{f'{reason.object}: ' if reason.object else ''}{reason.message}"
            for item, reason in refusals
        )
        raise RefusedError(
            "; ".join(dict.fromkeys(lines)),
            hint="make room there, or restore with --ignore-capacity, which is kept on record",
            code=refusals[0][1].code,
        )


async def restore(session: Session, order: Order, plan: Plan, request: RunRequest) -> RunResult:
    """Carry out a restore that was planned and confirmed. Raises RefusedError (exit 4) where there is no room."""
    refuse_short(plan)
    return await carry_out_order(session, order, plan, request, execution.bring_back)


@dataclass(frozen=True, slots=True)
class _Looking:
    """Reads what each cluster keeps of one order's takedown."""

    session: Session
    order: Order
    snapshots: Mapping[str, ClusterSnapshot]
    united: Mapping[str, ClusterSnapshot]
    """The same, with every hold that covers them."""
    knowledge: Knowledge

    async def read(self, name: str) -> tuple[ClusterSnapshot, Remains]:
        """What one cluster keeps, and the objects that it is about; a cluster that went away is one with a failure."""
        reader = self.session.writer(name)
        found = await read_remains(reader, self.order.digest, self.order.name)
        models = self._models(self.snapshots[name], found)
        if not models:
            return self.snapshots[name], Remains()
        snapshot = await take_snapshot(reader, SnapshotRequest(refs=found.refs(models), models=models))
        if snapshot.failure is not None:
            return snapshot, Remains()
        manifests = await asyncio.gather(*(read_manifests(reader, snapshot.entries.get(model)) for model in models))
        snapshot = replace(snapshot, lifted=self._ended())
        kept = {
            model: Kept(
                model=self._asked_here(self._model(snapshot, model), name, found.records.get(model, ())),
                records=tuple(found.records.get(model, ())),
                guard=found.guards.get(model),
                manifests=applied,
                held_by=self._others(name, model),
                doubts=found.doubts_of(model),
            )
            for model, applied in zip(models, manifests, strict=True)
        }
        returning = [record for one in kept.values() if not one.held_by for record in one.records]
        short = await read_shortages(reader, snapshot, recorded_replicas(returning))
        return snapshot, Remains(models=kept, shortages=short)

    def _models(self, snapshot: ClusterSnapshot, found: Found) -> tuple[str, ...]:
        """Models of which something of this order is left here; records without any hold are of an order's models."""
        digest = self.order.digest
        held = {hold.model for hold in snapshot.holds if hold.digest == digest} | found.guards.keys()
        named = {name for name, _ in models_under(self.order, self.knowledge.lineage)}
        left = {model for model in (*found.records, *found.doubts) if model in named}
        return tuple(sorted(held | left))

    def _model(self, snapshot: ClusterSnapshot, name: str) -> Model:
        """The model as this cluster knows it, which is what ran here; else as anybody knows it."""
        entry = snapshot.entries.get(name)
        if entry is not None:
            try:
                return read_definition(name, entry.definition)
            except OrchestratorError:
                pass
        return self.knowledge.recognise(name, self.order).model

    def _asked_here(self, model: Model, cluster: str, records: Iterable[RestoreRecord]) -> Model:
        """The model with the probes of this cluster alone: the others tell what comes back elsewhere.

        Without a workspace contexts stand for clusters, and no probe's scope can be trusted to fit their names.
        """
        if self.session.fleet.name == contexts.NAME:
            return model
        want = Want.ENABLED if any(recorded_replicas(records).values()) else Want.DISABLED
        asking = Asking(workspace=self.session.workspace, fleet=self.session.fleet)
        return replace(model, probes=probes_of(asking, model, cluster, want))

    def _ended(self) -> frozenset[str]:
        """Digests of orders that some reachable cluster knows to be lifted, and of the one that is lifted now."""
        return lifted_everywhere(self.snapshots.values()) | {self.order.digest}

    def _others(self, cluster: str, model: str) -> tuple[str, ...]:
        """Names of what else keeps the model off here: holds in any reachable cluster, and orders in force."""
        standing = standing_holds(self.united[cluster].holds, self._ended(), model)
        return tuple(sorted({hold.name for hold in standing}))


def _reference(order: Order, options: RestoreOptions, lifts: Iterable[Lift]) -> str:
    earlier = (lift.reference for lift in lifts if lift.digest == order.digest and lift.reference)
    found = options.reference or order.lifted or next(earlier, "")
    if not found.strip():
        raise UsageError(
            f"nothing says what the lifting of {order.name} rests on",
            hint="--lift-reference TEXT, or `lifted: TEXT` in the order",
        )
    return found


def _lifting(
    session: Session,
    order: Order,
    options: RestoreOptions,
    reference: str,
    snapshots: Mapping[str, ClusterSnapshot],
) -> Lifting:
    fleet = session.fleet
    groups = []
    for wave in order.restore.waves:
        chosen = select(wave.scope, fleet)
        groups.append(
            Group(name=wave.name, clusters=frozenset(chosen.clusters), soak=float(wave.soak), words=chosen.words)
        )
    ledgers = {name for one in snapshots.values() for hold in one.holds if hold.digest == order.digest
               for name in hold.ledger}  # fmt: skip
    return Lifting(
        lift=Lift(digest=order.digest, order=order.name, reference=reference, actor=""),
        models=order.models,
        fleet=fleet,
        concerned=clusters_under(order.about, fleet) | ledgers,
        groups=tuple(groups),
        jitter=float(order.restore.jitter),
        progress_deadline=options.progress_deadline,
        max_concurrent=max(1, len(fleet.clusters)),
        ignore_capacity=options.ignore_capacity,
    )


def _with_guards(plan: Plan, order: Order, snapshots: Mapping[str, ClusterSnapshot]) -> Plan:
    """The plan with a guard for each item whose own is gone: what fails has to be guarded again all the same."""
    draw = draw_guard(order)

    def guarded(item: ItemPlan) -> ItemPlan:
        back = item.restoration
        if back is None or back.guard is not None or item.held_by:
            return item
        drawn = draw(item, workloads_of(item, snapshots[item.subject.cluster]), ())
        return replace(item, restoration=replace(back, guard=drawn)) if isinstance(drawn, Guard) else item

    waves = tuple(
        replace(
            wave,
            clusters=tuple(replace(part, items=tuple(guarded(item) for item in part.items)) for part in wave.clusters),
        )
        for wave in plan.waves
    )
    return replace(plan, waves=waves)
