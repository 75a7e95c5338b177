"""From what a command is about to do to what is kept of how it was asked."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.order import Order
from orchestrator.core.plan import Plan
from orchestrator.core.schema import Seconds
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions
from orchestrator.documents.plans import digest_of
from orchestrator.documents.workspace import Workspace
from orchestrator.workflow.asked import (
    Asked,
    CommandTask,
    HoldTask,
    LiftTask,
    Permitted,
    PlanTask,
    PlaybookTask,
    RestoreTask,
    TakedownTask,
    documents_digest,
)
from orchestrator.workflow.holding import Holding
from orchestrator.workflow.requests import Command
from orchestrator.workflow.restoring import RestoreOptions
from orchestrator.workflow.taking_down import TakedownOptions


def playbook_task(workspace: Workspace, given: str, options: PlanOptions) -> PlaybookTask:
    """`apply` of the playbook that was given by this name or path. Raises DocumentError, UsageError."""
    document = workspace.playbook(given)
    digest = documents_digest(workspace, workspace.models_of(document), document.value)
    return PlaybookTask(playbook=given, documents=digest, permitted=Permitted.of(options))


def plan_task(file: Path, plan: Plan) -> PlanTask:
    """`apply` of a saved plan."""
    return PlanTask(file=str(file.resolve()), digest=digest_of(plan))


def command_task(workspace: Workspace, command: Command, options: PlanOptions) -> CommandTask:
    """`enable` or `disable`. Raises DocumentError, UsageError."""
    models = [workspace.model(name) for name in dict.fromkeys(command.models)]
    return CommandTask(
        want=command.want,
        models=command.models,
        scope=command.scope,
        strategy=command.strategy,
        soak=command.soak,
        documents=documents_digest(workspace, models),
        permitted=Permitted.of(options),
    )


def takedown_task(
    file: Path, order: Order, options: TakedownOptions, contexts: Iterable[str], *, follow: bool
) -> TakedownTask:
    """`takedown` of the order in this file."""
    return TakedownTask(
        file=str(file.resolve()),
        order=order.name,
        digest=order.digest,
        contexts=tuple(contexts),
        soak=Seconds(options.soak),
        include_shared=options.include_shared,
        rehearse=options.rehearse,
        follow=follow,
    )


def restore_task(file: Path, order: Order, options: RestoreOptions, contexts: Iterable[str]) -> RestoreTask:
    """`restore` of the order in this file."""
    return RestoreTask(
        file=str(file.resolve()),
        order=order.name,
        digest=order.digest,
        contexts=tuple(contexts),
        reference=options.reference,
        ignore_capacity=options.ignore_capacity,
        progress_deadline=options.progress_deadline,
    )


def hold_task(order: Order, holding: Holding) -> HoldTask:
    """`disable --hold`; the hold is `order`."""
    return HoldTask(
        order=order.name,
        models=holding.models,
        scope=holding.scope,
        reason=holding.reason,
        until=holding.until,
        soak=Seconds(holding.soak),
    )


def lift_task(order: Order, options: RestoreOptions) -> LiftTask:
    """`hold lift` of the hold that is `order`."""
    return LiftTask(
        order=order.name,
        models=order.models,
        scope=order.about.clusters or Scope(),
        reason=order.reference,
        reference=options.reference or "",
        ignore_capacity=options.ignore_capacity,
        progress_deadline=options.progress_deadline,
    )


def command_line_of(asked: Asked) -> str:
    """The command line in short, without its finer options, quoted for a shell."""
    task = asked.task
    match task:
        case PlaybookTask():
            words = ["apply", task.playbook]
        case PlanTask():
            words = ["apply", task.file]
        case CommandTask():
            words = ["enable" if task.want is Want.ENABLED else "disable", *task.models]
        case TakedownTask():
            words = ["takedown", "--order", task.file]
        case RestoreTask():
            words = ["restore", "--order", task.file]
        case HoldTask():
            words = ["disable", *task.models, "--hold", task.reason]
        case LiftTask():
            words = ["hold", "lift", task.order]
    return shlex.join(["orchestrator", "-C", asked.workspace, *words])
