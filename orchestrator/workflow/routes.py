"""What leads clients to the models of a takedown, read in each cluster, and how it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.core.holds import RestoreRecord, read_restore_record
from orchestrator.core.objects import (
    LABEL_MODEL,
    SYSTEM_NAMESPACE,
    JsonObject,
    ObjectRef,
    dig,
    matches_labels,
    ref_of,
)
from orchestrator.core.order import Order
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan
from orchestrator.core.ports import ClusterReader
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, NotFound
from orchestrator.planning.cutting import (
    CutRead,
    CutRequest,
    Cuts,
    Surroundings,
    notice_of,
    plan_cuts,
    reads_for_cuts,
    routes_cut,
)
from orchestrator.planning.takedown import workloads_of
from orchestrator.verification.recognition import fits, labels_of, named_as_shared
from orchestrator.workflow.session import Session

_Lists = Mapping[CutRead, tuple[JsonObject, ...] | Reason]


async def cut_routes(
    session: Session, order: Order, plan: Plan, snapshots: Mapping[str, ClusterSnapshot]
) -> dict[tuple[str, str], Cuts]:
    """By (model, cluster): the cuts of everything that leads there. What cannot be read is a way that stays open."""
    parts = [part for wave in plan.waves for part in wave.clusters]
    found = await asyncio.gather(*(_cut_in(session, order, part, snapshots[part.cluster.name]) for part in parts))
    return {key: cuts for of_cluster in found for key, cuts in of_cluster.items()}


async def _cut_in(
    session: Session, order: Order, part: ClusterPlan, snapshot: ClusterSnapshot
) -> dict[tuple[str, str], Cuts]:
    service = session.fleet.notice_service
    wanted = [(item, reads_for_cuts(item.subject.model, item.subject.namespaces, service)) for item in part.items]
    lists = await _read(session.writer(part.cluster.name), {read for _, reads in wanted for read in reads})
    cuts: dict[tuple[str, str], Cuts] = {}
    for item, reads in wanted:
        model = item.subject.model
        request = CutRequest(
            model=model, notice=notice_of(order, model.name), belongs=_belongs(item, snapshot), service=service
        )
        live = _surroundings(reads, lists)
        records = await _records(session.writer(part.cluster.name), model.name, routes_cut(model.name, live))
        cuts[model.name, part.cluster.name] = plan_cuts(request, replace(live, records=records))
    return cuts


async def _records(reader: ClusterReader, model: str, routes: tuple[ObjectRef, ...]) -> dict[ObjectRef, RestoreRecord]:
    """What these routes were before they were cut, as far as the cluster keeps it and tells."""

    async def one(ref: ObjectRef) -> RestoreRecord | None:
        name = RestoreRecord(model=model, ref=ref, uid="", before={}).object_name
        try:
            secret = await reader.get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, name))
            return read_restore_record(secret) if secret is not None else None
        except (ClusterError, ValueError):
            return None

    found = await asyncio.gather(*(one(ref) for ref in routes))
    return {ref: record for ref, record in zip(routes, found, strict=True) if record is not None and record.ref == ref}


async def _read(reader: ClusterReader, reads: set[CutRead]) -> _Lists:
    """Every list once, all at once."""

    async def one(read: CutRead) -> tuple[JsonObject, ...] | Reason:
        try:
            return (await reader.list(read.resource, read.namespace)).items
        except NotFound:
            return ()
        except ClusterError as error:
            place = f"{read.resource.plural} in {read.namespace or 'all namespaces'}"
            words = f"nobody can tell what leads to the model: {place}: {error.message}"
            return Reason(code=error.code, message=printable(words))

    ordered = sorted(reads, key=lambda read: (read.resource, read.namespace))
    answers = await asyncio.gather(*(one(read) for read in ordered))
    return dict(zip(ordered, answers, strict=True))


def _surroundings(reads: tuple[CutRead, ...], lists: _Lists) -> Surroundings:
    answers = {read: lists[read] for read in reads}
    objects = {ref_of(obj): obj for answer in answers.values() if not isinstance(answer, Reason) for obj in answer}
    unread = {read: answer for read, answer in answers.items() if isinstance(answer, Reason)}
    return Surroundings(objects=tuple(objects.values()), unread=unread)


def _belongs(item: ItemPlan, snapshot: ClusterSnapshot) -> Callable[[JsonObject], bool]:
    """Whether a pod, or a workload's template, is this model's and no other's."""
    model = item.subject.model
    selectors = [(ref.namespace, selector) for ref, selector in workloads_of(item, snapshot)]

    def belongs(pod: JsonObject) -> bool:
        labels = labels_of(pod)
        label, namespace = labels.get(LABEL_MODEL), dig(pod, "metadata", "namespace")
        if label not in (None, model.name) or named_as_shared(item.subject, pod, labels):
            return False
        is_selected = any(place == namespace and matches_labels(selector, labels) for place, selector in selectors)
        return label == model.name or is_selected or fits(model.match, pod)

    return belongs
