"""Looking without changing: `status` says what is, `verify` says whether it is what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator import planning
from orchestrator.core.explaining import explained, of_grounds
from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef
from orchestrator.core.observation import Subject
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.ports import Verifier
from orchestrator.core.records import CatalogueEntry, manifests_name, unpack_manifests
from orchestrator.core.result import StatusDocument, StatusItem, exit_code_of, outcome_of
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.text import printable
from orchestrator.core.verdict import Judgement, Reason, State, Verdict, Want
from orchestrator.core.verdicts import reasons_under_hold, verdict_of, verdict_under_hold
from orchestrator.core.wish import Wish
from orchestrator.delivery import HttpProber
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.documents.definitions import read_definition
from orchestrator.errors import ClusterError, OrchestratorError
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.holds import look_for_records, unite_holds
from orchestrator.workflow.requests import Asking, wish_for
from orchestrator.workflow.session import Session, ask_all, contradictions, scopes_of_models

_ANY = "*"
"""Stands for every model where nobody knows of one, as in holds."""


@dataclass(frozen=True, slots=True)
class SoughtModel:
    """One model in one reachable cluster."""

    snapshot: ClusterSnapshot
    name: str
    found: Subject | StatusItem
    """What is to be looked at; an item where that cannot even be said."""
    has_lost_manifests: bool = False
    """Whether what was applied here is not kept here, so that drift cannot be seen."""

    def item(self, judged: Judgement | ClusterError) -> StatusItem:
        """What a judgement makes of it."""
        if isinstance(self.found, StatusItem):
            return self.found
        subject, entry = self.found, self.snapshot.entries.get(self.name)
        item = _judged(subject, self.snapshot.cluster, judged, entry.want if entry else None)
        if self.has_lost_manifests and item.verdict is Verdict.VERIFIED:
            message = (
                f"the manifests of revision {subject.revision} are not kept here, or damaged: drift cannot be seen"
            )
            reason = Reason(code="manifests-lost", message=message)
            item = replace(item, verdict=Verdict.UNVERIFIED, reasons=(reason,))
        if entry is None and item.state is not State.DISABLED and item.verdict is not Verdict.UNREACHABLE:
            message = "something of this model runs here, and the cluster's catalogue does not know of it"
            unknown = Reason(code="not-in-catalogue", message=message)
            item = replace(item, verdict=Verdict.UNVERIFIED, reasons=(unknown,))
        item = _under_hold(item, self.snapshot.held_by(self.name))
        left = tuple(_unrestored(hold) for hold in self.snapshot.left_of_lifted(self.name))
        return replace(item, reasons=(*left, *item.reasons))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Everything that a status is about."""

    models: tuple[SoughtModel, ...]
    unreachable: tuple[StatusItem, ...]
    rehearsal: bool

    def document(self, session: Session, items: Iterable[StatusItem], started: float) -> StatusDocument:
        """The items in order, with what follows from all of them."""
        names = [cluster.name for cluster in session.fleet.clusters]
        ordered = tuple(sorted(items, key=lambda item: (item.model, names.index(item.cluster))))
        return _document(session, ordered, started, rehearsal=self.rehearsal)


async def take_status(
    session: Session, models: tuple[str, ...], clusters: Iterable[Cluster], *, explains: bool = False
) -> StatusDocument:
    """Every model in every cluster, as it is: what the cluster's own catalogue wants, held against what is there.

    A model of the workspace that a cluster knows nothing of is looked for there all the same. Raises UsageError for a
    name that nobody knows.
    """
    started = session.clock.elapsed()
    async with HttpProber() as prober:
        verifier = LiveVerifier(session.clock, prober, explains=explains)
        sought = await seek(session, models, clusters)
        items = await asyncio.gather(*(_look(session, verifier, one) for one in sought.models))
    found = sought.document(session, (*items, *sought.unreachable), started)
    return explained(found) if explains else found


async def verify_plan(session: Session, plan: Plan, *, explains: bool = False) -> StatusDocument:
    """Whether everything that a plan wants is so already; nothing of it is carried out."""
    started = session.clock.elapsed()
    async with HttpProber() as prober:
        verifier = LiveVerifier(session.clock, prober, explains=explains)
        parts = [(part.cluster, item) for wave in plan.waves for part in wave.clusters for item in part.items]
        judged = await asyncio.gather(*(_verify_item(session, verifier, cluster, item) for cluster, item in parts))
    out_of_reach = [
        _unreachable(model, cluster, reason, wave.want)
        for wave in plan.waves
        for cluster, reason in wave.unreachable
        for model in wave.models
    ]
    found = _document(session, (*judged, *out_of_reach), started, rehearsal=plan.rehearsal)
    return explained(found) if explains else found


async def _look(session: Session, verifier: Verifier, sought: SoughtModel) -> StatusItem:
    if isinstance(sought.found, StatusItem):
        return sought.found
    return sought.item(await _ask(session, verifier, sought.found, sought.snapshot.cluster))


async def _ask(session: Session, verifier: Verifier, subject: Subject, cluster: Cluster) -> Judgement | ClusterError:
    try:
        return await verifier.look(session.writer(cluster.name), subject)
    except ClusterError as error:
        return error


def _document(session: Session, items: tuple[StatusItem, ...], started: float, *, rehearsal: bool) -> StatusDocument:
    code = exit_code_of(item.verdict for item in items)
    return StatusDocument(
        rehearsal=rehearsal,
        outcome=outcome_of(code),
        exit_code=code,
        seconds=round(session.clock.elapsed() - started, 3),
        items=items,
        not_covered=tuple(session.connection.contexts_outside_fleet()),
    )


async def _verify_item(session: Session, verifier: Verifier, cluster: Cluster, item: ItemPlan) -> StatusItem:
    judged = _judged(item.subject, cluster, await _ask(session, verifier, item.subject, cluster), item.want)
    if item.held_by:
        return _under_hold(judged, item.held_by)
    drift = tuple(
        Reason(code="drift", message=f"{change.verb} is due", object=str(change.ref)) for change in item.changes
    )
    if judged.verdict is Verdict.VERIFIED and (drift or item.doubts):
        return replace(judged, verdict=Verdict.UNVERIFIED, reasons=(*judged.reasons, *drift, *item.doubts))
    return judged


def _unrestored(hold: Hold) -> Reason:
    """What a cluster still keeps of a lifted order: its guard refuses the model for as long as nobody restores it."""
    command = f"hold lift {hold.name}" if hold.kind == "operator" else "restore --order FILE"
    words = (
        f"{printable(hold.name, 100)} is lifted, and its hold is still here: this cluster was away, or its restore did "
        f"not end; next: `orchestrator {printable(command, 150)}`"
    )
    return Reason(code="not-restored", message=words)


def _under_hold(item: StatusItem, holds: tuple[str, ...]) -> StatusItem:
    """The item with its holds; what should be on without them is never verified, however well it runs."""
    item = replace(item, holds=holds)
    if not holds or item.want is not Want.ENABLED or item.verdict is Verdict.UNREACHABLE:
        return item
    reasons = reasons_under_hold(holds, item.state, item.reasons)
    return replace(item, verdict=verdict_under_hold(item.state), reasons=reasons)


async def _look_at(session: Session, clusters: Iterable[Cluster]) -> tuple[ClusterSnapshot, ...]:
    """The catalogues of some clusters, and whatever holds models off there, wherever in the fleet it is recorded."""
    names = [cluster.name for cluster in clusters]
    request = SnapshotRequest(whole_catalogue=True)
    snapshots, records = await asyncio.gather(
        ask_all(names, lambda name: take_snapshot(session.writer(name), request)), look_for_records(session, names)
    )
    return tuple((await unite_holds(session, snapshots, records, session.workspace.models)).values())


async def seek(session: Session, models: tuple[str, ...], clusters: Iterable[Cluster]) -> Sought:
    """What a status is about: the models that were named, else those that the workspace or a cluster knows.

    Raises UsageError for a name that nobody knows.
    """
    snapshots = await _look_at(session, clusters)
    known = {name for snapshot in snapshots for name in (*snapshot.entries, *snapshot.damaged)}
    known.update(session.workspace.model_names)
    for name in models:
        if name not in known and not any(snapshot.failure for snapshot in snapshots):
            session.workspace.model(name)
    # A cluster out of reach may have any model that anybody knows; it is never left out.
    anything = tuple(dict.fromkeys(models)) or tuple(sorted(known)) or (_ANY,)
    unreachable = tuple(
        _unreachable(model, one.cluster, one.failure, None) for one in snapshots if one.failure for model in anything
    )
    places = [
        (snapshot, model)
        for snapshot in snapshots
        if not snapshot.failure
        for model in dict.fromkeys(models or (*snapshot.entries, *snapshot.damaged, *session.workspace.model_names))
    ]
    found = await asyncio.gather(*(_seek_model(session, *place) for place in places))
    sandboxes = [one.identity.sandbox for one in snapshots if one.identity is not None]
    return Sought(models=tuple(found), unreachable=unreachable, rehearsal=bool(sandboxes) and all(sandboxes))


async def _seek_model(session: Session, snapshot: ClusterSnapshot, model: str) -> SoughtModel:
    cluster, entry = snapshot.cluster, snapshot.entries.get(model)
    if model in snapshot.damaged:
        return SoughtModel(snapshot, model, _blank(model, cluster, Verdict.UNVERIFIED, snapshot.damaged[model]))
    try:
        manifests = await _manifests_of(session, cluster, entry) if entry else ()
        subject = (
            _subject_of_entry(snapshot, entry, manifests)
            if entry
            else await _subject_of_workspace(session, cluster, model)
        )
    except OrchestratorError as error:
        verdict = _verdict_on(error) if isinstance(error, ClusterError) else Verdict.UNVERIFIED
        reason = Reason(code=error.code, message=error.message)
        return SoughtModel(snapshot, model, _blank(model, cluster, verdict, reason, entry.want if entry else None))
    return SoughtModel(snapshot, model, subject, has_lost_manifests=bool(subject.revision) and not manifests)


async def _manifests_of(session: Session, cluster: Cluster, entry: CatalogueEntry) -> tuple[JsonObject, ...]:
    """What was applied here, as far as it is kept and can be read."""
    if entry.want is not Want.ENABLED or not entry.revision:
        return ()
    name = manifests_name(entry.model, entry.revision)
    secret = await session.writer(cluster.name).get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, name))
    try:
        return unpack_manifests(secret) if secret else ()
    except ValueError:
        return ()


def _subject_of_entry(snapshot: ClusterSnapshot, entry: CatalogueEntry, manifests: tuple[JsonObject, ...]) -> Subject:
    # The model as the cluster knows it, which is what was applied there, whatever the workspace says now.
    model = read_definition(entry.model, entry.definition)
    return planning.subject_of_entry(entry, model, snapshot.cluster, manifests, snapshot.scalers)


async def _subject_of_workspace(session: Session, cluster: Cluster, model: str) -> Subject:
    document = session.workspace.model(model)
    contradicted = await contradictions(session, scopes_of_models([document]), [cluster.name])
    asking = Asking(workspace=session.workspace, fleet=session.fleet, contradicted=contradicted)
    wish: Wish = wish_for(asking, document, cluster.name, step="status", want=Want.DISABLED, playbook=None)
    return planning.subject_of_wish(wish)


def _judged(subject: Subject, cluster: Cluster, judged: Judgement | ClusterError, want: Want | None) -> StatusItem:
    model = subject.model.name
    if isinstance(judged, ClusterError):
        return _blank(model, cluster, _verdict_on(judged), Reason(code=judged.code, message=judged.message), want)
    return StatusItem(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        country=cluster.country,
        want=want,
        state=judged.state,
        revision=judged.revision,
        verdict=verdict_of(judged, subject.want),
        reasons=judged.reasons,
        replicas=judged.replicas,
        explanation=of_grounds(judged.grounds),
    )


def _verdict_on(error: ClusterError) -> Verdict:
    from orchestrator.errors import Unreachable

    return Verdict.UNREACHABLE if isinstance(error, Unreachable) else Verdict.UNVERIFIED


def _unreachable(model: str, cluster: Cluster, reason: Reason, want: Want | None) -> StatusItem:
    return _blank(model, cluster, Verdict.UNREACHABLE, reason, want)


def _blank(model: str, cluster: Cluster, verdict: Verdict, reason: Reason, want: Want | None = None) -> StatusItem:
    return StatusItem(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        country=cluster.country,
        want=want,
        state=State.UNKNOWN,
        verdict=verdict,
        reasons=(reason,),
    )
