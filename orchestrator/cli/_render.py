"""Values → tables for people, or exactly one JSON or YAML document for machines. Data goes to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from orchestrator.cli._terminal import console, plain_table
from orchestrator.core.text import escaped, needs_escapes, printable

if TYPE_CHECKING:
    from orchestrator.core.fleet_check import FleetReport
    from orchestrator.core.result import ChannelResult, RunResult, StatusDocument, StatusItem
    from orchestrator.core.run_report import ExplainedVerdict
    from orchestrator.core.verdict import Reason

SYMBOLS = {
    "verified": "✔",
    "held": "■",
    "failed": "✘",
    "residue": "▲",
    "unreachable": "⌁",
    "unverified": "?",
    "not_run": "·",
}
STYLES = {
    "verified": "green",
    "held": "blue",
    "failed": "red",
    "residue": "red",
    "unreachable": "yellow",
    "unverified": "yellow",
    "not_run": "dim",
}


WORST_FIRST = ("failed", "residue", "unreachable", "unverified", "not_run", "held", "verified")


def print_document(value: Any, form: str) -> None:
    """Print a dataclass or a mapping as one JSON or YAML document.

    It is data, so nothing is replaced; what a terminal would obey is written as escapes, which mean the same.
    """
    document = as_json(value)
    if form == "yaml":
        sys.stdout.write(_as_yaml(document))
        return
    import json

    text = json.dumps(document, indent=2, ensure_ascii=not _writes_unicode())
    sys.stdout.write(escaped(text) + "\n")


def _as_yaml(document: Any) -> str:
    import yaml

    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=_writes_unicode())
    return yaml.safe_dump(document, sort_keys=False) if needs_escapes(text) else text


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def print_result(result: RunResult | StatusDocument, form: str) -> int:
    """Print what a run or a look came to, and return its exit code."""
    if form == "table":
        print_matrix(result.items)
        print_explanations(result.items)
        _print_channels(result.channels)
        print_summary(result)
    else:
        print_document(result, form)
    from orchestrator.cli._pipelines import report

    report(result)
    if result.kind == "RunResult" and result.outcome.value == "interrupted":
        from orchestrator.cli._running import point_to_resumption

        point_to_resumption(result.run)
    elif result.kind == "RunResult" and result.action not in ("takedown", "restore"):
        from orchestrator.cli._running import point_onwards

        point_onwards(result.run, result.exit_code)
    return result.exit_code


def as_json(value: Any) -> Any:
    """The JSON of a dataclass, in camelCase, as its published schema says."""
    if isinstance(value, dict | list):
        return value
    from pydantic import TypeAdapter

    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)


def print_matrix(items: Iterable[StatusItem]) -> None:
    """Models and clusters, a line each, followed by the reasons of what is not verified."""
    out, rows = console(), list(items)
    columns = _fitting(_columns(rows), out.width)
    table = plain_table(tuple(columns))
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    out.print(table)
    for verdict, sentence, concerned in _grouped(rows):
        out.print(f"  {SYMBOLS[verdict]} {_places(concerned)}: {sentence}")


def _columns(items: list[StatusItem]) -> dict[str, list[Text]]:
    return {
        "MODEL": [Text(printable(item.model, 40)) for item in items],
        "CLUSTER": [Text(printable(item.cluster, 40)) for item in items],
        "REGION": [Text(printable(item.region, 30)) for item in items],
        "STATE": [Text(_state(item)) for item in items],
        "READY": [Text(ready_of(item)) for item in items],
        "REVISION": [Text(printable(item.revision or "-", 16)[:8]) for item in items],
        "VERDICT": [Text(f"{SYMBOLS[item.verdict]} {item.verdict}", style=STYLES[item.verdict]) for item in items],
    }


def _fitting(columns: dict[str, list[Text]], width: int) -> dict[str, list[Text]]:
    """What has room, the verdict always: first the region goes, which the cluster's name mostly tells, then more."""
    widths = {name: max([len(name), *(cell.cell_len for cell in cells)]) for name, cells in columns.items()}
    for spare in ("REGION", "REVISION"):
        if sum(widths.values()) + 2 * (len(widths) - 1) > width:
            del widths[spare]
    while (excess := sum(widths.values()) + 2 * (len(widths) - 1) - width) > 0:
        longer = max(("MODEL", "CLUSTER"), key=lambda name: widths[name])
        if widths[longer] <= _SHORTEST_NAME:
            break
        widths[longer] -= 1 if excess == 1 else min(excess, max(1, widths[longer] // 4))
    fitting = {name: columns[name] for name in widths}
    for name in ("MODEL", "CLUSTER"):
        for cell in fitting[name]:
            cell.truncate(max(widths[name], _SHORTEST_NAME), overflow="ellipsis")
    return fitting


_SHORTEST_NAME = 8
"""Columns that a name keeps, however narrow the terminal."""


def print_explanations(items: Iterable[StatusItem | ExplainedVerdict]) -> None:
    """On what each verdict rests: a rule, then whatever it was read from."""
    out = console()
    for item in items:
        if item.explanation is None:
            continue
        out.print(f"{printable(item.model, 60)} in {printable(item.cluster, 60)}: {item.verdict}")
        told = ""
        for one in item.explanation:
            if one.rule != told:
                out.print(f"  rule: {printable(one.rule, 300)}" + (f" [{printable(one.code, 60)}]" if one.code else ""))
                told = one.rule
            place = " ".join(printable(part, 200) for part in (one.object, one.field) if part)
            if place or one.code:
                out.print(f"    {place or 'seen'}: {printable(one.seen, 600)}")


def _print_channels(channels: Iterable[ChannelResult]) -> None:
    """A line for each way that this tool cannot switch, with whom to call."""
    for one in channels:
        name, contact = f"{printable(one.name, 60)} of {printable(one.model, 60)}", printable(one.contact, 120)
        console().print(f"  {SYMBOLS[one.verdict]} channel {name}: {one.verdict}; contact: {contact}")


def _grouped(items: list[StatusItem]) -> list[tuple[str, str, list[StatusItem]]]:
    """Every reason once, with all that it concerns; worst first."""
    found: dict[tuple[str, str], list[StatusItem]] = {}
    for item in items:
        for reason in item.reasons:
            found.setdefault((item.verdict.value, describe(reason)), []).append(item)
    in_order = sorted(found.items(), key=lambda one: WORST_FIRST.index(one[0][0]))
    return [(verdict, sentence, concerned) for (verdict, sentence), concerned in in_order]


def _places(items: list[StatusItem]) -> str:
    """`fable-5 in eu-west-1, us-east-1 and 3 more`; models of the same clusters together, others with their own."""
    clusters: dict[str, list[str]] = {}
    for item in items:
        clusters.setdefault(printable(item.model, 40), []).append(printable(item.cluster, 40))
    models: dict[tuple[str, ...], list[str]] = {}
    for model, names in clusters.items():
        models.setdefault(tuple(names), []).append(model)
    return "; ".join(f"{', '.join(of_these)} in {_listed(names)}" for names, of_these in models.items())


def _listed(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= _NAMED + 1 else names[:_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more


_NAMED = 3
"""Clusters of one reason that are named; the rest stand in the table."""


def _state(item: StatusItem) -> str:
    """What was seen, and what is wanted where that differs."""
    if item.holds:
        return f"{item.state} (held)"
    if item.want is None or item.want.value == item.state.value:
        return item.state.value
    return f"{item.state} (want {item.want})"


def ready_of(item: StatusItem) -> str:
    """`ready/desired`; of what nobody saw there is no number."""
    return "-" if item.state.value == "unknown" else f"{item.replicas.ready}/{item.replicas.desired}"


def describe(reason: Reason) -> str:
    """One reason as a line: the object it rests on, then the sentence."""
    place = f"{printable(reason.object, 120)}: " if reason.object else ""
    limit = _SENT if reason.code == "sent" else 600
    return f"{place}{printable(reason.message, limit)} [{printable(reason.code, 60)}]"


_SENT = 90
"""What was written is told in brief: `runs show` and every document have all of it."""


def print_summary(result: RunResult | StatusDocument) -> None:
    """The last line: what is verified, and what is not."""
    counts: dict[str, int] = {}
    for item in result.items:
        counts[item.verdict.value] = counts.get(item.verdict.value, 0) + 1
    parts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to look at"
    if still_open := [one for one in result.channels if one.verdict.value != "verified"]:
        parts += f"; {len(still_open)} of {len(result.channels)} channels not shown to be closed"
    rehearsal = " (rehearsal: sandbox clusters)" if result.rehearsal else ""
    console(stderr=True).print(f"{result.outcome.value}: {parts} in {result.seconds:.1f} s{rehearsal}")


def print_fleet_report(report: FleetReport) -> None:
    """Every cluster with what it answered, then what stands in the way, then what is not covered."""
    table = plain_table(("CLUSTER", "REGION", "COUNTRY", "VERSION", "ACTOR", "ROLES", "VERDICT"))
    for check in report.clusters:
        roles = " ".join(f"{name}:{'yes' if granted else 'no'}" for name, granted in check.roles.items())
        cells = (
            check.cluster,
            check.region,
            check.country or "-",
            check.version or "-",
            check.actor or "-",
            roles or "-",
        )
        table.add_row(*(printable(cell, 40) for cell in cells), f"{SYMBOLS[check.verdict]} {check.verdict}")
    out = console()
    out.print(table)
    for check in report.clusters:
        for reason in check.reasons:
            out.print(f"  {SYMBOLS[check.verdict]} {check.cluster}: {describe(reason)}")
    if report.not_covered:
        names = ", ".join(printable(name, 60) for name in report.not_covered)
        out.print(f"not covered: contexts outside the fleet: {names}")
