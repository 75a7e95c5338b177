"""What a run does differently because others were cut off before it: pure decisions, item by item."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.fleet import Cluster
from orchestrator.core.plan import ClusterPlan, ItemPlan, WavePlan
from orchestrator.core.verdict import Reason, Verdict, Want
from orchestrator.execution import concluding
from orchestrator.execution.begun import Begun, with_begun
from orchestrator.execution.outcome import ItemResult

_CUT_OFF = Reason(code="cut-off", message="the run that this one continues was cut off while it rolled back")
_UNKNOWN_BEFORE = Reason(
    code="before-unknown",
    message="what was here before the run that was cut off is not known, or somebody else has set the model since: "
    "not rolled back",
)


def is_due(item: ItemPlan) -> bool:
    """Whether anything would be sent for this item."""
    return not item.held_by and not item.refusals and (item.is_change or item.soak_due)


def continued(done: ItemResult, cluster: str, begun: Begun | None) -> ItemResult:
    """The item with what the runs before wrote in it, so that a rollback leads to what was there before all of them."""
    left = begun.items.get((cluster, done.item.subject.model.name)) if begun else None
    if left is None and (begun is None or begun.is_whole):
        return done
    found = with_begun(done, left) if left is not None else None
    if found is not None:
        return found
    result = replace(done.result, reasons=(*done.result.reasons, _UNKNOWN_BEFORE))
    if result.verdict is Verdict.VERIFIED:
        result = replace(result, verdict=Verdict.FAILED)
    # Its own writes alone would lead back to what the run that was cut off had made of it.
    return replace(done, result=result, written=(), entry_written=False)


def has_begun(wave: WavePlan, part: ClusterPlan, begun: Begun) -> bool:
    """Whether the runs before came as far as this cluster in this step."""
    keys = {(part.cluster.name, item.subject.model.name) for item in part.items}
    return any(key in begun.items or (wave.step, key) in begun.ended for key in keys)


def may_confirm(wave: WavePlan, item: ItemPlan, begun: Begun, steps: tuple[str, ...]) -> bool:
    """Whether an item is to be carried out, not rolled back: it was done already, or switches something off."""
    key = (item.subject.cluster, item.subject.model.name)
    if wave.step in steps and item.want is Want.ENABLED and key in begun.items:
        return False
    if item.want is Want.DISABLED:
        return key in begun.items or (wave.step, key) in begun.ended
    return (wave.step, key) in begun.ended and not is_due(item)


def left_by(item: ItemPlan, cluster: Cluster, begun: Begun) -> ItemResult:
    """An item that was cut off, as it is before its rollback; `not_run` where nothing was begun."""
    if (cluster.name, item.subject.model.name) in begun.items:
        return ItemResult(item=item, result=concluding.blank(item, cluster, Verdict.FAILED, _CUT_OFF))
    words = "the run that this one continues had not come to it when it failed: nothing was sent here"
    return ItemResult(
        item=item, result=concluding.blank(item, cluster, Verdict.NOT_RUN, Reason(code="step-failed", message=words))
    )
