"""Why a takedown's items may not be verified, whatever is seen: marks that may miss some, models nobody ever saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from orchestrator.core.holds import RESTORE
from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, SYSTEM_NAMESPACE, Resource, dig
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError
from orchestrator.workflow.applying import items_of
from orchestrator.workflow.recognising import Knowledge, Recognised
from orchestrator.workflow.session import Session

_SECRETS = Resource("", "v1", "secrets", "Secret")


async def unseen_models(session: Session, plan: Plan, snapshots: Mapping[str, ClusterSnapshot]) -> frozenset[str]:
    """The plan's models of which no reachable cluster has, or is on record to have had, anything at all.

    A name, or marks, that fit nothing anywhere are more likely wrong than the model is likely gone.
    """
    unseen = set(plan.models) - {name for snapshot in snapshots.values() for name in snapshot.entries}
    for item in items_of(plan):
        live = snapshots[item.subject.cluster].live
        if item.changes or any(one.ref in live for one in item.subject.expectations):
            unseen.discard(item.subject.model.name)
    if not unseen:
        return frozenset()
    answered = [name for name, snapshot in snapshots.items() if snapshot.failure is None]
    recorded = await asyncio.gather(*(_recorded(session, name) for name in answered))
    return frozenset(unseen.difference(*recorded))


async def _recorded(session: Session, cluster: str) -> set[str]:
    """The models that a cluster keeps restore records of: something of them was stopped there."""
    labels = f"{LABEL_RECORD}={RESTORE}"
    try:
        found = await session.writer(cluster).list(_SECRETS, SYSTEM_NAMESPACE, labels=labels)
    except ClusterError:
        return set()
    return {str(dig(secret, "metadata", "labels", LABEL_MODEL, default="")) for secret in found.items}


def with_doubts(plan: Plan, recognised: Mapping[str, tuple[Recognised, str]], unseen: Collection[str]) -> Plan:
    """Doubts about a model's marks are doubts about each of its items; so is that nobody ever saw it."""

    def doubtful(item: ItemPlan) -> ItemPlan:
        name = item.subject.model.name
        one, why = recognised[name]
        doubts = one.doubts
        if not one.is_known:
            words = f"no workspace, no catalogue and no match of the order says how {name} is recognised"
            doubts = (*doubts, Reason(code="found-nowhere", message=words))
        elif name in unseen:
            words = (
                f"no cluster that answers has, or is on record to have had, anything of {name}: is it the right name?"
            )
            doubts = (*doubts, Reason(code="found-nowhere", message=words))
        notes = (Reason(code="in-scope", message=why),) if why else ()
        return replace(item, doubts=(*item.doubts, *doubts), notes=(*notes, *item.notes))

    return _each_item(plan, doubtful)


def with_marks_of_others(plan: Plan, knowledge: Knowledge) -> Plan:
    """Each item with the marks of every known model that is not being taken down: who serves one of those is shared."""
    others = {
        name if number == 0 else f"{name} (other labels {number})": match
        for name in knowledge.models
        if name not in plan.models
        for number, match in enumerate(knowledge.marks_of(name))
    }
    return _each_item(plan, lambda item: replace(item, subject=replace(item.subject, others=others)))


def _each_item(plan: Plan, change: Callable[[ItemPlan], ItemPlan]) -> Plan:
    waves = tuple(
        replace(
            wave,
            clusters=tuple(replace(part, items=tuple(change(item) for item in part.items)) for part in wave.clusters),
        )
        for wave in plan.waves
    )
    return replace(plan, waves=waves)
