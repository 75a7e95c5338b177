"""What orders and holds there are, what is owed to them, and what people say of what this tool cannot see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal

from orchestrator.core.attestations import Attestation
from orchestrator.core.holds import Hold, Lift
from orchestrator.core.order import Order
from orchestrator.core.order_report import (
    AttestationEntry,
    Debt,
    HoldEntry,
    HoldList,
    LiftEntry,
    OrderEntry,
    OrderList,
    SilentCluster,
)
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.documents.problems import shown, suggestion
from orchestrator.errors import ClusterError, UsageError
from orchestrator.execution.namespace import in_our_namespace
from orchestrator.geo.orders import SHORTEST_PREFIX, is_among, models_under, resolve_order
from orchestrator.workflow.attesting import channels_of, models_meant
from orchestrator.workflow.holds import OPERATOR, lifted_everywhere, look_for_records
from orchestrator.workflow.ledgers import Ledger, merge_ledgers
from orchestrator.workflow.recognising import Knowledge, gather_knowledge
from orchestrator.workflow.session import Session, ask_all

Snapshots = Mapping[str, ClusterSnapshot]


@dataclass(frozen=True, slots=True)
class _Known:
    """One order by its digest: what its file says, and what the clusters record of it."""

    digest: str
    name: str
    order: Order | None = None
    file: str | None = None
    in_force: bool = False
    holds: tuple[Hold, ...] = ()
    lifts: tuple[tuple[str, Lift], ...] = ()
    """With the cluster in which each lies."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that its file names, else those that are held by it."""
        return self.order.models if self.order else tuple(sorted({hold.model for hold in self.holds}))


async def list_holds(session: Session) -> HoldList:
    """Every hold in every reachable cluster of the fleet, one entry for each (order, model)."""
    snapshots = await look_for_records(session, ())
    lifted = lifted_everywhere(snapshots.values())
    ledgers = {(one.digest, one.model): one for one in merge_ledgers(snapshots.values())}
    found: dict[tuple[str, str, str], list[tuple[str, Hold]]] = {}
    for name, snapshot in snapshots.items():
        for hold in snapshot.holds:
            found.setdefault((hold.digest, hold.name, hold.model), []).append((name, hold))
    holds = []
    for (digest, _, model), places in found.items():
        first, ledger = places[0][1], ledgers.get((digest, model))
        holds.append(
            HoldEntry(
                name=first.name,
                digest=digest,
                type=first.kind if digest else "unknown",
                model=model,
                reason=first.reason,
                received=first.received,
                deadline=first.deadline,
                until=first.until,
                expired=first.until is not None and first.until <= session.clock.now(),
                lifted=digest in lifted,
                clusters=tuple(name for name, _ in places),
                ledger=dict(ledger.standings) if ledger else {},
                owing=ledger.owing if ledger and digest not in lifted else (),
            )
        )
    silent = _silent(snapshots)
    return HoldList(exit_code=3 if silent else 0, holds=tuple(sorted(holds, key=_place)), unreachable=silent)


async def list_orders(session: Session, wanted: str | None = None) -> OrderList:
    """Every order of the workspace and of the reachable clusters, or the one of this name or digest.

    Raises UsageError when there is none of that name.
    """
    snapshots = await look_for_records(session, ())
    orders = _chosen(_gather(session, snapshots), wanted)
    return _report(session, snapshots, orders, _silent(snapshots))


async def attest(session: Session, name: str, statement: Attestation, models: Iterable[str] = ()) -> OrderList:
    """Keep what somebody says of one channel of an order, or of one cluster that left the fleet, in every cluster.

    Only subject, by and note of `statement` count; `models` are those whose channel is meant, and need be named where
    several have one of that name. Raises UsageError for an order that nobody knows, and for a subject that is neither a
    channel of its models nor a cluster that owes and is gone, or may be several. A cluster that cannot be written is
    named, with exit code 3.
    """
    snapshots = await look_for_records(session, ())
    orders = _chosen(_gather(session, snapshots), name)
    if len({one.digest for one in orders}) > 1:
        digests = ", ".join(one.digest[:SHORTEST_PREFIX] for one in orders)
        raise UsageError(f"there are several orders called {name}", hint=f"say which one by its digest: {digests}")
    known = orders[0]
    statement = replace(statement, digest=known.digest, order=known.name)
    meant = _models_meant(session, snapshots, known, statement.subject, models)
    statements = tuple(replace(statement, model=model) for model in meant)

    async def keep(cluster: str) -> SilentCluster | None:
        writer = session.writer(cluster)
        try:
            actor = await writer.actor()
            config_maps = [replace(one, actor=actor).to_config_map() for one in statements]
            for one in config_maps:
                await in_our_namespace(writer, partial(writer.apply, one, force=True))
        except ClusterError as error:
            return SilentCluster(cluster=cluster, reason=Reason(code=error.code, message=error.message))
        return None

    answered = [cluster for cluster, snapshot in snapshots.items() if snapshot.failure is None]
    refused = [one for one in (await ask_all(answered, keep)).values() if one is not None]
    silent = (*_silent(snapshots), *refused)
    snapshots = await look_for_records(session, ())
    return _report(session, snapshots, _chosen(_gather(session, snapshots), known.digest), silent)


def _gather(session: Session, snapshots: Snapshots) -> tuple[_Known, ...]:
    """Every order by its digest, operators' holds left out: files first, by name."""
    found: dict[str, _Known] = {}
    listed = {document.value.digest for document in session.workspace.in_force()}
    for document in (*session.workspace.orders(), *session.workspace.in_force()):
        order = document.value
        known = _Known(order.digest, order.name, order, document.source.file, order.digest in listed)
        found.setdefault(order.digest, known)
    operators = {hold.digest for one in snapshots.values() for hold in one.holds if hold.kind == OPERATOR}
    for cluster, snapshot in snapshots.items():
        for hold in snapshot.holds:
            if hold.digest and hold.digest not in operators:
                known = found.setdefault(hold.digest, _Known(hold.digest, hold.name))
                found[hold.digest] = replace(known, holds=(*known.holds, hold))
        for lift in snapshot.lifts:
            # What is left of an operator's hold once it is lifted is a tombstone and no order.
            if lift.digest not in operators and not lift.order.startswith("hold-"):
                known = found.setdefault(lift.digest, _Known(lift.digest, lift.order))
                found[lift.digest] = replace(known, lifts=(*known.lifts, (cluster, lift)))
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.digest)))


def _chosen(orders: tuple[_Known, ...], wanted: str | None) -> tuple[_Known, ...]:
    if wanted is None:
        return orders
    by_digest = len(wanted) >= SHORTEST_PREFIX
    found = tuple(one for one in orders if one.name == wanted or (by_digest and one.digest.startswith(wanted)))
    if not found:
        names = sorted({one.name for one in orders})
        raise UsageError(
            f"neither this workspace nor a reachable cluster knows an order {shown(wanted)}",
            hint=suggestion(wanted, names, "orders"),
        )
    return found


def _report(
    session: Session, snapshots: Snapshots, orders: Iterable[_Known], silent: tuple[SilentCluster, ...]
) -> OrderList:
    knowledge = gather_knowledge(session.workspace, snapshots.values())
    ledgers = merge_ledgers(snapshots.values())
    entries = tuple(_entry(session, snapshots, one, knowledge, ledgers) for one in orders)
    return OrderList(exit_code=3 if silent else 0, orders=entries, unreachable=silent)


def _entry(
    session: Session, snapshots: Snapshots, known: _Known, knowledge: Knowledge, ledgers: Iterable[Ledger]
) -> OrderEntry:
    lifts = known.lifts
    arrived = [hold.received for hold in known.holds if hold.received]
    received = (known.order.received if known.order else None) or min(arrived, default=None)
    limits = [hold.deadline for hold in known.holds if hold.deadline]
    limit = min(limits, default=None)
    if known.order and known.order.deadline and received:
        limit = received + timedelta(seconds=known.order.deadline)
    successor = _successor(known, snapshots)
    held_in = tuple(name for name, one in snapshots.items() if any(h.digest == known.digest for h in one.holds))
    said = {
        (one.subject, one.model): one
        for each in snapshots.values()
        for one in each.attestations
        if one.digest == known.digest
    }
    return OrderEntry(
        name=known.name,
        digest=known.digest,
        file=known.file,
        in_force=known.in_force,
        models=known.models,
        unknown_models=tuple(name for name in known.models if name not in knowledge.models),
        words=_words(session, known),
        received=received,
        deadline=limit,
        clusters=held_in,
        not_restored=held_in if lifts else (),
        debt=() if lifts else _debt(known, ledgers, snapshots if successor else None),
        superseded_by=successor,
        lift=LiftEntry(
            reference=lifts[0][1].reference, actor=lifts[0][1].actor, clusters=tuple(cluster for cluster, _ in lifts)
        )
        if lifts
        else None,
        attestations=tuple(
            AttestationEntry(
                subject=one.subject, model=one.model or None, by=one.by, note=one.note, actor=one.actor, at=one.at
            )
            for _, one in sorted(said.items())
        ),
    )


def _words(session: Session, known: _Known) -> tuple[str, ...]:
    """How the scope was resolved when it was executed; else how the present fleet would resolve it."""
    for hold in known.holds:
        if hold.words:
            return hold.words
    if known.order is None:
        return ()
    try:
        return resolve_order(known.order, session.fleet).words
    except UsageError as error:
        return (error.message,)


def _successor(known: _Known, snapshots: Snapshots) -> str | None:
    """Digest of the order of this name that replaced it, as far as a cluster records that."""
    records = [(one.name, one.digest, one.supersedes) for each in snapshots.values() for one in each.holds]
    records += [(one.order, one.digest, one.supersedes) for each in snapshots.values() for one in each.lifts]
    for name, digest, replaced in records:
        if name == known.name and digest != known.digest and is_among(known.digest, replaced):
            return digest
    return None


def _debt(known: _Known, ledgers: Iterable[Ledger], replaced_in: Snapshots | None = None) -> tuple[Debt, ...]:
    """What is owed to an order; to one that was replaced only where its own hold is left, or nobody can look."""

    def is_due(model: str, cluster: str) -> bool:
        if replaced_in is None or cluster not in replaced_in or replaced_in[cluster].failure is not None:
            return True
        return any(hold.digest == known.digest and hold.model == model for hold in replaced_in[cluster].holds)

    return tuple(
        Debt(model=ledger.model, cluster=cluster, standing=ledger.standings[cluster])
        for ledger in ledgers
        if ledger.digest == known.digest
        for cluster in ledger.owing
        if is_due(ledger.model, cluster)
    )


def _models_meant(
    session: Session, snapshots: Snapshots, known: _Known, subject: str, asked: Iterable[str]
) -> tuple[str, ...]:
    knowledge = gather_knowledge(session.workspace, snapshots.values())
    names = known.models
    if known.order is not None:
        names = tuple(name for name, _ in models_under(known.order, knowledge.lineage))
    fleet = {cluster.name for cluster in session.fleet.clusters}
    gone = {debt.cluster for debt in _debt(known, merge_ledgers(snapshots.values()))} - fleet
    return models_meant(subject, asked, channels_of(knowledge, names), gone)


def _silent(snapshots: Snapshots) -> tuple[SilentCluster, ...]:
    return tuple(
        SilentCluster(cluster=name, reason=snapshot.failure)
        for name, snapshot in snapshots.items()
        if snapshot.failure is not None
    )


def _place(entry: HoldEntry) -> tuple[Literal[0, 1], str, str]:
    return (1 if entry.lifted else 0, entry.name, entry.model)
