"""What `plan`, `apply`, `enable`, `disable` and `verify` share: options in, a plan in words out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.cli._render import console, describe
from orchestrator.core.text import printable
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Change, ItemPlan, Plan, WavePlan
    from orchestrator.core.schema import Seconds
    from orchestrator.core.takedown import Darkening
    from orchestrator.core.wish import PlanOptions

MARKS = {"create": "+", "apply": "~", "scale": "~", "label": "~", "delete": "-"}


def plan_options(*, overridden: Iterable[str] = (), **permitted: bool) -> PlanOptions:
    """The planner's options; raises UsageError for an override without a reason."""
    from orchestrator.core.wish import PlanOptions

    rules: dict[str, str] = {}
    for text in overridden:
        rule, _, reason = text.partition("=")
        if not rule or not reason.strip():
            raise UsageError(f"--override {text}: a reason is missing", hint="write --override RULE=REASON")
        rules[rule] = reason
    return PlanOptions(overridden_rules=rules, **permitted)


def seconds(text: str) -> Seconds:
    """A duration of the command line; raises UsageError."""
    from orchestrator.core.schema import Seconds

    try:
        return Seconds.parse(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error


def optional_seconds(text: str | None) -> float | None:
    """A duration that need not be given; raises UsageError."""
    return None if text is None else seconds(text)


def print_plan(plan: Plan, settings: Settings) -> None:
    """The plan as a person reads it: steps, clusters, objects, fields, limits, and the counts at the end."""
    out = console()
    for number, wave in enumerate(plan.waves, 1):
        out.print(f"step {number}/{len(plan.waves)} {printable(wave.step, 60)}: {wave.want}")
        for words in wave.words:
            out.print(f"  scope: {printable(words, 400)}")
        out.print(f"  {_terms(plan, wave)}")
        for cluster, reason in wave.unreachable:
            out.print(f"  {printable(cluster.name, 60)}: out of reach: {describe(reason)}")
        for part in wave.clusters:
            for item in part.items:
                _print_item(item)
    for reason in (*plan.refusals, *plan.overridden):
        out.print(f"safety: {describe(reason)}")
    if plan.not_covered:
        names = ", ".join(printable(name, 60) for name in plan.not_covered)
        out.print(f"not covered: contexts outside the fleet: {names}")
    out.print(
        f"limits: {settings.connect_timeout} to connect; {settings.request_timeout} for a request; "
        "10m to send everything to one cluster (apply --cluster-deadline); locks last 30s and are renewed every 10s"
    )
    out.print(summary(plan))


def summary(plan: Plan) -> str:
    """One line: how many writes of each kind, in how many clusters, and what is held, refused or out of reach."""
    items = [item for wave in plan.waves for part in wave.clusters for item in part.items]
    verbs = [change.verb.value for item in items for change in item.changes]
    counts = ", ".join(f"{verbs.count(verb)} to {verb}" for verb in MARKS if verb in verbs) or "no changes"
    clusters = len({item.subject.cluster for item in items if item.is_change})
    parts = [f"Plan: {counts} in {clusters} clusters"]
    parts += [f"{sum(bool(item.held_by) for item in items)} held"] if any(item.held_by for item in items) else []
    parts += [f"{sum(bool(item.refusals) for item in items)} refused"] if any(item.refusals for item in items) else []
    unreachable = len({cluster.name for wave in plan.waves for cluster, _ in wave.unreachable})
    parts += [f"{unreachable} out of reach"] if unreachable else []
    return "; ".join(parts) + (" (rehearsal: sandbox clusters)" if plan.rehearsal else "")


def _terms(plan: Plan, wave: WavePlan) -> str:
    strategy = wave.strategy
    tolerated = "any number of" if strategy.max_unreachable is None else strategy.max_unreachable
    checks = ", ".join(name for check in wave.checks for name in check) or "none"
    parts = (
        f"at most {strategy.max_concurrent} at once",
        f"tolerates {strategy.max_failures} failed, {tolerated} unreachable",
        f"{strategy.progress_deadline} to progress",
        f"soak {wave.soak:g}s",
        f"checks: {checks}",
        f"on failure: {plan.on_failure}",
    )
    return "; ".join(parts)


def _print_item(item: ItemPlan) -> None:
    out = console()
    place = f"{printable(item.subject.model.name, 60)} in {printable(item.subject.cluster, 60)}"
    state = "no changes" if not item.is_change else f"{len(item.changes)} changes"
    state = f"held by {', '.join(item.held_by)}" if item.held_by else state
    revision = f" revision {item.subject.revision[:8]}" if item.subject.revision else ""
    out.print(f"  {place}: {state}{revision}")
    for change in item.changes:
        _print_change(change)
    if item.darkening is not None:
        _print_darkening(item.darkening)
    for word, reasons in (("note", item.notes), ("in doubt", item.doubts), ("refused", item.refusals)):
        for reason in reasons:
            out.print(f"      {word}: {describe(reason)}")


def _print_darkening(darkening: Darkening) -> None:
    out = console()
    out.print(f"    + hold {printable(darkening.hold.name, 100)}")
    out.print(f"    + guard {printable(darkening.guard.name, 200)}" if darkening.guard else "    ! no guard")
    for cut in darkening.cuts:
        state = "is cut already" if not cut.patch() else "cut"
        out.print(f"    ~ {printable(cut.ref, 200)}: {state}, answers {cut.answer}")
    for reason in darkening.not_cut:
        out.print(f"      stays open: {describe(reason)}")


def _print_change(change: Change) -> None:
    out = console()
    out.print(f"    {MARKS[change.verb]} {change.verb} {printable(change.ref, 200)}")
    for path, before, after in _without_secrets(change):
        out.print(f"        {printable(path, 200)}: {_shown(before)} → {_shown(after)}")
    for name, manager in change.forces:
        out.print(f"        takes {printable(name, 200)} from {printable(manager, 100)}")


def _without_secrets(change: Change) -> Iterator[tuple[str, Any, Any]]:
    """Every field that changes: path, before, after; of what is secret only whether it changes."""
    from orchestrator.core.redaction import numbered_digest, redact

    digest = numbered_digest()
    for field in change.fields:
        told = {"kind": change.ref.kind, "path": field.path, "before": field.before, "after": field.after}
        shown = redact(told, digest)
        yield field.path, shown["before"], shown["after"]


def _shown(value: Any) -> str:
    if value is None:
        return "(absent)"
    import json

    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 120)
