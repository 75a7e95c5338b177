"""`takedown --follow`: works off what an order still owes, cluster by cluster, until nothing is owed."""

from __future__ import annotations

import random
from dataclasses import replace

from orchestrator.core.order import Order
from orchestrator.core.result import ResultItem, RunResult, exit_code_of, outcome_of
from orchestrator.core.verdict import Verdict
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.workflow.applying import RunRequest
from orchestrator.workflow.session import Session
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown, take_down

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


async def follow_up(
    session: Session, order: Order, options: TakedownOptions, request: RunRequest, first: RunResult
) -> RunResult:
    """Take down again what is owed, with full jitter between the rounds, until all is verified or it is stopped.

    Channels are nobody's debt here: only their owners can switch them.
    """
    result, pause = first, _FIRST_PAUSE
    while owed := owing_clusters(result):
        try:
            # Spread, so that many responders do not ask a cluster that has just come back all at once.
            waiting = session.clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            await unless_stopped(waiting, request.stop)
        except Interrupted:
            return replace(result, exit_code=130, outcome=outcome_of(130))
        pause = min(pause * 2, _LONGEST_PAUSE)
        plan = await plan_takedown(session, order, replace(options, clusters=owed))
        again = await take_down(session, order, plan, request)
        progressed = owing_clusters(again) != owed
        result = _joined(result, again)
        pause = _FIRST_PAUSE if progressed else pause
        if request.stop.is_set():
            return replace(result, exit_code=130, outcome=outcome_of(130))
    return result


def owing_clusters(result: RunResult) -> frozenset[str]:
    """Clusters in which something is not proven."""
    return frozenset(item.cluster for item in result.items if item.verdict is not Verdict.VERIFIED)


def _joined(before: RunResult, after: RunResult) -> RunResult:
    """The later word on each item; the run is the last one's."""
    later: dict[tuple[str, str], ResultItem] = {(item.model, item.cluster): item for item in after.items}
    items = tuple(later.pop((item.model, item.cluster), item) for item in before.items) + tuple(later.values())
    channels = after.channels or before.channels
    code = exit_code_of((*(item.verdict for item in items), *(channel.verdict for channel in channels)))
    code = after.exit_code if code == 0 and after.exit_code == 5 else code
    return replace(
        after,
        items=items,
        channels=channels,
        exit_code=code,
        outcome=outcome_of(code),
        seconds=round(before.seconds + after.seconds, 3),
    )
