"""The plan of a run that was cut off, made anew: from the very documents it was made of, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.core.plan import ItemPlan, Plan, WavePlan
from orchestrator.core.records import CatalogueEntry, proof_of
from orchestrator.documents.plans import digest_of, read_saved_plan
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import ClusterError, RefusedError
from orchestrator.execution.begun import Begun
from orchestrator.execution.recording import read_entry
from orchestrator.workflow.asked import CommandTask, PlanTask, PlaybookTask, documents_digest
from orchestrator.workflow.planning import plan_command, plan_playbook, with_holds_of_now
from orchestrator.workflow.requests import Command
from orchestrator.workflow.session import Session


def refuse_changed(workspace: Workspace, task: PlaybookTask | PlanTask | CommandTask, again: str) -> None:
    """Raise RefusedError (exit 4) when the documents are no longer those of the run; `again` asks it anew.

    Raises DocumentError or UsageError for what is wrong in them, or gone.
    """
    match task:
        case PlaybookTask():
            document = workspace.playbook(task.playbook)
            is_same = documents_digest(workspace, workspace.models_of(document), document.value) == task.documents
        case CommandTask():
            models = [workspace.model(name) for name in dict.fromkeys(task.models)]
            is_same = documents_digest(workspace, models) == task.documents
        case PlanTask():
            is_same = digest_of(read_saved_plan(Path(task.file))) == task.digest
    if not is_same:
        raise RefusedError(
            "the fleet, the models or the playbook are no longer what they were when the run began",
            hint=f"`{again}` carries out what they say now; nothing of the run was changed",
            code="documents-changed",
        )


async def replan(session: Session, task: PlaybookTask | PlanTask | CommandTask, begun: Begun) -> Plan:
    """The plan against the clusters as they are now; a saved one as it was, less what is done already."""
    match task:
        case PlaybookTask():
            return await plan_playbook(session, session.workspace.playbook(task.playbook), task.permitted.options())
        case CommandTask():
            command = Command(
                models=task.models, scope=task.scope, want=task.want, strategy=task.strategy, soak=task.soak
            )
            return await plan_command(session, command, task.permitted.options())
        case PlanTask():
            saved = await with_holds_of_now(session, read_saved_plan(Path(task.file)))
            return await _with_what_is_there(session, saved, begun)


async def _with_what_is_there(session: Session, plan: Plan, begun: Begun) -> Plan:
    """The saved plan, in which what the run wrote already is no other run's work."""
    waves = []
    for wave in plan.waves:
        parts = []
        for part in wave.clusters:
            items = [await _as_found(session, plan, wave, item, begun) for item in part.items]
            parts.append(replace(part, items=tuple(items)))
        waves.append(replace(wave, clusters=tuple(parts)))
    return replace(plan, waves=tuple(waves))


async def _as_found(session: Session, plan: Plan, wave: WavePlan, item: ItemPlan, begun: Begun) -> ItemPlan:
    cluster, model = item.subject.cluster, item.subject.model.name
    if (cluster, model) not in begun.items:
        return item
    try:
        live = await read_entry(session.writer(cluster), model)
    except ClusterError:
        return item
    if live is None or not _is_ours(live, item):
        return item
    soaked = live.has_soaked(f"{plan.name}/{wave.step}", proof_of(wave.soak, wave.checks))
    if soaked:
        return replace(item, previous=live, changes=(), entry_changes=False, soak_due=False)
    entry = replace(item.entry, soaked={**item.entry.soaked, **live.soaked})
    return replace(item, previous=live, entry=entry, entry_changes=True)


def _is_ours(live: CatalogueEntry, item: ItemPlan) -> bool:
    ours = item.entry
    return (live.want, live.revision, live.profile) == (ours.want, ours.revision, ours.profile)
