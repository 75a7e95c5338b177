"""What a pipeline shows of a result besides its output: a JUnit file where asked for, GitHub's summary and annotations.

It refuses to change what a result is worth: where a file cannot be written, that is said and the exit code stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

import click

from orchestrator.cli._options import JUNIT
from orchestrator.cli._render import SYMBOLS, WORST_FIRST, describe
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.core.result import RunResult, StatusDocument, StatusItem

_MOST_ANNOTATIONS: Final = 10
"""GitHub shows so many errors of a step."""
_ELEMENTS: Final = {
    "failed": "failure",
    "residue": "failure",
    "unreachable": "error",
    "unverified": "error",
    "held": "skipped",
    "not_run": "skipped",
}
"""By verdict, the element of a JUnit test case; a case without one has passed."""


def report(result: RunResult | StatusDocument) -> None:
    """Tell the pipeline that we run in, as far as it wants to know."""
    context = click.get_current_context(silent=True)
    file = context.meta.get(JUNIT) if context else None
    if file is not None:
        _write(file, junit_xml(result), "w")
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for line in error_annotations(result.items):
        click.echo(line, err=True)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary), step_summary(result), "a")


def junit_xml(result: RunResult | StatusDocument) -> str:
    """The result as JUnit XML: `failure` where it failed, `error` where not proven, `skipped` where held."""
    action = _action(result)
    name = f"orchestrator {action}"
    cases = [_case(action, item) for item in result.items]
    counts = {kind: str(sum(case.find(kind) is not None for case in cases)) for kind in ("failure", "error", "skipped")}
    totals = {"tests": str(len(cases)), "failures": counts["failure"], "errors": counts["error"]}
    times = {"time": f"{result.seconds:.3f}"}
    root = ElementTree.Element("testsuites", {"name": name, **totals, **times})
    suite = ElementTree.SubElement(root, "testsuite", {"name": name, **totals, "skipped": counts["skipped"], **times})
    suite.extend(cases)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(action: str, item: StatusItem) -> ElementTree.Element:
    place = f"{printable(item.model, 100)} in {printable(item.cluster, 100)}"
    case = ElementTree.Element("testcase", {"classname": f"{action}.{printable(item.region, 100)}", "name": place})
    element = _ELEMENTS.get(item.verdict.value)
    sentences = [describe(reason) for reason in item.reasons]
    if element is not None:
        first = sentences[0] if sentences else item.verdict.value
        found = ElementTree.SubElement(case, element, {"type": item.verdict.value, "message": first})
        found.text = "\n".join(sentences)
    elif sentences:
        ElementTree.SubElement(case, "system-out").text = "\n".join(sentences)
    return case


def error_annotations(items: Iterable[StatusItem]) -> list[str]:
    """GitHub's `::error` lines: what is not verified, worst first, as many as GitHub shows."""
    found = sorted(
        (item for item in items if item.verdict.value not in ("verified", "held")),
        key=lambda item: WORST_FIRST.index(item.verdict.value),
    )
    lines = []
    for item in found[:_MOST_ANNOTATIONS]:
        title = f"{item.model} in {item.cluster}: {item.verdict}"
        words = describe(item.reasons[0]) if item.reasons else "no reason was given"
        lines.append(f"::error title={_escaped(title, title=True)}::{_escaped(words)}")
    return lines


def _escaped(text: str, *, title: bool = False) -> str:
    """As GitHub's runner reads it; `printable` has left no line break."""
    text = printable(text, 600).replace("%", "%25")
    return text.replace(":", "%3A").replace(",", "%2C") if title else text


def step_summary(result: RunResult | StatusDocument) -> str:
    """Markdown for the step's page: the outcome in a line, a table, the reasons of what is not verified."""
    lines = [f"### orchestrator {_action(result)}: {result.outcome.value} (exit code {result.exit_code})", ""]
    lines += ["| model | cluster | region | state | ready | verdict |", "|---|---|---|---|---|---|"]
    for item in sorted(result.items, key=lambda item: WORST_FIRST.index(item.verdict.value)):
        verdict = f"{SYMBOLS[item.verdict]} {item.verdict}"
        counts = f"{item.replicas.ready}/{item.replicas.desired}"
        cells = (item.model, item.cluster, item.region, item.state.value, counts, verdict)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    reasons = [
        f"- {_cell(item.model)} in {_cell(item.cluster)}: {_cell(describe(reason))}"
        for item in result.items
        if item.verdict.value != "verified"
        for reason in item.reasons
    ]
    return "\n".join([*lines, "", *reasons, "", ""])


def _cell(text: object) -> str:
    """Text that is no Markdown and no HTML, whatever a cluster wrote into it."""
    escaped = printable(text, 600)
    for character in "\\`*_{}[]<>()#+!|~":
        escaped = escaped.replace(character, f"\\{character}" if character not in "<>" else f"&#{ord(character)};")
    return escaped


def _action(result: RunResult | StatusDocument) -> str:
    return str(getattr(result, "action", "verify"))


def _write(file: Path, text: str, mode: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        click.echo(f"warning: {printable(file, 200)} could not be written: {error.strerror}", err=True)
