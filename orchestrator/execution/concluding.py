"""From what happened to a verdict: pure, and nothing here ever makes a doubt smaller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from orchestrator.core.explaining import of_grounds
from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold
from orchestrator.core.observation import Settled
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.result import ResultItem
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Judgement, Readiness, Reason, ReplicaCount, State, Verdict, Want
from orchestrator.errors import ClusterError, Unreachable
from orchestrator.execution.sending import reason_of
from orchestrator.execution.stopping import Interrupted

STALE_PLAN = Reason(
    code="stale-plan", message="another run has changed this model here since the plan was made: plan anew"
)


def blank(item: ItemPlan, cluster: Cluster, verdict: Verdict, *reasons: Reason) -> ResultItem:
    """An item of which nothing was seen."""
    return replace(_unseen(item.subject.model.name, cluster, item.want, verdict, *reasons), holds=item.held_by)


def unreachable(model: str, cluster: Cluster, want: Want, reason: Reason) -> ResultItem:
    """A model in a cluster that gave no answer that can be trusted when the plan was made."""
    return _unseen(model, cluster, want, Verdict.UNREACHABLE, reason)


def not_joined(model: str, cluster: Cluster, want: Want, why: str) -> ResultItem:
    """A model in a cluster that a takedown began without, when what was known in the end forbade to go on with it."""
    words = f"it had not answered when the run began, and is not taken down now: {why}"
    return _unseen(model, cluster, want, Verdict.UNVERIFIED, Reason(code="not-joined", message=words))


def not_awaited(model: str, cluster: Cluster, want: Want) -> ResultItem:
    """A model in a cluster that had not answered when the run was interrupted."""
    reason = Reason(code="interrupted", message="interrupted before it had answered")
    return _unseen(model, cluster, want, Verdict.NOT_RUN, reason)


def held_since(cluster: Cluster, hold: Hold) -> ResultItem:
    """A model that a takedown of the lifted order began to take dark after its restore was planned."""
    words = (
        f"a takedown of {printable(hold.name, 100)} had kept its hold here as the lift came, and gives back what it "
        "took as far as it is not cut off; next: `orchestrator restore --order FILE`, once it has ended"
    )
    reason = Reason(code="not-restored", message=words)
    return replace(_unseen(hold.model, cluster, Want.ENABLED, Verdict.UNVERIFIED, reason), holds=(hold.name,))


def _unseen(model: str, cluster: Cluster, want: Want, verdict: Verdict, *reasons: Reason) -> ResultItem:
    return ResultItem(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        country=cluster.country,
        want=want,
        state=State.UNKNOWN,
        verdict=verdict,
        reasons=reasons,
    )


def ending(result: ResultItem) -> dict[str, Any]:
    """How an item ended, for the journal."""
    return {
        "verdict": result.verdict.value,
        "state": result.state.value,
        "changed": result.changed,
        "replicas": _counts(result.replicas),
        "reasons": [{"code": reason.code, "message": reason.message} for reason in result.reasons],
    }


def places_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """By cluster its region and the models that the plan is about there, and why it is out of reach where it is.

    One that may still join is `awaited`.
    """
    places: dict[str, dict[str, Any]] = {}
    for wave in plan.waves:
        for part in wave.clusters:
            place = places.setdefault(part.cluster.name, {"region": part.cluster.region, "models": []})
            place["models"] += [item.subject.model.name for item in part.items]
        for cluster, reason in wave.unreachable:
            place = places.setdefault(cluster.name, {"region": cluster.region, "models": []})
            place["models"] += wave.models or plan.models
            place["awaited" if cluster in wave.awaited else "unreachable"] = reason.message
    return places


def progress(judgement: Judgement) -> dict[str, Any]:
    """What a wait sees just now, for whoever watches the run."""
    return {
        "readiness": judgement.readiness.value,
        "reasons": [reason.message for reason in judgement.reasons[:3]],
        "replicas": _counts(judgement.replicas),
    }


def _counts(replicas: ReplicaCount) -> dict[str, int]:
    return {"desired": replicas.desired, "ready": replicas.ready, "pods": replicas.pods}


def seen(result: ResultItem, judgement: Judgement) -> ResultItem:
    """The item with what was seen of it; its verdict is left alone."""
    return replace(
        result,
        state=judgement.state,
        revision=judgement.revision,
        replicas=judgement.replicas,
        explanation=of_grounds(judgement.grounds),
    )


def reasons_for(settled: Settled, deadline: float) -> tuple[Reason, ...]:
    """What the judgement says, and that time ran out where it did."""
    reasons = settled.judgement.reasons
    if settled.late:
        late = Reason(code="progress-deadline", message=f"not settled within {deadline:g} s")
        return (late, *reasons)
    return reasons


def told(result: ResultItem) -> ResultItem:
    """The item as it is told: what is not verified in the end was verified at no time."""
    if result.verdict is Verdict.VERIFIED or result.times.verified is None:
        return result
    return replace(result, times=replace(result.times, verified=None))


def with_lock_left(result: ResultItem, error: ClusterError) -> ResultItem:
    """The item whose lock could not be released: that changes no verdict, and the next run has to wait for it."""
    words = f"its lock could not be released, and expires by itself: {printable(error.message)}"
    return replace(result, reasons=(*result.reasons, Reason(code="lock-left", message=words)))


def verdict_on_checks(outcomes: Iterable[Assessment]) -> Verdict:
    """Only checks that all passed leave an item verified; one that could not be judged makes it unverified."""
    readiness = {outcome.readiness for outcome in outcomes}
    if Readiness.FAILED in readiness:
        return Verdict.FAILED
    return Verdict.VERIFIED if readiness <= {Readiness.DONE} else Verdict.UNVERIFIED


def verdict_on_failure(error: BaseException, *, refused: bool, sent: bool) -> tuple[Verdict, Reason]:
    """The verdict on an item that ended by an exception.

    `refused` says that a write was refused, rather than a read; `sent` that something had taken effect before.
    """
    match error:
        case Interrupted():
            words = "interrupted before anything was sent" if not sent else "interrupted before it was verified"
            return Verdict.UNVERIFIED if sent else Verdict.NOT_RUN, Reason(code="interrupted", message=words)
        case Unreachable():
            return Verdict.UNREACHABLE, reason_of(error)
        case ClusterError():
            return Verdict.FAILED if refused else Verdict.UNVERIFIED, reason_of(error)
        case TimeoutError():
            return Verdict.UNREACHABLE, Reason(code="deadline", message="not everything was answered in time")
        case _:
            words = f"a defect of this tool: {type(error).__name__}: {printable(error, 200)}"
            return Verdict.UNVERIFIED, Reason(code="internal", message=words)
