"""The way back from a takedown: what the clusters keep of it, and a lift, become a plan.

Pure. It refuses to guess what a model was before: only restore records say that, and what none of them names stays as
it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator import plugins
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.holds import Hold, Lift, RestoreRecord
from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.plan import Change, ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.playbook import DEFAULT_PROGRESS_DEADLINE, OnFailure, Strategy
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.schema import Seconds
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.takedown import Guard, Restoration
from orchestrator.core.verdict import Reason, Want
from orchestrator.planning.scaling import Scalers, replicas_of, scale_change, scalers_among
from orchestrator.planning.subjects import subject_of, subject_of_entry

REPLICAS = "/spec/replicas"
REST = "rest"
"""Name of the wave of the clusters that no wave of the order holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Clusters that come back together."""

    name: str
    clusters: frozenset[str]
    soak: float = 0.0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifting:
    """What is lifted, and how its models come back."""

    lift: Lift
    models: tuple[str, ...]
    fleet: Fleet
    concerned: frozenset[str] = frozenset()
    """Clusters that are known to owe something: one of them that is out of reach is not proven; all when empty."""
    groups: tuple[Group, ...] = ()
    jitter: float = 0.0
    progress_deadline: Seconds = DEFAULT_PROGRESS_DEADLINE
    max_concurrent: int = 10
    ignore_capacity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one cluster keeps of the takedown of one model."""

    model: Model
    records: tuple[RestoreRecord, ...] = ()
    guard: Guard | None = None
    """As it was found, to be bound again when the model does not become healthy."""
    manifests: tuple[JsonObject, ...] = ()
    """Those applied under the catalogue's revision."""
    held_by: tuple[str, ...] = ()
    """Names of other holds that stand on the model here: then nothing is brought up."""
    doubts: tuple[Reason, ...] = ()
    """What could not be read: a damaged record, guards that may not be listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What one cluster keeps of a takedown, by model, and by how much it is short of room for it."""

    models: Mapping[str, Kept] = field(default_factory=dict)
    shortages: tuple[Reason, ...] = ()
    """Why there is no room for what comes back; `object` names the workload, None where nobody could look."""


def plan_restore(lifting: Lifting, snapshots: Mapping[str, ClusterSnapshot], remains: Mapping[str, Remains]) -> Plan:
    """The plan that gives back what a takedown took. Every reachable cluster is in it, for each gets the lift.

    A shortage refuses its item, unless capacity is ignored: then it is on record as overridden.
    """
    groups = _groups(lifting)
    waves = tuple(_wave(group, lifting, snapshots, remains) for group in groups if group.clusters)
    if empty := ", ".join(group.name for group in groups if group.name != REST and not group.clusters):
        # Most of all where contexts stand for clusters: of no region, country or label that the order may name.
        words = f"no cluster of this fleet is in the order's wave {empty}: nothing comes back there first"
        waves = tuple(replace(wave, words=(words, *wave.words)) if wave is waves[0] else wave for wave in waves)
    identities = [found for one in snapshots.values() if (found := one.identity)]
    overridden: tuple[Reason, ...] = ()
    if lifting.ignore_capacity:
        overridden = tuple(
            replace(reason, code="capacity-ignored", message=f"{name}: {reason.message}: ignored as asked")
            for name, one in remains.items()
            for reason in one.shortages
        )
    return Plan(
        action="restore",
        name=lifting.lift.order,
        order_digest=lifting.lift.digest,
        fleet=lifting.fleet.name,
        models=lifting.models,
        waves=tuple(wave for wave in waves if wave.clusters or wave.unreachable),
        on_failure=OnFailure.STOP,
        rehearsal=bool(identities) and all(identity.sandbox for identity in identities),
        overridden=overridden,
        lift=lifting.lift,
    )


def recorded_replicas(records: Iterable[RestoreRecord]) -> dict[ObjectRef, int]:
    """By workload: how many replicas it had, as its record says."""
    return {one.ref: int(one.before[REPLICAS]) for one in records if isinstance(one.before.get(REPLICAS), int)}


def _groups(lifting: Lifting) -> tuple[Group, ...]:
    """Each cluster in the first group that holds it; what none holds comes last."""
    left = [cluster.name for cluster in lifting.fleet.clusters]
    found: list[Group] = []
    for group in lifting.groups:
        mine = frozenset(name for name in left if name in group.clusters)
        left = [name for name in left if name not in mine]
        found.append(replace(group, clusters=mine))
    name = REST if lifting.groups else "restore"
    return (*found, Group(name=name, clusters=frozenset(left)))


def _wave(
    group: Group, lifting: Lifting, snapshots: Mapping[str, ClusterSnapshot], remains: Mapping[str, Remains]
) -> WavePlan:
    members = [cluster for cluster in lifting.fleet.clusters if cluster.name in group.clusters]
    answered = [cluster for cluster in members if snapshots[cluster.name].failure is None]
    away = [(cluster, reason) for cluster in members if (reason := snapshots[cluster.name].failure)]
    owing = lifting.concerned or frozenset(cluster.name for cluster in members)
    words = [f"{cluster.name} is out of reach and gets no lift now: {reason.message}" for cluster, reason in away]
    return WavePlan(
        step=group.name,
        want=Want.ENABLED,
        words=(*group.words, *words),
        clusters=tuple(
            ClusterPlan(
                cluster=cluster,
                items=_items(group.name, lifting, snapshots[cluster.name], remains.get(cluster.name, Remains())),
            )
            for cluster in answered
        ),
        unreachable=tuple((cluster, reason) for cluster, reason in away if cluster.name in owing),
        models=lifting.models,
        strategy=Strategy(max_concurrent=lifting.max_concurrent, progress_deadline=lifting.progress_deadline),
        soak=group.soak,
        jitter=lifting.jitter,
    )


def _items(step: str, lifting: Lifting, snapshot: ClusterSnapshot, remains: Remains) -> tuple[ItemPlan, ...]:
    return tuple(
        _item(step, lifting, snapshot, name, kept, remains.shortages) for name, kept in sorted(remains.models.items())
    )


def _item(
    step: str, lifting: Lifting, snapshot: ClusterSnapshot, name: str, kept: Kept, shortages: tuple[Reason, ...]
) -> ItemPlan:
    entry = snapshot.entries.get(name)
    subject, doubts = _subject(snapshot, snapshot.cluster, entry, kept)
    mine = {str(one.ref) for one in kept.records}
    short = tuple(one for one in shortages if one.object is None or one.object in mine)
    return ItemPlan(
        step=step,
        subject=subject,
        changes=() if kept.held_by else _changes(kept.records, snapshot),
        entry=entry or CatalogueEntry(model=name, want=subject.want),
        previous=entry,
        held_by=kept.held_by,
        notes=(*_notes(kept.records), *(short if lifting.ignore_capacity else ())),
        refusals=() if lifting.ignore_capacity or kept.held_by else short,
        doubts=(*kept.doubts, *doubts, *((snapshot.damaged[name],) if name in snapshot.damaged else ())),
        restoration=Restoration(
            lift=lifting.lift,
            holds=_ended_holds(name, lifting, snapshot, kept),
            guard=kept.guard,
            records=kept.records,
        ),
        soak_due=True,
    )


def _ended_holds(name: str, lifting: Lifting, snapshot: ClusterSnapshot, kept: Kept) -> tuple[Hold, ...]:
    """Holds on the model here that go: the lifted order's, and those of orders that were lifted while it was away.

    Where something else still holds the model, only the lifted order's own go.
    """
    ended = {lifting.lift.digest} if kept.held_by else {lifting.lift.digest, *snapshot.lifted}
    return tuple(hold for hold in snapshot.holds if hold.digest and hold.digest in ended and hold.model == name)


def _subject(
    snapshot: ClusterSnapshot, cluster: Cluster, entry: CatalogueEntry | None, kept: Kept
) -> tuple[Subject, tuple[Reason, ...]]:
    """What the model is to be again, and why that may not be all of it."""
    recorded = recorded_replicas(kept.records)
    if entry is not None:
        base = subject_of_entry(entry, kept.model, cluster, kept.manifests, snapshot.scalers)
    else:
        base = subject_of(kept.model, cluster, Want.ENABLED, (Expectation(ref) for ref in recorded), None)
    known = {one.ref for one in base.expectations}
    strays = tuple(Expectation(ref) for ref in sorted(set(recorded) - known))
    deleted = scalers_among(one.whole for one in kept.records if one.whole)
    owners = Scalers(snapshot.scalers, (*scalers_among(kept.manifests), *deleted))
    expectations = tuple(
        replace(one, wanted=Wanted(replicas=_wanted(one, recorded, snapshot, owners)))
        for one in (*base.expectations, *strays)
    )
    places = {one.ref.namespace for one in expectations if one.ref.namespace}
    subject = replace(base, expectations=expectations, namespaces=tuple(sorted(places)), want=Want.ENABLED)
    ran = any(recorded.values())
    if ran:
        return subject, ()
    doubts: tuple[Reason, ...] = ()
    if entry is not None and entry.want is Want.ENABLED and not recorded:
        words = "no restore record says that anything ran here before: it stays as it is"
        doubts = (Reason(code="no-record", message=words),)
    return _switched_off(subject), doubts


def _wanted(
    one: Expectation, recorded: Mapping[ObjectRef, int], snapshot: ClusterSnapshot, owners: Scalers
) -> int | None:
    """The number on record; without one, what is there; an autoscaler's number is its own, once it is above zero."""
    if one.ref not in recorded and one.ref.group_kind not in plugins.switched():
        return None
    live = snapshot.live.get(one.ref)
    number = recorded.get(one.ref, replicas_of(live) if live else None)
    return None if number and owners.own(one.ref) else number


def _switched_off(subject: Subject) -> Subject:
    """The same model, which was off before the takedown as well, and is to stay so."""
    expectations = tuple(
        replace(one, manifest=None, wanted=Wanted(replicas=0 if one.ref.group_kind in plugins.switched() else None))
        for one in subject.expectations
    )
    # Where nothing of it was ever on record its marks are looked for everywhere.
    return replace(
        subject, want=Want.DISABLED, expectations=expectations, revision=None, is_everywhere=not expectations
    )


def _changes(records: tuple[RestoreRecord, ...], snapshot: ClusterSnapshot) -> tuple[Change, ...]:
    """The writes of `/scale`, for people and for the counts of a plan; the records say all of it."""
    found: list[Change] = []
    for ref, wanted in recorded_replicas(records).items():
        live = snapshot.live.get(ref)
        if live is not None and replicas_of(live) != wanted:
            found.append(scale_change(ref, live, replicas_of(live), wanted))
    return tuple(found)


def _notes(records: tuple[RestoreRecord, ...]) -> tuple[Reason, ...]:
    found: list[Reason] = []
    for one in records:
        fields = [pointer for pointer in one.before if pointer != REPLICAS]
        if fields:
            found.append(Reason(code="put-back", message=f"{', '.join(fields)} as before", object=str(one.ref)))
        if one.whole is not None:
            found.append(Reason(code="made-again", message="it was deleted, and is made again", object=str(one.ref)))
        if one.created:
            found.append(Reason(code="taken-away", message="the cut made it, and it goes", object=str(one.ref)))
    return tuple(found)
