"""Values → tables for people, or exactly one JSON or YAML document for machines. Data goes to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.core.text import escaped, harmless, needs_escapes, printable

if TYPE_CHECKING:
    from orchestrator.core.fleet_check import FleetReport
    from orchestrator.core.result import ChannelResult, RunResult, StatusDocument, StatusItem
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
        _print_channels(result.channels)
        print_summary(result)
    else:
        print_document(result, form)
    from orchestrator.cli._pipelines import report

    report(result)
    if result.kind == "RunResult" and result.outcome.value == "interrupted":
        from orchestrator.cli._running import point_to_resumption

        point_to_resumption(result.run)
    return result.exit_code


def as_json(value: Any) -> Any:
    """The JSON of a dataclass, in camelCase, as its published schema says."""
    if isinstance(value, dict | list):
        return value
    from pydantic import TypeAdapter

    return TypeAdapter(type(value)).dump_python(value, mode="json", by_alias=True)


def console(*, stderr: bool = False) -> Console:
    """The terminal: no markup or highlighting, since what it prints comes from documents and clusters.

    On a terminal lines are broken between words; in a pipe or a log they are neither broken nor cut.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    width = None if is_terminal else PIPE_WIDTH
    return _Terminal(stderr=stderr, markup=False, highlight=False, soft_wrap=not is_terminal, width=width)


class _Terminal(Console):
    """The last line of defence: whatever a command forgot to make printable is harmless all the same."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich does, each text as one line without control and format characters."""
        super().print(*(harmless(each) if isinstance(each, str) else each for each in objects), **options)


class _PlainTable(Table):
    """A table of harmless cells, see `_Terminal`."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """As Rich does, each text as one line without control and format characters."""
        super().add_row(*(harmless(cell) if isinstance(cell, str) else cell for cell in cells), **options)


PIPE_WIDTH = 1000
NARROW = 100
"""Columns below which the region, which the cluster's name mostly tells, is left out."""


def print_matrix(items: Iterable[StatusItem]) -> None:
    """Models and clusters, a line each, followed by the reasons of what is not verified."""
    out, rows = console(), list(items)
    regions = out.width >= NARROW
    headings = ("MODEL", "CLUSTER", *(("REGION",) if regions else ()), "STATE", "READY", "REVISION", "VERDICT")
    table = plain_table(headings)
    for item in rows:
        verdict = f"{SYMBOLS[item.verdict]} {item.verdict}"
        region = (printable(item.region, 30),) if regions else ()
        table.add_row(
            printable(item.model, 40),
            printable(item.cluster, 40),
            *region,
            _state(item),
            f"{item.replicas.ready}/{item.replicas.desired}",
            printable(item.revision or "-", 16)[:8],
            Text(verdict, style=STYLES[item.verdict]),
        )
    out.print(table)
    for verdict, sentence, concerned in _grouped(rows):
        out.print(f"  {SYMBOLS[verdict]} {_places(concerned)}: {sentence}")


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
    """`fable-5 in eu-west-1, us-east-1 and 3 more`; every model with its own clusters."""
    clusters: dict[str, list[str]] = {}
    for item in items:
        clusters.setdefault(item.model, []).append(printable(item.cluster, 40))
    return "; ".join(f"{printable(model, 40)} in {_listed(names)}" for model, names in clusters.items())


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= _NAMED + 1 else names[:_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(shown) + more


_NAMED = 3
"""Clusters of one reason that are named; the rest stand in the table."""


def plain_table(headings: tuple[str, ...]) -> Table:
    """A table without lines."""
    table = _PlainTable(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _state(item: StatusItem) -> str:
    """What was seen, and what is wanted where that differs."""
    if item.holds:
        return f"{item.state} (held)"
    if item.want is None or item.want.value == item.state.value:
        return item.state.value
    return f"{item.state} (want {item.want})"


def describe(reason: Reason) -> str:
    """One reason as a line: the object it rests on, then the sentence."""
    place = f"{printable(reason.object, 120)}: " if reason.object else ""
    return f"{place}{printable(reason.message, 600)} [{printable(reason.code, 60)}]"


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
