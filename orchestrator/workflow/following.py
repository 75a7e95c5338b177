"""`takedown --follow`: works off what an order still owes, cluster by cluster, until nothing is owed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from orchestrator.core.model import Model
from orchestrator.core.order import Order
from orchestrator.core.plan import Plan
from orchestrator.core.result import ResultItem, RunResult, exit_code_of, outcome_of
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Verdict
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.workflow.applying import RunRequest, items_of
from orchestrator.workflow.holds import look_for_records
from orchestrator.workflow.ledgers import merge_ledgers
from orchestrator.workflow.opening import Latecomers
from orchestrator.workflow.session import Session
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown, start_of, take_down

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Aim:
    """What the last round over the whole scope was about; clusters left out of later ones rest on it."""

    clusters: frozenset[str]
    models: Mapping[str, Model | None]
    """By name, how each is recognised; None where no cluster answered and could be asked for it."""

    @classmethod
    def of(cls, plan: Plan) -> Aim:
        """The aim of a plan over the whole scope."""
        reached = {part.cluster.name for wave in plan.waves for part in wave.clusters}
        silent = {cluster.name for wave in plan.waves for cluster, _ in wave.unreachable}
        return cls(frozenset(reached | silent), {**dict.fromkeys(plan.models), **_recognised(plan)})

    def is_outgrown_by(self, plan: Plan) -> bool:
        """Whether a plan knows a model, or marks of one, that the clusters it leaves out were never searched for."""
        is_known = set(plan.models) <= self.models.keys()
        return not is_known or any(self.models[name] != model for name, model in _recognised(plan).items())

    def debts(self, digest: str, snapshots: Iterable[ClusterSnapshot], latest: RunResult) -> frozenset[str]:
        """Clusters that owe one of the models by what the clusters' ledgers say, the latest round's proofs left out.

        Those are as new as any ledger, also where a ledger could not be written.
        """
        proven = {(item.model, item.cluster) for item in latest.items if item.verdict is Verdict.VERIFIED}
        return frozenset(
            cluster
            for ledger in merge_ledgers(snapshots)
            if ledger.digest == digest and ledger.model in self.models
            for cluster in ledger.owing
            if cluster in self.clusters and (ledger.model, cluster) not in proven
        )


async def follow_up(
    session: Session, order: Order, options: TakedownOptions, request: RunRequest, plan: Plan, first: RunResult
) -> RunResult:
    """Take down again what is owed, with full jitter between the rounds, until all is verified or it is stopped.

    `plan` and `first` are those of the takedown that it follows. A cluster that returns may be the only one that knows
    of a derivative, or of further marks: then every cluster is searched for them, also those that were done. Channels
    are nobody's debt here: only their owners can switch them.
    """
    options = replace(options, began=start_of(plan) or session.clock.now() - timedelta(seconds=first.seconds))
    aim, result, latest, pause = Aim.of(plan), first, first, _FIRST_PAUSE
    while True:
        try:
            owed = owing_clusters(result) | await unless_stopped(_debts(session, order, aim, latest), request.stop)
            if not owed:
                return result
            # Spread, so that many responders do not ask a cluster that has just come back all at once.
            waiting = session.clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            await unless_stopped(waiting, request.stop)
        except Interrupted:
            return replace(result, exit_code=130, outcome=outcome_of(130))
        pause = min(pause * 2, _LONGEST_PAUSE)
        # Somebody may have repaired the credentials of a cluster that is owed.
        await session.connection.read_kubeconfig_again()
        plan = await plan_takedown(session, order, replace(options, clusters=owed))
        if aim.is_outgrown_by(plan):
            plan = await plan_takedown(session, order, options)
            aim = Aim.of(plan)
        latest = await take_down(session, order, plan, replace(request, is_round=True))
        progressed = owing_clusters(latest) != owed
        result = joined(result, latest)
        request.audience.ends(result)
        pause = _FIRST_PAUSE if progressed else pause
        if request.stop.is_set():
            return replace(result, exit_code=130, outcome=outcome_of(130))


async def search_again(
    session: Session, order: Order, latecomers: Latecomers, request: RunRequest, first: RunResult
) -> tuple[Plan, RunResult]:
    """The whole takedown once more: clusters that joined `first` late knew of more than the others were searched for.

    The plan that was carried out, and what both came to.
    """
    plan = await latecomers.plan_everywhere(session)
    latest = await take_down(session, order, plan, replace(request, is_round=True))
    result = joined(first, latest)
    request.audience.ends(result)
    return plan, result


def owing_clusters(result: RunResult) -> frozenset[str]:
    """Clusters in which something is not proven."""
    return frozenset(item.cluster for item in result.items if item.verdict is not Verdict.VERIFIED)


def joined(before: RunResult, after: RunResult) -> RunResult:
    """The later word on each item; the run is the last one's. What one of them left unproven is not proven by both."""
    later: dict[tuple[str, str], ResultItem] = {(item.model, item.cluster): item for item in after.items}
    items = tuple(later.pop((item.model, item.cluster), item) for item in before.items) + tuple(later.values())
    channels = after.channels or before.channels
    has_gap = before.error is not None and before.error.code == "evidence-incomplete"
    error = after.error or (before.error if has_gap else None)
    code = exit_code_of((*(item.verdict for item in items), *(channel.verdict for channel in channels)))
    code = code or after.exit_code or (3 if has_gap else 0)
    return replace(
        after,
        items=items,
        channels=channels,
        error=error,
        exit_code=code,
        outcome=outcome_of(code),
        seconds=round(before.seconds + after.seconds, 3),
    )


async def _debts(session: Session, order: Order, aim: Aim, latest: RunResult) -> frozenset[str]:
    records = await look_for_records(session, ())
    return aim.debts(order.digest, records.values(), latest)


def _recognised(plan: Plan) -> dict[str, Model]:
    """By name, the plan's models; probes left out, which differ from cluster to cluster."""
    return {item.subject.model.name: replace(item.subject.model, probes=()) for item in items_of(plan)}
