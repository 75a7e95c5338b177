"""The verdict on a whole run in one sentence. It is proven only where everything says so: items, channels, record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.core.verdict import Verdict
from orchestrator.evidence.report.durations import many, span
from orchestrator.evidence.report.recorded import Recorded
from orchestrator.evidence.report.timeline import Milestones
from orchestrator.evidence.report.verdicts import counted, in_words

_GOALS: Final = {
    "takedown": "switched off",
    "disable": "switched off",
    "enable": "switched on",
    "restore": "restored",
}
_SETTLED: Final = (Verdict.VERIFIED, Verdict.HELD)


@dataclass(frozen=True, slots=True)
class Headline:
    """One sentence, and how it is meant."""

    tone: Literal["proven", "unproven", "failed"]
    sentence: str


def headline_of(
    recorded: Recorded,
    action: str,
    models: tuple[str, ...],
    milestones: Milestones | None,
    *,
    is_rehearsal: bool,
) -> Headline:
    """The sentence that a reader may rely on."""
    mark = "Rehearsal on sandbox clusters. " if is_rehearsal else ""
    if not recorded.has_result:
        return Headline("unproven", f"{mark}Not proven: the run left no result, so nothing of it counts as verified.")
    if recorded.doubts and _is_settled(recorded):
        words = "Not proven: the result says that all is well, but its record cannot be relied on"
        return Headline("unproven", f"{mark}{words}: {recorded.doubts[0]}.")
    if _is_settled(recorded):
        return Headline("proven", mark + _proven(recorded, action, models, milestones))
    failed = recorded.outcome == "failed" or any(item.verdict is Verdict.FAILED for item in recorded.items)
    word = "Failed" if failed else "Interrupted" if recorded.outcome == "interrupted" else "Not proven"
    return Headline("failed" if failed else "unproven", f"{mark}{word}: {_rest(recorded)}.")


def _is_settled(recorded: Recorded) -> bool:
    verdicts = [item.verdict for item in recorded.items]
    return (
        recorded.outcome in ("verified", "late")
        and recorded.error is None
        and bool(verdicts)
        and all(verdict in _SETTLED for verdict in verdicts)
        and all(channel.verdict is Verdict.VERIFIED for channel in recorded.channels)
    )


def _proven(recorded: Recorded, action: str, models: tuple[str, ...], milestones: Milestones | None) -> str:
    verified = [item for item in recorded.items if item.verdict is Verdict.VERIFIED]
    held = len(recorded.items) - len(verified)
    if not verified:
        return f"Held: all {held} items are kept off by holds, and were seen to be off."
    clusters = len({item.cluster for item in verified})
    goal = _GOALS.get(action, "as wanted")
    # With holds a model may be on in one place and kept off in another: then the items are what is counted.
    whom = (
        "each model is" if action not in _GOALS or held else f"{_names(models)} {'is' if len(models) == 1 else 'are'}"
    )
    where = many(clusters, "cluster") if held else "the one cluster" if clusters == 1 else f"all {clusters} clusters"
    countries = {item.country for item in verified if item.country}
    wide = f" of {len(countries)} countries" if len(countries) > 1 else ""
    kept = f"; {many(held, 'item')} kept off by a hold" if held else ""
    return f"Proven: {whom} {goal} in {where}{wide}{_when(recorded, milestones)}{kept}."


def _rest(recorded: Recorded) -> str:
    counts = counted(item.verdict for item in recorded.items)
    proven = sum(item.verdict is Verdict.VERIFIED for item in recorded.items)
    sentence = f"{proven} of {len(recorded.items)} items verified" if recorded.items else "the result names no item"
    if others := in_words(one for one in counts if one[0] is not Verdict.VERIFIED):
        sentence += f"; {others}"
    where = {item.cluster for item in recorded.items if item.verdict not in _SETTLED}
    if where:
        sentence += f" ({_names(tuple(sorted(where)))})"
    if count := sum(channel.verdict is not Verdict.VERIFIED for channel in recorded.channels):
        sentence += f"; {many(count, 'channel')} not shown to be closed"
    return sentence + (f"; {recorded.error.rstrip('.')}" if recorded.error else "")


def _names(names: tuple[str, ...]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _when(recorded: Recorded, milestones: Milestones | None) -> str:
    ends = [item.times["verified"] for item in recorded.items if "verified" in item.times]
    if milestones is None or not ends:
        return ", after the deadline" if recorded.outcome == "late" else ""
    since = milestones.received or milestones.started
    what = "the order was received" if milestones.received else "the run began"
    words = f", {span(max((max(ends) - since).total_seconds(), 0.0))} after {what}"
    if recorded.outcome == "late":
        return words + ", but after its deadline"
    return words + (" and before its deadline" if milestones.deadline and max(ends) <= milestones.deadline else "")
