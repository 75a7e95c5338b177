"""Carrying out what an order demands, a takedown or a restore: journal, pipelines, channels, evidence, result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from orchestrator import evidence, execution, guarding, plugins
from orchestrator.core.order import Order
from orchestrator.core.plan import Plan
from orchestrator.core.result import ChannelResult, ErrorDetail, RunResult, exit_code_of, outcome_of
from orchestrator.core.text import printable
from orchestrator.delivery import HttpProber
from orchestrator.documents import schemas
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.about import about_plan
from orchestrator.workflow.applying import (
    RunRequest,
    beginning_of,
    clusters_of,
    holder_of,
    items_of,
    keep_beginning,
    keeping_refusal,
)
from orchestrator.workflow.channels import judge_channels
from orchestrator.workflow.holds import look_for_records
from orchestrator.workflow.ledgers import share_ledgers
from orchestrator.workflow.session import Session

Execute = Callable[[Plan, execution.DarkPorts, execution.RunOptions], Awaitable[execution.RunOutcome]]


async def carry_out_order(
    session: Session,
    order: Order,
    plan: Plan,
    request: RunRequest,
    execute: Execute,
    *,
    late: execution.Joining | None = None,
) -> RunResult:
    """Carry out the plan of a takedown or a restore and return its result. Raises RefusedError (exit 4).

    `late` are those that the plan of a takedown was made without.
    """
    began, started = session.clock.now(), session.clock.elapsed()
    run = evidence.new_run_id(began)
    directory = request.state / "runs" / run
    is_kept = keep_beginning(directory, _about(order, plan, began), request)
    beginning = beginning_of(plan, run, began, words=order.public_words)
    request.audience.begins(session.fleet, session.workspace.root, beginning)
    async with HttpProber() as prober:
        with evidence.open_journal(directory) as journal, keeping_refusal(directory, plan, request):
            outcome = await execute(
                plan,
                execution.DarkPorts(
                    writers=session.writers((*clusters_of(plan), *(late.clusters if late else ()))),
                    verifier=LiveVerifier(session.clock, prober, explains=request.explains),
                    prober=prober,
                    guard_prover=guarding.DryRunProver(session.clock),
                    checks=plugins.checks(),
                    journal=journal,
                    clock=session.clock,
                    tell=request.tell_everybody,
                    late=late,
                ),
                execution.RunOptions(
                    run=run,
                    holder=holder_of(run),
                    wait_lock=request.wait_lock,
                    cluster_deadline=request.cluster_deadline,
                    stop=request.stop,
                ),
            )
        plan = outcome.plan or plan
        channels = await judge_channels(session, order.digest, plan, prober)
    result = request.explained(_result(session, plan, outcome, channels, run, started))
    if plan.action == "takedown" and not outcome.interrupted:
        await share_ledgers(session, order.digest, (await look_for_records(session, ())).values())
    if journal.incomplete or not is_kept:
        result = _with_gap(result, journal.fault)
    if not evidence.write_result(directory, schemas.as_printed(result)):
        result = _with_gap(result, "the result could not be kept")
    request.tell_end(result)
    return result


def _result(
    session: Session,
    plan: Plan,
    outcome: execution.RunOutcome,
    channels: tuple[ChannelResult, ...],
    run: str,
    started: float,
) -> RunResult:
    code = exit_code_of((*(item.verdict for item in outcome.items), *(channel.verdict for channel in channels)))
    if outcome.interrupted:
        code = 130
    elif code == 0 and outcome.error:
        code = 3
    elif code == 0 and _is_late(plan, outcome):
        code = 5
    return RunResult(
        run=run,
        action=plan.action,
        order=plan.name,
        rehearsal=plan.rehearsal,
        outcome=outcome_of(code),
        exit_code=code,
        seconds=round(session.clock.elapsed() - started, 3),
        error=outcome.error,
        items=outcome.items,
        channels=channels,
    )


def _is_late(plan: Plan, outcome: execution.RunOutcome) -> bool:
    """Whether the order's deadline was over before everything was proven."""
    ends = [item.darkening.ends_at for item in items_of(plan) if item.darkening and item.darkening.ends_at]
    proven = [item.times.verified for item in outcome.items if item.times.verified]
    return bool(ends and proven) and max(proven) > min(ends)


def _with_gap(result: RunResult, fault: str | None) -> RunResult:
    """A run whose evidence has a gap is never reported as proven."""
    detail = ErrorDetail(
        code="evidence-incomplete",
        message=f"the journal could not be written: {printable(fault or 'no reason known')}",
        hint="what was done is done; run the same command again with a state folder that can be written",
    )
    code = result.exit_code or 3
    return replace(result, error=result.error or detail, exit_code=code, outcome=outcome_of(code))


def _about(order: Order, plan: Plan, began: datetime) -> dict[str, Any]:
    """What the evidence says of the run itself; who demands it only where the order is public."""
    public = {"authority": order.authority, "reference": order.reference} if order.public else {}
    darkenings = [item.darkening for item in items_of(plan) if item.darkening]
    received = next((one.hold.received for one in darkenings if one.hold.received), None)
    deadline = next((one.ends_at for one in darkenings if one.ends_at), None)
    return {
        **about_plan(plan, began),
        "orderName": order.name,
        "orderDigest": order.digest,
        **public,
        **({"liftReference": plan.lift.reference} if plan.lift else {}),
        "orderReceived": received.isoformat() if received else None,
        "deadline": deadline.isoformat() if deadline else None,
    }
