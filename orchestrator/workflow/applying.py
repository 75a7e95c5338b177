"""Carrying out a plan: refuse what must be refused, execute, and say what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator import evidence, execution, plugins
from orchestrator.core.audience import Beginning
from orchestrator.core.events import Event
from orchestrator.core.explaining import explained
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.result import ErrorDetail, RunResult, exit_code_of, outcome_of
from orchestrator.core.verdict import Reason
from orchestrator.delivery import HttpProber
from orchestrator.documents import schemas
from orchestrator.errors import ConflictRefusal, HoldRefusal, OrchestratorError, RefusedError, SafetyRefusal
from orchestrator.execution.begun import Begun
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.about import about_plan, local_user
from orchestrator.workflow.asked import UNBEGUN, Asked, to_kept
from orchestrator.workflow.audience import Audience
from orchestrator.workflow.processes import this_process
from orchestrator.workflow.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """How a plan is to be carried out."""

    state: Path
    """Folder under which this run keeps its journal."""
    wait_lock: float | None = None
    cluster_deadline: float = 600.0
    """Seconds within which everything has to be sent to one cluster."""
    held_fails: bool = False
    """Whether an item that a hold keeps off costs exit code 1."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tell: Callable[[Event], None] = lambda event: None
    asked: Asked | None = None
    """How it was asked, kept so that it can be asked again; None where nobody could."""
    continues: str | None = None
    """The run that was cut off and is continued."""
    begun: Begun | None = None
    """What that run, and those that it continued, had begun."""
    explains: bool = False
    """Whether the result says on what each verdict rests."""
    audience: Audience = field(default_factory=Audience)
    """Who else is told."""
    is_round: bool = False
    """Whether it is one more round of a takedown that is followed, which tells how all of them stand."""

    def tell_everybody(self, event: Event) -> None:
        """The person at the terminal, and the audience."""
        self.audience.sees(event)
        self.tell(event)

    def explained(self, result: RunResult) -> RunResult:
        """The result, with what each verdict rests on where that is asked for."""
        return explained(result) if self.explains else result

    def tell_end(self, result: RunResult) -> None:
        """The audience, how it ended."""
        (self.audience.ends_round if self.is_round else self.audience.ends)(result)


async def carry_out(session: Session, plan: Plan, request: RunRequest) -> RunResult:
    """Execute a plan and return its result. Raises RefusedError (exit 4) when nothing may be done."""
    refuse_what_must_be(plan)
    began, started = session.clock.now(), session.clock.elapsed()
    run = evidence.new_run_id(began)
    directory = request.state / "runs" / run
    is_kept = plan.is_due or request.begun is not None
    if is_kept:
        keep_beginning(directory, about_plan(plan, began), request)
    request.audience.begins(session.fleet, session.workspace.root, beginning_of(plan, run, began, is_due=is_kept))
    async with HttpProber() as prober:
        with (
            evidence.open_journal(directory, due=is_kept) as journal,
            keeping_refusal(directory, plan, request, is_kept=is_kept),
        ):
            outcome = await execution.execute(
                plan,
                execution.RunPorts(
                    writers=session.writers(clusters_of(plan)),
                    verifier=LiveVerifier(session.clock, prober, explains=request.explains),
                    prober=prober,
                    checks=plugins.checks(),
                    journal=journal,
                    clock=session.clock,
                    tell=request.tell_everybody,
                ),
                execution.RunOptions(
                    run=run,
                    holder=holder_of(run),
                    wait_lock=request.wait_lock,
                    cluster_deadline=request.cluster_deadline,
                    stop=request.stop,
                    begun=request.begun,
                ),
            )
    code = (
        130
        if outcome.interrupted
        else exit_code_of((item.verdict for item in outcome.items), held_fails=request.held_fails)
    )
    if outcome.error and code == 0:
        code = 3
    result = RunResult(
        run=run,
        action=plan.action,
        rehearsal=plan.rehearsal,
        outcome=outcome_of(code),
        exit_code=code,
        seconds=round(session.clock.elapsed() - started, 3),
        error=outcome.error,
        items=outcome.items,
    )
    result = request.explained(result)
    if is_kept:
        evidence.write_result(directory, schemas.as_printed(result))
    request.tell_end(result)
    return result


def beginning_of(
    plan: Plan, run: str, began: datetime, *, is_due: bool = True, words: Mapping[str, str] | None = None
) -> Beginning:
    """What others may know of a run when it begins."""
    silent = (cluster.name for wave in plan.waves for cluster, _ in wave.unreachable)
    return Beginning(
        run=run,
        action=plan.action,
        at=began,
        fleet=plan.fleet,
        models=plan.models,
        clusters=tuple(dict.fromkeys((*clusters_of(plan), *silent))),
        rehearsal=plan.rehearsal,
        is_due=is_due,
        words=words or {},
    )


def keep_beginning(directory: Path, about: Mapping[str, Any], request: RunRequest) -> bool:
    """Keep what a run is about, and how it can be asked again; whether all of that could be written.

    Until its journal has begun nothing can have been sent. That is said at first and taken back then, never the
    reverse: a journal that is lost later must not look like one that was never begun.
    """
    continues = {"continues": request.continues} if request.continues else {}
    asked = to_kept(request.asked) if request.asked else {}
    kept = {"process": {**this_process(), "holder": holder_of(directory.name)}, **asked}
    evidence.write_request(directory, {**kept, UNBEGUN: True})
    is_about_kept = evidence.write_about(directory, {**about, **continues})
    is_request_kept = evidence.write_request(directory, kept)
    if not is_request_kept:
        evidence.forget_request(directory)
    return is_about_kept and is_request_kept


@contextlib.contextmanager
def keeping_refusal(directory: Path, plan: Plan, request: RunRequest, *, is_kept: bool = True) -> Iterator[None]:
    """What is refused once its run has a folder, as for a lock, is kept there as its end, and told as such."""
    try:
        yield
    except OrchestratorError as error:
        detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
        result = RunResult(
            run=directory.name,
            action=plan.action,
            order=plan.name if plan.order_digest else None,
            rehearsal=plan.rehearsal,
            outcome=outcome_of(error.exit_code),
            exit_code=error.exit_code,
            seconds=0.0,
            error=detail,
            items=(),
        )
        if is_kept:
            evidence.write_result(directory, schemas.as_printed(result))
        request.tell_end(result)
        raise


def clusters_of(plan: Plan) -> tuple[str, ...]:
    """Names of the clusters that a plan may write to."""
    return tuple(dict.fromkeys(part.cluster.name for wave in plan.waves for part in wave.clusters))


def items_of(plan: Plan) -> tuple[ItemPlan, ...]:
    """Every item of every reachable cluster, in the plan's order."""
    return tuple(item for wave in plan.waves for part in wave.clusters for item in part.items)


def holder_of(run: str) -> str:
    """Who holds the locks of this run, in words that help the one who is refused."""
    return f"{local_user()}@{socket.gethostname()} pid {os.getpid()} run {run}"


def refuse_what_must_be(plan: Plan) -> None:
    """Raise the first kind of refusal that a plan carries, with every reason of that kind."""
    if plan.refusals:
        raise SafetyRefusal(
            "; ".join(reason.message for reason in plan.refusals),
            hint="--override RULE=REASON lets it through, and keeps the reason",
        )
    held = [item for item in items_of(plan) if item.held_by]
    if plan.action == "enable" and held:
        names = ", ".join(f"{item.subject.model.name} in {item.subject.cluster}" for item in held)
        holds = ", ".join(dict.fromkeys(name for item in held for name in item.held_by))
        raise HoldRefusal(
            f"held off by {holds}: {names}",
            hint="every hold must be lifted first: `orchestrator hold list` says where they lie",
        )
    refusals = [(item, reason) for item in items_of(plan) for reason in item.refusals]
    if refusals:
        raise _refusal(refusals)


def _refusal(refusals: list[tuple[ItemPlan, Reason]]) -> RefusedError:
    lines = [
        f"{item.subject.model.name} in {item.subject.cluster}: {f'{reason.object}: ' if reason.object else ''}"
        f"{reason.message}"
        for item, reason in refusals
    ]
    hints = {"conflict": "--force-conflicts takes the listed fields", "other-playbook": "--take-over takes them over"}
    codes = [reason.code for _, reason in refusals]
    hint = next((hints[code] for code in codes if code in hints), "`orchestrator plan` shows every detail")
    return ConflictRefusal("; ".join(lines), hint=hint, code=codes[0])
