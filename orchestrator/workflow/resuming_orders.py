"""Going on with a takedown, a restore, an operator's hold or its lifting: the same order again, with its options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.core.order import Order
from orchestrator.core.plan import Plan
from orchestrator.core.result import RunResult
from orchestrator.core.text import printable
from orchestrator.documents.orders import load_order
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import OrchestratorError, RefusedError
from orchestrator.workflow.asked import Asked, HoldTask, LiftTask, RestoreTask, TakedownTask
from orchestrator.workflow.contexts import fleet_of_contexts
from orchestrator.workflow.following import follow_up
from orchestrator.workflow.going_on import GoingOn, kubeconfig_of, timeouts_of
from orchestrator.workflow.holding import Holding, plan_standing_hold
from orchestrator.workflow.holds import order_of_hold
from orchestrator.workflow.restoring import RestoreOptions, plan_restore, refuse_short, restore
from orchestrator.workflow.session import Session, load_workspace, open_session
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown, take_down

Release = Callable[[Session], Awaitable[None]]


async def resume_order(asked: Asked, confirmed: Iterable[str], going: GoingOn, release: Release) -> RunResult:
    """Carry out again what an order or a hold demands. `confirmed` are the models that the run was confirmed for.

    Raises RefusedError (exit 4) when the order is gone or another one, and what the command itself raises.
    """
    workspace, task = load_workspace(Path(asked.workspace)), asked.task
    order = _order(workspace, asked)
    contexts = task.contexts if isinstance(task, TakedownTask | RestoreTask) else ()
    async with _session(workspace, asked, contexts) as session:
        plan, options = await _plan(session, order, asked)
        going.announce(plan)
        going.confirm(_unconfirmed(plan, confirmed))
        await release(session)
        if isinstance(task, RestoreTask | LiftTask):
            refuse_short(plan)
            return await restore(session, order, plan, going.request)
        result = await take_down(session, order, plan, going.request)
        if isinstance(task, TakedownTask) and task.follow and isinstance(options, TakedownOptions):
            result = await follow_up(session, order, options, going.request, plan, result)
        return result


async def _plan(session: Session, order: Order, asked: Asked) -> tuple[Plan, TakedownOptions | RestoreOptions]:
    task = asked.task
    match task:
        case TakedownTask():
            terms = TakedownOptions(soak=task.soak, include_shared=task.include_shared, rehearse=task.rehearse)
            return await plan_takedown(session, order, terms), terms
        case HoldTask():
            holding = Holding(
                models=task.models, scope=task.scope, reason=task.reason, until=task.until, soak=task.soak
            )
            return await plan_standing_hold(session, order, holding), TakedownOptions(soak=task.soak)
        case RestoreTask() | LiftTask():
            options = RestoreOptions(
                reference=task.reference,
                ignore_capacity=task.ignore_capacity,
                progress_deadline=task.progress_deadline,
            )
            return await plan_restore(session, order, options), options
    raise ValueError(f"{task.type} follows no order")


def _order(workspace: Workspace, asked: Asked) -> Order:
    task = asked.task
    match task:
        case HoldTask() | LiftTask():
            # Of an operator's hold all that makes it is kept: under its own name it is the same again.
            return replace(order_of_hold(task.models, task.scope, task.reason), name=task.order)
        case TakedownTask() | RestoreTask():
            return _order_of_file(workspace, task)
    raise ValueError(f"{task.type} follows no order")


def _order_of_file(workspace: Workspace, task: TakedownTask | RestoreTask) -> Order:
    """The order from its file, or from whichever file of the workspace holds it now."""
    trouble = "its file holds another order now"
    try:
        order = load_order(Path(task.file), workspace.vocabulary).value
        if order.digest == task.digest:
            return order
    except OrchestratorError as error:
        trouble = printable(error, 300)
    try:
        kept = {one.value.digest: one.value for one in (*workspace.orders(), *workspace.in_force())}
    except OrchestratorError:
        kept = {}
    if task.digest in kept:
        return kept[task.digest]
    raise RefusedError(
        f"the order {task.order} ({task.digest[:12]}) is not there as the run had it: {trouble}",
        hint=f"put it back at {task.file}; what clusters keep of it stands: `orchestrator orders show {task.order}`",
        code="order-gone",
    )


@asynccontextmanager
async def _session(workspace: Workspace, asked: Asked, contexts: tuple[str, ...]) -> AsyncIterator[Session]:
    kubeconfig = kubeconfig_of(asked)
    fleet = await fleet_of_contexts(kubeconfig, contexts) if contexts else None
    async with open_session(workspace, kubeconfig, timeouts_of(asked), fleet=fleet) as session:
        yield session


def _unconfirmed(plan: Plan, confirmed: Iterable[str]) -> tuple[str, ...]:
    known = set(confirmed)
    return tuple(model for model in plan.models if model not in known)
