"""Looking without changing: `status` says what is, `verify` says whether it is what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator import planning
from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef
from orchestrator.core.observation import Subject
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.ports import Verifier
from orchestrator.core.records import CatalogueEntry, manifests_name, unpack_manifests
from orchestrator.core.result import StatusDocument, StatusItem, exit_code_of, outcome_of
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.verdict import Judgement, Reason, State, Verdict, Want
from orchestrator.core.verdicts import verdict_of
from orchestrator.core.wish import Wish
from orchestrator.delivery import HttpProber
from orchestrator.delivery.snapshot import take_snapshot
from orchestrator.documents.definitions import read_definition
from orchestrator.errors import ClusterError, OrchestratorError
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.requests import Asking, wish_for
from orchestrator.workflow.session import Session


@dataclass(frozen=True, slots=True)
class _Looker:
    session: Session
    verifier: Verifier

    async def look(self, subject: Subject, cluster: Cluster) -> Judgement | ClusterError:
        try:
            return await self.verifier.look(self.session.writer(cluster.name), subject)
        except ClusterError as error:
            return error


async def take_status(session: Session, models: tuple[str, ...], clusters: Iterable[Cluster]) -> StatusDocument:
    """Every model in every cluster, as it is: what the cluster's own catalogue wants, held against what is there.

    A model of the workspace that a cluster knows nothing of is looked for there all the same.
    """
    started = session.clock.elapsed()
    async with HttpProber() as prober:
        looker = _Looker(session, LiveVerifier(session.clock, prober))
        found = await asyncio.gather(*(_status_of_cluster(looker, cluster, models) for cluster in clusters))
    items = sorted((item for items, _ in found for item in items), key=lambda item: item.model)
    sandboxes = [sandbox for _, sandbox in found if sandbox is not None]
    return _document(session, tuple(items), started, rehearsal=bool(sandboxes) and all(sandboxes))


async def verify_plan(session: Session, plan: Plan) -> StatusDocument:
    """Whether everything that a plan wants is so already; nothing of it is carried out."""
    started = session.clock.elapsed()
    async with HttpProber() as prober:
        looker = _Looker(session, LiveVerifier(session.clock, prober))
        parts = [(part.cluster, item) for wave in plan.waves for part in wave.clusters for item in part.items]
        judged = await asyncio.gather(*(_verify_item(looker, cluster, item) for cluster, item in parts))
    out_of_reach = [
        _unreachable(model, cluster, reason, wave.want)
        for wave in plan.waves
        for cluster, reason in wave.unreachable
        for model in wave.models
    ]
    return _document(session, (*judged, *out_of_reach), started, rehearsal=plan.rehearsal)


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


async def _verify_item(looker: _Looker, cluster: Cluster, item: ItemPlan) -> StatusItem:
    judged = _judged(item.subject, cluster, await looker.look(item.subject, cluster), item.want)
    judged = replace(judged, holds=item.held_by)
    if item.held_by and judged.state is State.DISABLED:
        return replace(judged, verdict=Verdict.HELD)
    if judged.verdict is Verdict.VERIFIED and item.changes:
        drift = tuple(
            Reason(code="drift", message=f"{change.verb} is due", object=str(change.ref)) for change in item.changes
        )
        return replace(judged, verdict=Verdict.UNVERIFIED, reasons=(*judged.reasons, *drift))
    return judged


async def _status_of_cluster(
    looker: _Looker, cluster: Cluster, models: tuple[str, ...]
) -> tuple[list[StatusItem], bool | None]:
    snapshot = await take_snapshot(looker.session.writer(cluster.name), SnapshotRequest(whole_catalogue=True))
    known = dict.fromkeys((*snapshot.entries, *snapshot.damaged, *looker.session.workspace.model_names))
    asked = tuple(name for name in known if not models or name in models)
    if snapshot.failure:
        return [_unreachable(model, cluster, snapshot.failure, None) for model in models or asked], None
    items = await asyncio.gather(*(_status_of_model(looker, snapshot, model) for model in asked))
    return list(items), bool(snapshot.identity and snapshot.identity.sandbox)


async def _status_of_model(looker: _Looker, snapshot: ClusterSnapshot, model: str) -> StatusItem:
    cluster, entry = snapshot.cluster, snapshot.entries.get(model)
    if model in snapshot.damaged:
        return _blank(model, cluster, Verdict.UNVERIFIED, snapshot.damaged[model])
    try:
        subject = (
            await _subject_of_entry(looker.session, snapshot, entry)
            if entry
            else _subject_of_workspace(looker.session, cluster, model)
        )
    except OrchestratorError as error:
        return _blank(model, cluster, Verdict.UNVERIFIED, Reason(code=error.code, message=error.message))
    want = entry.want if entry else None
    item = _judged(subject, cluster, await looker.look(subject, cluster), want)
    item = replace(item, holds=snapshot.held_by(model))
    if entry is None and item.state is not State.DISABLED and item.verdict is not Verdict.UNREACHABLE:
        message = "something of this model runs here, and the cluster's catalogue does not know of it"
        return replace(item, verdict=Verdict.UNVERIFIED, reasons=(Reason(code="not-in-catalogue", message=message),))
    return item


async def _subject_of_entry(session: Session, snapshot: ClusterSnapshot, entry: CatalogueEntry) -> Subject:
    cluster = snapshot.cluster
    manifests: tuple[JsonObject, ...] = ()
    if entry.want is Want.ENABLED and entry.revision:
        name = manifests_name(entry.model, entry.revision)
        secret = await session.writer(cluster.name).get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, name))
        manifests = unpack_manifests(secret) if secret else ()
    # The model as the cluster knows it, which is what was applied there, whatever the workspace says now.
    model = read_definition(entry.model, entry.definition)
    return planning.subject_of_entry(entry, model, cluster, manifests, snapshot.scalers)


def _subject_of_workspace(session: Session, cluster: Cluster, model: str) -> Subject:
    asking = Asking(workspace=session.workspace, fleet=session.fleet)
    document = session.workspace.model(model)
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
