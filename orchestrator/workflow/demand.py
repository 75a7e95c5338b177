"""What an order demands: which clusters and models it concerns, by everything that workspace and clusters say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.holds import Hold, Lift
from orchestrator.core.order import Order, OrderScope
from orchestrator.core.plan import AWAITED
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.errors import HoldRefusal, RefusedError
from orchestrator.geo.orders import check_identity, is_among, models_under, resolve_order, scope_of
from orchestrator.workflow import contexts
from orchestrator.workflow.holds import check_debts
from orchestrator.workflow.recognising import Knowledge, Recognised, gather_knowledge
from orchestrator.workflow.session import Session, contradictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """An order, understood."""

    session: Session
    """Its fleet is without contexts that lead to the same cluster as another."""
    snapshots: Mapping[str, ClusterSnapshot]
    """By cluster of that fleet: its records, or why it did not answer."""
    scope: OrderScope
    knowledge: Knowledge
    recognised: Mapping[str, tuple[Recognised, str]]
    """By model in scope: how it is recognised, and why it is in scope."""
    holds: tuple[Hold, ...]
    lifts: tuple[Lift, ...]


async def understand(
    session: Session, order: Order, snapshots: Mapping[str, ClusterSnapshot], *, rehearse: bool
) -> Demand:
    """What the order demands, as far as these records of every cluster tell; nothing is changed.

    Raises RefusedError (exit 4) for an order that is lifted, that has another one's name, or that does not fit
    sandbox clusters; UsageError (exit 2) for one that concerns no cluster, or that a cluster owes which left the fleet.
    """
    if session.fleet.name == contexts.NAME:
        session = replace(session, fleet=contexts.without_twins(session.fleet, snapshots.values()))
        snapshots = {cluster.name: snapshots[cluster.name] for cluster in session.fleet.clusters}
    _refuse_lifted(order, snapshots.values())
    holds, lifts = _records(snapshots.values())
    check_identity(order, holds, lifts)
    _check_rehearsal(snapshots.values(), rehearse=rehearse)
    scope = resolve_order(order, session.fleet, await _contradicted(session, order, snapshots))
    knowledge = gather_knowledge(session.workspace, snapshots.values())
    recognised = _left_to(order, recognise(order, knowledge), holds)
    if session.fleet.name != contexts.NAME:
        # Of this very order nothing may be called proven while a cluster that owes it is out of sight.
        check_debts(session.fleet, snapshots.values(), recognised, digest=order.digest)
    return Demand(
        session=session,
        snapshots=snapshots,
        scope=scope,
        knowledge=knowledge,
        recognised=recognised,
        holds=holds,
        lifts=lifts,
    )


def recognise(order: Order, knowledge: Knowledge) -> dict[str, tuple[Recognised, str]]:
    """By model in scope: how it is recognised, and why it is in scope."""
    return {name: (knowledge.recognise(name, order), why) for name, why in models_under(order, knowledge.lineage)}


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


async def _contradicted(session: Session, order: Order, snapshots: Mapping[str, ClusterSnapshot]) -> Mapping[str, str]:
    """Which clusters' nodes contradict what they declare, where the order's scope rests on that.

    Those that may still answer are asked once they have.
    """
    scope = scope_of(order.about, session.fleet)
    if scope is None:
        return {}
    awaited = {name for name, one in snapshots.items() if one.failure == AWAITED}
    return await contradictions(session, [scope], [name for name in snapshots if name not in awaited])
