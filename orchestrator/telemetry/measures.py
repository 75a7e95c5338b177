"""What is measured of a run or a look: pure. Names follow Prometheus' rules; no label is unbounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestrator.core.result import Outcome, ResultItem, RunResult, StatusDocument, StatusItem
from orchestrator.core.verdict import Verdict

PREFIX: Final = "orchestrator"


@dataclass(frozen=True, slots=True)
class Measure:
    """One gauge: its name without prefix, what it means, its labels, and its samples by their values."""

    name: str
    help: str
    labels: tuple[str, ...]
    samples: tuple[tuple[tuple[str, ...], float], ...]


def measures_of(found: RunResult | StatusDocument, now: datetime, *, is_of_order: bool) -> tuple[Measure, ...]:
    """Everything that is measured of one result; what was not seen has no sample."""
    return (
        _one("run_exit_code", "Exit code of the last run.", found.exit_code),
        Measure(
            "run_outcome",
            "Whether the last run had this outcome.",
            ("outcome",),
            tuple(((one.value,), float(found.outcome is one)) for one in Outcome),
        ),
        _one("run_duration_seconds", "Seconds that the last run took.", found.seconds),
        _one("run_end_timestamp_seconds", "When the last run ended, in seconds since 1970.", now.timestamp()),
        _one("run_rehearsal", "Whether the last run was on sandbox clusters.", found.rehearsal),
        Measure(
            "items",
            "Clusters of a model by verdict, as the last run left them.",
            ("model", "verdict"),
            tuple(_counted(found.items)),
        ),
        Measure(
            "phase_seconds",
            "Seconds from the begin of the last run's work on a model in a cluster until this was seen.",
            ("model", "cluster", "region", "phase"),
            tuple(_phases(found.items)),
        ),
        Measure(
            "order_debt",
            "Clusters in which an order still owes a model: it is not proven to be off.",
            ("model",),
            tuple(_debts(found.items)) if is_of_order else (),
        ),
    )


def _one(name: str, words: str, value: float) -> Measure:
    return Measure(name, words, (), (((), float(value)),))


def _counted(items: Iterable[StatusItem]) -> Iterator[tuple[tuple[str, ...], float]]:
    for model, found in _by_model(items).items():
        for verdict in Verdict:
            yield (model, verdict.value), float(sum(item.verdict is verdict for item in found))


def _debts(items: Iterable[StatusItem]) -> Iterator[tuple[tuple[str, ...], float]]:
    for model, found in _by_model(items).items():
        yield (model,), float(sum(item.verdict is not Verdict.VERIFIED for item in found))


def _by_model(items: Iterable[StatusItem]) -> dict[str, list[StatusItem]]:
    models: dict[str, list[StatusItem]] = {}
    for item in items:
        models.setdefault(item.model, []).append(item)
    return models


def _phases(items: Iterable[StatusItem]) -> Iterator[tuple[tuple[str, ...], float]]:
    seen: set[tuple[str, str]] = set()
    for item in items:
        # A playbook sets each model in a cluster once; were it otherwise, one sample would be written twice.
        if not isinstance(item, ResultItem) or (item.model, item.cluster) in seen:
            continue
        seen.add((item.model, item.cluster))
        for phase, seconds in phases_of(item):
            yield (item.model, item.cluster, item.region, phase), seconds


def phases_of(item: ResultItem) -> Iterator[tuple[str, float]]:
    """By phase, seconds since the work on an item began. What was not proven has no time of proof."""
    times = item.times
    if times.started is None:
        return
    moments = {
        "guarded": times.guarded,
        "traffic_cut": times.traffic_cut,
        "stopped": times.stopped,
        "last_pod_gone": times.last_pod_gone,
        "verified": times.verified if item.verdict is Verdict.VERIFIED else None,
    }
    for phase, moment in moments.items():
        if moment is not None:
            yield phase, (moment - times.started).total_seconds()
