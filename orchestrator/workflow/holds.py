"""Holds are a union: what any reachable cluster records, and the orders that the fleet lists under `inForce`.

A hold covers more than the cluster it lies in: its scope is resolved against the fleet as it is now. A lift that any
reachable cluster has ends every hold of its digest, wherever it lies.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.fleet import Fleet
from orchestrator.core.holds import Hold, standing_holds
from orchestrator.core.model import Model
from orchestrator.core.order import About, Order
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.schema import as_document
from orchestrator.core.scope import Scope
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.documents.orders import read_about
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import UsageError
from orchestrator.geo.orders import clusters_under, derived_from, scope_of
from orchestrator.workflow.ledgers import Ledger, merge_ledgers
from orchestrator.workflow.recognising import descent_in
from orchestrator.workflow.session import Session, ask_all, contradictions

Snapshots = Mapping[str, ClusterSnapshot]
OPERATOR = "operator"
"""Authority of an operator's hold."""


async def look_for_records(session: Session, besides: Iterable[str]) -> dict[str, ClusterSnapshot]:
    """What every other cluster of the fleet keeps in our namespace: one list for each, all at once.

    One that does not answer is a snapshot with a `failure`, and has cost the others nothing.
    """
    left_out = set(besides)
    others = [cluster.name for cluster in session.fleet.clusters if cluster.name not in left_out]
    return await ask_all(others, lambda name: take_snapshot(session.writer(name), SnapshotRequest()))


async def unite_holds(
    session: Session, snapshots: Snapshots, records: Snapshots, models: Mapping[str, Model]
) -> dict[str, ClusterSnapshot]:
    """The snapshots with every hold that covers their cluster, and every lift that any cluster knows of.

    `records` are those of the other clusters; `models` what is to be planned, by name. Nodes are asked where they
    stand only when a hold rests on geography. Raises DocumentError for an order in force that is missing or wrong.
    """
    everything = {**records, **snapshots}
    lifted = lifted_everywhere(everything.values())
    kept = [
        _Placed(hold, name) for name, snapshot in everything.items() for hold in standing_holds(snapshot.holds, lifted)
    ]
    listed = [_Placed(hold, None) for hold in holds_in_force(session) if hold.digest not in lifted]
    abouts = [about for placed in (*kept, *listed) if (about := placed.about) is not None]
    scopes = [scope for about in abouts if (scope := scope_of(about, session.fleet)) is not None]
    contradicted = await contradictions(session, scopes)
    known = with_lineage(models, session.workspace, descent_in(everything.values()))
    united: dict[str, list[Hold]] = {name: list(snapshot.holds) for name, snapshot in snapshots.items()}
    for placed in (*kept, *listed):
        meant = placed.models(known)
        for name in placed.clusters(session.fleet, contradicted) & united.keys():
            united[name] += [replace(placed.hold, model=model) for model in meant]
    return {
        name: replace(snapshot, holds=_distinct(united[name]), lifted=lifted) for name, snapshot in snapshots.items()
    }


def lifted_everywhere(snapshots: Iterable[ClusterSnapshot]) -> frozenset[str]:
    """Digests of every order that any reachable cluster knows to be lifted."""
    return frozenset(lift.digest for snapshot in snapshots for lift in snapshot.lifts)


def with_lifts(plan: Plan, snapshots: Snapshots) -> Plan:
    """The plan, in which every item knows the lifts that its own cluster was away for.

    What is held is asked once more before anything is written there, by somebody who sees that one cluster only.
    """

    def told(item: ItemPlan, snapshot: ClusterSnapshot) -> ItemPlan:
        own = {lift.digest for lift in snapshot.lifts}
        missed = {hold.digest for hold in snapshot.holds if hold.digest in snapshot.lifted} - own
        return replace(item, lifted=tuple(sorted(missed))) if missed else item

    waves = tuple(
        replace(
            wave,
            clusters=tuple(
                replace(part, items=tuple(told(item, snapshots[part.cluster.name]) for item in part.items))
                for part in wave.clusters
            ),
        )
        for wave in plan.waves
    )
    return replace(plan, waves=waves)


def holds_in_force(session: Session) -> tuple[Hold, ...]:
    """The orders that the fleet lists, as holds on each of their models; whether they are lifted is not asked here."""
    return tuple(
        Hold(
            name=order.name,
            model=model,
            digest=order.digest,
            received=order.received,
            about=as_document(order.about),
            derivatives=order.derivatives,
        )
        for order in (document.value for document in session.workspace.in_force())
        for model in order.models
    )


def order_of_hold(models: Iterable[str], scope: Scope, reason: str, *, standing: Iterable[Hold] = ()) -> Order:
    """What `disable --hold` says, as an order of the operator's own: these models, and not what is derived from them.

    A lift is for good, so that a hold that comes after it has to be another one: its name is new. Only when a hold of
    the same content is `standing` is it this one that is meant.
    """
    order = _order(f"hold-{secrets.token_hex(4)}", models, reason, About(clusters=scope))
    known = {hold.name: hold.digest for hold in standing if hold.kind == OPERATOR and hold.reason == reason}
    same = (replace(order, name=name) for name in sorted(known))
    return next((one for one in same if one.digest == known[one.name]), order)


def order_from_holds(holds: Iterable[Hold]) -> Order:
    """The order that an operator's hold was made from, by what the clusters keep of its digest.

    Raises ValueError where that does not tell: it is damaged, or not understood. Nothing is guessed then.
    """
    found = tuple(holds)
    first = found[0]
    models = first.models or {hold.model for hold in found}
    order = _order(first.name, models, first.reason, read_about(first.about))
    if order.digest != first.digest:
        raise ValueError(f"the records of {first.name} are incomplete, or of another version")
    return order


def _order(name: str, models: Iterable[str], reason: str, about: About) -> Order:
    # The models are sorted, so that they make the same order again when they come back from the clusters one by one.
    return Order(
        name=name,
        authority=OPERATOR,
        reference=reason,
        models=tuple(sorted(set(models))),
        derivatives=False,
        about=about,
    )


def check_debts(
    fleet: Fleet, snapshots: Iterable[ClusterSnapshot], models: Iterable[str], *, digest: str | None = None
) -> None:
    """Raise UsageError when a cluster that owes one of these models to an order is no longer in the fleet.

    Nobody would take it down any more. For one that is gone for good, somebody has to say so. With `digest` only what
    is owed to that order counts.
    """
    found = tuple(snapshots)
    names = {cluster.name for cluster in fleet.clusters}
    lifted, asked = lifted_everywhere(found), set(models)
    said = {(one.digest, one.subject) for snapshot in found for one in snapshot.attestations if not one.model}
    for ledger in merge_ledgers(found):
        if (
            ledger.digest in lifted
            or digest not in (None, ledger.digest)
            or not (ledger.model == "*" or ledger.model in asked)
        ):
            continue
        for cluster in ledger.owing:
            if cluster not in names and (ledger.digest, cluster) not in said:
                raise _left_with_debt(ledger, cluster)


def with_lineage(
    models: Mapping[str, Model], workspace: Workspace, descent: Mapping[str, tuple[str, ...]]
) -> dict[str, Model]:
    """The models, all that they are derived from, however far, and what the catalogues know, by everybody's word.

    `descent` is what the catalogues say. Documents of the workspace that concern none of the models are not read.
    """
    known: dict[str, Model] = {}
    waiting = [*models]
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        one = models.get(name)
        if one is None:
            one = workspace.model(name) if name in workspace.model_names else Model(name=name)
        parents = dict.fromkeys((*one.derived_from, *descent.get(name, ())))
        known[name] = replace(one, derived_from=tuple(parents))
        waiting += parents
    return {name: Model(name=name, derived_from=parents) for name, parents in descent.items()} | known


@dataclass(frozen=True, slots=True)
class _Placed:
    """A hold and the cluster it lies in; None for one that only the fleet lists."""

    hold: Hold
    home: str | None

    @property
    def about(self) -> About | None:
        """What it is about; None where that is not understood."""
        try:
            return read_about(self.hold.about) if self.hold.digest else None
        except ValueError:
            return None

    def clusters(self, fleet: Fleet, contradicted: Mapping[str, str]) -> frozenset[str]:
        """The clusters it covers: one that is not understood may be about any."""
        about = self.about
        if about is None:
            return frozenset(cluster.name for cluster in fleet.clusters)
        here = (self.home,) if self.home else ()
        return clusters_under(about, fleet, contradicted) | {*self.hold.ledger, *here}

    def models(self, known: Mapping[str, Model]) -> tuple[str, ...]:
        """The models it covers, as far as they are known: its own, and what is derived from that."""
        derived = derived_from([self.hold.model], known) if self.hold.derivatives else ()
        return (self.hold.model, *(name for name, _ in derived))


def _distinct(holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """One of each (order, model), the first one that was found."""
    found: dict[tuple[str, str, str], Hold] = {}
    for hold in holds:
        found.setdefault((hold.digest, hold.name, hold.model), hold)
    return tuple(found.values())


def _left_with_debt(ledger: Ledger, cluster: str) -> UsageError:
    return UsageError(
        f"{cluster} still owes {ledger.model} to {ledger.order} ({ledger.standings[cluster]}), and is no longer in "
        "the fleet",
        hint=f"put it back into fleet.yaml; if it is gone for good, `orchestrator orders attest {ledger.order} "
        f"{cluster} --by WHO --note TEXT` keeps who says so",
        code="owing",
    )
