"""`runs abort`: a run that was cut off is ended for good. Its own locks are released; no workload is touched."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import evidence
from orchestrator.core.events import Event, EventType
from orchestrator.core.order_report import SilentCluster
from orchestrator.core.run_report import AbortReport, LeftItem, RunState
from orchestrator.core.verdict import Reason, State
from orchestrator.errors import ClusterError, OrchestratorError, RefusedError
from orchestrator.evidence.bundle import gaps_of
from orchestrator.execution.abandoned import release_abandoned
from orchestrator.workflow.about import local_user
from orchestrator.workflow.contexts import fleet_of_contexts
from orchestrator.workflow.going_on import kubeconfig_of, timeouts_of
from orchestrator.workflow.judging import take_status
from orchestrator.workflow.run_reports import left_of, next_steps
from orchestrator.workflow.runs import KeptRun, read_kept
from orchestrator.workflow.session import Session, load_workspace, open_session

_Lock = tuple[str, str]
"""(cluster, model)."""


async def abort(state: Path, run: str) -> AbortReport:
    """End a run that is dead or interrupted: release its locks, mark it, say what it left.

    Raises RefusedError (exit 4) for one that lives, one that has ended, one that another continues, and one of which
    nobody can tell; UsageError where there is no such run.
    """
    kept = read_kept(state, run)
    _refuse(kept)
    gaps = list(gaps_of(kept.record))
    released: tuple[_Lock, ...] = ()
    silent: tuple[SilentCluster, ...] = ()
    left = left_of(kept)
    try:
        released, silent, left = await _look_and_release(kept, left)
    except OrchestratorError as error:
        gaps.append(f"no cluster could be asked: {error.message}")
    marked = _mark(state, run, released)
    if not marked:
        gaps.append("the journal cannot be written: the run is not marked as aborted")
    kept = read_kept(state, run)
    was_asked = kept.asked is not None and not any(gap.startswith("no cluster") for gap in gaps)
    return AbortReport(
        exit_code=0 if marked and was_asked and not silent else 3,
        run=kept.entry,
        released=tuple(f"{model} in {cluster}" for cluster, model in released),
        unreachable=silent,
        left=left,
        gaps=tuple(gaps),
        next=next_steps(kept),
    )


def _refuse(kept: KeptRun) -> None:
    run, state = kept.entry.run, kept.entry.state
    if kept.entry.continued_by is not None:
        hint = f"`orchestrator runs abort {kept.entry.continued_by}` ends that one"
        raise RefusedError(f"run {run} is continued by {kept.entry.continued_by}", hint=hint, code="continued")
    match state:
        case RunState.RUNNING:
            raise RefusedError(
                f"run {run} is still under way, as process {kept.pid} of this machine",
                hint=f"end it at its next safe point first: kill -INT {kept.pid}",
                code="running",
            )
        case RunState.UNKNOWN:
            raise RefusedError(
                f"whether the process of run {run} still lives cannot be told from this machine",
                hint="abort it where it was begun; a dead one's locks expire by themselves within a minute",
                code="unknown",
            )
        case RunState.ENDED:
            raise RefusedError(
                f"run {run} has ended: there is nothing to abort",
                code="ended",
                hint="`orchestrator runs show RUN` tells how it ended",
            )
        case RunState.ABORTED:
            raise RefusedError(
                f"run {run} was aborted already", code="aborted", hint="`orchestrator runs show RUN` tells what it left"
            )


async def _look_and_release(
    kept: KeptRun, left: tuple[LeftItem, ...]
) -> tuple[tuple[_Lock, ...], tuple[SilentCluster, ...], tuple[LeftItem, ...]]:
    asked = kept.asked
    if asked is None or kept.holder is None:
        raise OrchestratorError(
            "it is not kept how the run was asked",
            hint="its locks expire by themselves within a minute; run its command again",
        )
    workspace = load_workspace(Path(asked.workspace))
    kubeconfig = kubeconfig_of(asked)
    contexts = getattr(asked.task, "contexts", ())
    fleet = await fleet_of_contexts(kubeconfig, contexts) if contexts else None
    async with open_session(workspace, kubeconfig, timeouts_of(asked), fleet=fleet) as session:
        released, silent = await _release(session, kept, kept.holder)
        return released, silent, await _with_states(session, left)


async def _release(session: Session, kept: KeptRun, holder: str) -> tuple[tuple[_Lock, ...], tuple[SilentCluster, ...]]:
    """Release what this very holder has locked, in every cluster of the fleet at once."""
    models = dict.fromkeys((*kept.entry.models, *(item.model for item in left_of(kept))))
    silent: dict[str, SilentCluster] = {}

    async def one(cluster: str, model: str) -> _Lock | None:
        try:
            return (cluster, model) if await release_abandoned(session.writer(cluster), model, holder) else None
        except ClusterError as error:
            silent[cluster] = SilentCluster(cluster=cluster, reason=Reason(code=error.code, message=error.message))
            return None

    keys = [(cluster.name, model) for cluster in session.fleet.clusters for model in models]
    found = await asyncio.gather(*(one(*key) for key in keys))
    return tuple(key for key in found if key), tuple(silent.values())


async def _with_states(session: Session, left: tuple[LeftItem, ...]) -> tuple[LeftItem, ...]:
    """What was left, with what is seen of it now."""
    known = {cluster.name: cluster for cluster in session.fleet.clusters}
    clusters = [known[name] for name in dict.fromkeys(item.cluster for item in left) if name in known]
    if not clusters:
        return left
    seen = await take_status(session, tuple(dict.fromkeys(item.model for item in left)), clusters)
    states = {(item.model, item.cluster): item.state for item in seen.items}
    return tuple(replace(item, state=states.get((item.model, item.cluster), State.UNKNOWN)) for item in left)


def _mark(state: Path, run: str, released: tuple[_Lock, ...]) -> bool:
    """Write the end into the run's own journal; whether that could be kept."""
    said = {"aborted": True, "by": local_user(), "locksReleased": [f"{model} in {name}" for name, model in released]}
    with evidence.open_journal(evidence.run_directory(state, run)) as journal:
        journal.record(Event(type=EventType.RUN_ENDED, at=datetime.now(UTC), data=said))
        return not journal.incomplete
