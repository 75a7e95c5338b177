"""A plan as a person reads it: steps, clusters, objects, fields, limits, and the counts at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from orchestrator.cli._render import describe
from orchestrator.cli._terminal import console
from orchestrator.core.objects import ANNOTATION_REVISION, FIELD_MANAGER
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.plan import Change, ItemPlan, Plan, WavePlan
    from orchestrator.core.takedown import Darkening

MARKS: Final = {"create": "+", "apply": "~", "scale": "~", "label": "~", "delete": "-"}
_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red", "!": "red"}
_REVISION: Final = f"metadata.annotations[{ANNOTATION_REVISION}]"

Lines: TypeAlias = tuple[str, ...]


def print_plan(plan: Plan, settings: Settings) -> None:
    """Steps, clusters, objects and fields on stdout. Clusters in which the same happens are told together."""
    out = console()
    told: set[str] = set()
    for number, wave in enumerate(plan.waves, 1):
        out.print(f"step {number}/{len(plan.waves)} {printable(wave.step, 60)}: {wave.want}", style="bold")
        for words in wave.words:
            if words not in told:
                out.print(f"  scope: {printable(words, 400)}")
        told.update(wave.words)
        out.print(f"  {_terms(plan, wave)}")
        for cluster, reason in wave.unreachable:
            out.print(f"  {printable(cluster.name, 60)}: out of reach: {describe(reason)}", style="yellow")
        for line in _of_items(item for part in wave.clusters for item in part.items):
            out.print(line, style=_COLOURS.get(line.strip()[:1]))
    for reason in (*plan.refusals, *plan.overridden):
        out.print(f"safety: {describe(reason)}")
    if plan.not_covered:
        names = ", ".join(printable(name, 60) for name in plan.not_covered)
        out.print(f"not covered: contexts outside the fleet: {names}")
    out.print(
        f"limits: {settings.connect_timeout} to connect; {settings.request_timeout} for a request; "
        "10m to send everything to one cluster (apply --cluster-deadline); locks last 30s and are renewed every 10s"
    )
    out.print(summary(plan), style="bold")


def summary(plan: Plan) -> str:
    """One line: how many writes of each kind, in how many clusters, and what is held, refused or out of reach."""
    items = [item for wave in plan.waves for part in wave.clusters for item in part.items]
    verbs = [change.verb.value for item in items for change in item.changes]
    counts = [f"{verbs.count(verb)} to {verb}" for verb in MARKS if verb in verbs]
    darkenings = [item.darkening for item in items if item.darkening is not None]
    guards = sum(one.guard is not None for one in darkenings)
    cuts = sum(bool(cut.patch()) for one in darkenings for cut in one.cuts)
    counts += [f"{counted(guards, 'guard')} to set"] if guards else []
    counts += [f"{counted(cuts, 'route')} to cut"] if cuts else []
    clusters = len({item.subject.cluster for item in items if item.is_change or item.darkening is not None})
    counts = counts or (["only records to write"] if clusters else [])
    parts = [f"Plan: {', '.join(counts)} in {counted(clusters, 'cluster')}" if counts else "Plan: no changes"]
    parts += [f"{sum(bool(item.held_by) for item in items)} held"] if any(item.held_by for item in items) else []
    parts += [f"{sum(bool(item.refusals) for item in items)} refused"] if any(item.refusals for item in items) else []
    awaited = set(plan.awaited)
    unreachable = len({cluster.name for wave in plan.waves for cluster, _ in wave.unreachable} - awaited)
    parts += [f"{len(awaited)} awaited"] if awaited else []
    parts += [f"{unreachable} out of reach"] if unreachable else []
    return "; ".join(parts) + (" (rehearsal: sandbox clusters)" if plan.rehearsal else "")


def counted(number: int, noun: str) -> str:
    """`1 cluster`, `2 clusters`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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


def _of_items(items: Iterable[ItemPlan]) -> Iterator[str]:
    """Every item with its lines; clusters for which the same is planned share them."""
    alike: dict[tuple[str, Lines], list[ItemPlan]] = {}
    for item in items:
        alike.setdefault((item.subject.model.name, _of_item(item)), []).append(item)
    for (model, (heading, *lines)), planned in alike.items():
        names = ", ".join(printable(item.subject.cluster, 60) for item in planned)
        each = re.sub(r"^(\d+ changes?)", r"\1 each", heading) if len(planned) > 1 else heading
        yield f"  {printable(model, 60)} in {names}: {each}"
        yield from lines


def _of_item(item: ItemPlan) -> Lines:
    """What happens, then a line for each object and each of its fields."""
    lines = [_heading(item)]
    marked = [change for change in item.changes if _marks_only(change)]
    for change in item.changes:
        if change not in marked:
            lines += _of_change(change)
    if marked:
        refs = ", ".join(printable(change.ref, 200) for change in marked)
        lines.append(f"    ~ only the mark of the revision: {refs}")
    if item.darkening is not None:
        lines += _of_darkening(item.darkening)
    for word, reasons in (("note", item.notes), ("in doubt", item.doubts), ("refused", item.refusals)):
        lines += [f"      {word}: {describe(reason)}" for reason in reasons]
    return tuple(lines)


def _heading(item: ItemPlan) -> str:
    state = counted(len(item.changes), "change") if item.changes else "no changes"
    if item.is_change and not item.changes and item.darkening is None:
        state = "only its record changes"
    if item.held_by:
        state = f"held by {', '.join(item.held_by)}"
    if not item.subject.revision:
        return state
    before = {field.before for change in item.changes for field in change.fields if field.path == _REVISION}
    was = f"{printable(before.pop(), 16)[:8]} → " if len(before) == 1 and None not in before else ""
    return f"{state}, revision {was}{item.subject.revision[:8]}"


def _marks_only(change: Change) -> bool:
    """Whether an object stays as it is but for the annotation that says under which revision it was applied."""
    return bool(change.fields) and not change.forces and all(field.path == _REVISION for field in change.fields)


def _of_darkening(darkening: Darkening) -> Iterator[str]:
    yield f"    + hold {printable(darkening.hold.name, 100)}"
    yield f"    + guard {printable(darkening.guard.name, 200)}" if darkening.guard else "    ! no guard"
    for cut in darkening.cuts:
        state = "is cut already" if not cut.patch() else "cut"
        yield f"    ~ {printable(cut.ref, 200)}: {state}, answers {cut.answer}"
    for reason in darkening.not_cut:
        yield f"      stays open: {describe(reason)}"


def _of_change(change: Change) -> Iterator[str]:
    yield f"    {MARKS[change.verb]} {change.verb} {printable(change.ref, 200)}"
    for path, before, after in _without_secrets(change):
        if path != _REVISION:
            yield f"        {printable(path, 200)}: {_shown(before)} → {_shown(after)}"
    for name, manager in change.forces:
        whose = "a restore of ours" if manager == FIELD_MANAGER else printable(manager, 100)
        yield f"        takes {printable(name, 200)} from {whose}"


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
