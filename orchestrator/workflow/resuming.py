"""`runs resume`: a run that was cut off is asked again, and goes on from what the journal and the clusters tell.

Everything converges, so that going on is planning anew: from the same documents, or not at all. What only the journal
knows is what was there before the run; a rollback that had begun is finished to that, and nothing else is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.core.plan import Plan
from orchestrator.core.result import Outcome, RunResult
from orchestrator.core.run_report import RunState
from orchestrator.documents._checking import adapter
from orchestrator.errors import ClusterError, OrchestratorError, RefusedError
from orchestrator.execution.abandoned import release_abandoned
from orchestrator.execution.begun import Begun, begun_by
from orchestrator.execution.leases import LEASE_SECONDS
from orchestrator.workflow.applying import carry_out
from orchestrator.workflow.asked import Asked, CommandTask, PlanTask, PlaybookTask
from orchestrator.workflow.asking import command_line_of
from orchestrator.workflow.going_on import GoingOn, kubeconfig_of, timeouts_of
from orchestrator.workflow.replanning import refuse_changed, replan
from orchestrator.workflow.resuming_orders import resume_order
from orchestrator.workflow.run_reports import is_rolled_back
from orchestrator.workflow.runs import KeptRun, chain_of
from orchestrator.workflow.session import Session, load_workspace, open_session

_WAIT_FOR_UNKNOWN = LEASE_SECONDS + 15
"""Seconds to wait for the locks of a run that may still live on another machine: a dead one's expire meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run that can be continued."""

    chain: tuple[KeptRun, ...]
    """From the first run that was cut off to the newest that continued it."""
    asked: Asked

    @property
    def last(self) -> KeptRun:
        """The run that is continued."""
        return self.chain[-1]

    @property
    def begun(self) -> Begun:
        """What all of them had begun."""
        found = begun_by(one.event for kept in self.chain for one in kept.record.journal.records)
        return replace(found, is_whole=not self.doubts)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the journals do not tell everything, in words; a torn last line is no such reason."""
        found = []
        for kept in self.chain:
            journal, run = kept.record.journal, kept.entry.run
            if journal.damage:
                found.append(f"the journal of run {run} was changed: {journal.damage}")
            if journal.missing:
                found.append(f"the journal of run {run} lacks {journal.missing} records, which could not be written")
            if not journal.records and kept.has_begun:
                found.append(f"the journal of run {run} tells nothing")
        return tuple(found)


def find_resumption(state: Path, run: str, workspace: Path) -> Resumption | RunResult:
    """What is to be continued when this run is resumed; its result where nothing is left to do.

    `workspace` is taken where the run's own folder is gone. Raises RefusedError (exit 4) for a run that lives, was
    aborted or rolled back, or does not tell how it was asked.
    """
    chain = chain_of(state, run)
    last = chain[-1]
    name, entry = last.entry.run, last.entry
    if entry.state is RunState.RUNNING:
        raise RefusedError(
            f"run {name} is still under way, as process {last.pid} of this machine",
            hint=f"wait for it, or end it at its next safe point: kill -INT {last.pid}",
            code="running",
        )
    again = f"ask anew: `{command_line_of(last.asked)}`" if last.asked else "run its command again: it converges"
    if entry.state is RunState.ABORTED:
        raise RefusedError(f"run {name} was aborted, for good", hint=again, code="aborted")
    if entry.state is RunState.ENDED and entry.outcome in (Outcome.VERIFIED, Outcome.LATE):
        return _result_of(last)
    if is_rolled_back(last):
        raise RefusedError(
            f"run {name} failed, and was rolled back: nothing of it is left to go on with",
            hint=f"mend the cause, then {again}",
            code="rolled-back",
        )
    asked = last.asked or next((kept.asked for kept in reversed(chain) if kept.asked), None)
    if asked is None:
        raise RefusedError(
            f"it is not kept how run {name} was asked, or that was changed",
            hint="run its command again: everything converges to the same end",
            code="not-kept",
        )
    if not Path(asked.workspace).is_dir():
        asked = replace(asked, workspace=str(workspace.resolve()))
    return Resumption(chain=chain, asked=asked)


async def resume(resumption: Resumption, going: GoingOn) -> RunResult:
    """Go on with a run, and return the result as its own command would.

    Raises RefusedError (exit 4), UsageError (exit 2) and DocumentError where the documents are not those of the run.
    """
    asked, task = resumption.asked, resumption.asked.task
    request = replace(
        going.request,
        asked=asked,
        continues=resumption.last.entry.run,
        begun=resumption.begun,
        wait_lock=_wait(resumption),
        cluster_deadline=asked.cluster_deadline,
        held_fails=asked.held_fails,
    )
    going = replace(going, request=request)
    if not isinstance(task, PlaybookTask | PlanTask | CommandTask):
        return await resume_order(asked, _models(resumption), going, lambda session: release_left(session, resumption))
    workspace = load_workspace(Path(asked.workspace))
    refuse_changed(workspace, task, command_line_of(asked))
    async with open_session(workspace, kubeconfig_of(asked), timeouts_of(asked)) as session:
        plan = await replan(session, task, resumption.begun)
        if resumption.begun.rolling_back is not None:
            # What speaks against the rollout says nothing against taking it back.
            plan = without_refusals(plan)
        going.announce(plan)
        await release_left(session, resumption)
        return await carry_out(session, plan, request)


async def release_left(session: Session, resumption: Resumption) -> None:
    """Release the locks of every run of the chain whose process is known to be dead; what cannot be expires."""
    holders = [
        kept.holder
        for kept in resumption.chain
        if kept.holder and kept.entry.state in (RunState.DIED, RunState.ENDED, RunState.INTERRUPTED)
    ]

    async def release(cluster: str, model: str, holder: str) -> None:
        try:
            await release_abandoned(session.writer(cluster), model, holder)
        except ClusterError:
            return

    clusters = [cluster.name for cluster in session.fleet.clusters]
    await asyncio.gather(
        *(release(name, model, holder) for name in clusters for model in _models(resumption) for holder in holders)
    )


def without_refusals(plan: Plan) -> Plan:
    """The plan, of which nothing is refused."""
    waves = tuple(
        replace(
            wave,
            clusters=tuple(
                replace(part, items=tuple(replace(item, refusals=()) for item in part.items)) for part in wave.clusters
            ),
        )
        for wave in plan.waves
    )
    return replace(plan, waves=waves, refusals=())


def _models(resumption: Resumption) -> tuple[str, ...]:
    """Every model that the runs were about."""
    begun = (model for _, model in resumption.begun.items)
    return tuple(dict.fromkeys((*(name for kept in resumption.chain for name in kept.entry.models), *begun)))


def _wait(resumption: Resumption) -> float | None:
    wait = resumption.asked.wait_lock
    if resumption.last.entry.state is not RunState.UNKNOWN:
        return wait
    return max(wait or 0.0, _WAIT_FOR_UNKNOWN)


def _result_of(kept: KeptRun) -> RunResult:
    try:
        return adapter(RunResult).validate_python(kept.record.result)
    except ValueError as error:
        raise OrchestratorError(
            f"run {kept.entry.run} ended well, but its result cannot be read",
            hint=f"`orchestrator runs show {kept.entry.run}`",
            code="result",
        ) from error
