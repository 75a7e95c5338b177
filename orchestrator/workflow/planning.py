"""documents → scope → snapshot → plan. Reads the clusters, sends dry-runs, changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from orchestrator import planning
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.playbook import Playbook
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.text import printable
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions, PlanRequest
from orchestrator.delivery.snapshot import preview, take_snapshot
from orchestrator.documents.envelope import Document
from orchestrator.workflow.applying import items_of
from orchestrator.workflow.holds import check_debts, look_for_records, unite_holds, with_lifts
from orchestrator.workflow.requests import (
    Asking,
    Command,
    check_command,
    check_playbook,
    request_for_command,
    request_for_playbook,
)
from orchestrator.workflow.session import Session, ask_all, contradictions, scopes_of, scopes_of_models


async def plan_playbook(session: Session, playbook: Document[Playbook], options: PlanOptions) -> Plan:
    """The plan of a playbook against the clusters as they are now."""
    asking = Asking(workspace=session.workspace, fleet=session.fleet, options=options)
    check_playbook(asking, playbook)
    scopes = (*scopes_of(playbook.value), *scopes_of_models(session.workspace.models_of(playbook)))
    asking = replace(asking, contradicted=await contradictions(session, scopes))
    return await plan_request(session, request_for_playbook(asking, playbook))


async def plan_command(session: Session, command: Command, options: PlanOptions) -> Plan:
    """The plan of `enable` or `disable` against the clusters as they are now."""
    asking = Asking(workspace=session.workspace, fleet=session.fleet, options=options)
    check_command(asking, command)
    scopes = (command.scope, *scopes_of_models(session.workspace.model(name) for name in command.models))
    asking = replace(asking, contradicted=await contradictions(session, scopes))
    return await plan_request(session, request_for_command(asking, command))


async def plan_request(session: Session, request: PlanRequest) -> Plan:
    """Look at every cluster concerned, ask each server what it would make of our objects, and plan.

    Every other cluster of the fleet is asked for its records: a hold that lies there may cover those concerned. Raises
    UsageError when a cluster that owes a model to an order has left the fleet; to switch it off is permitted even then.
    """
    wanted = planning.reads(request)
    snapshots, records = await asyncio.gather(_snapshots(session, wanted), look_for_records(session, wanted))
    models = {wish.model.name: wish.model for wave in request.waves for wish in wave.wishes}
    if request.action != "disable":
        check_debts(session.fleet, (*snapshots.values(), *records.values()), models)
    snapshots = await unite_holds(session, snapshots, records, models)
    snapshots = await _with_previews(session, request, snapshots)
    plan = with_lifts(planning.plan(request, snapshots), snapshots)
    return replace(_with_silence(plan, records), not_covered=tuple(session.connection.contexts_outside_fleet()))


async def with_holds_of_now(session: Session, plan: Plan) -> Plan:
    """A plan that was saved, in which every item is held that a hold covers by now, wherever in the fleet it lies.

    All else of it stays as it was reviewed. Raises what `plan_request` raises of holds and debts.
    """
    records = await look_for_records(session, ())
    models = {item.subject.model.name: item.subject.model for item in items_of(plan)}
    if plan.action != "disable":
        check_debts(session.fleet, records.values(), models)
    united = await unite_holds(session, records, {}, models)

    def held(item: ItemPlan) -> ItemPlan:
        snapshot = united.get(item.subject.cluster)
        if snapshot is None or item.want is not Want.ENABLED:
            return item
        names = dict.fromkeys((*item.held_by, *snapshot.held_by(item.subject.model.name)))
        return replace(item, held_by=tuple(names))

    waves = tuple(
        replace(
            wave,
            clusters=tuple(replace(part, items=tuple(held(item) for item in part.items)) for part in wave.clusters),
        )
        for wave in plan.waves
    )
    return _with_silence(replace(plan, waves=waves), records)


def _with_silence(plan: Plan, records: Mapping[str, ClusterSnapshot]) -> Plan:
    """The plan, in which every step that enables names the clusters whose holds could not be asked."""
    silent = ", ".join(
        f"{name} ({printable(one.failure.message, 120)})" for name, one in records.items() if one.failure
    )
    if not silent:
        return plan
    words = f"holds that lie in these clusters alone are not known: {silent}"
    waves = (replace(wave, words=(*wave.words, words)) if wave.want is Want.ENABLED else wave for wave in plan.waves)
    return replace(plan, waves=tuple(waves))


async def _snapshots(session: Session, requests: dict[str, SnapshotRequest]) -> dict[str, ClusterSnapshot]:
    return await ask_all(requests, lambda name: take_snapshot(session.writer(name), requests[name]))


async def _with_previews(
    session: Session, request: PlanRequest, snapshots: dict[str, ClusterSnapshot]
) -> dict[str, ClusterSnapshot]:
    needed = planning.previews_needed(request, snapshots)
    previews = await ask_all(needed, lambda name: preview(session.writer(name), needed[name]))
    return {
        name: snapshot.with_previews(previews[name]) if name in previews else snapshot
        for name, snapshot in snapshots.items()
    }
