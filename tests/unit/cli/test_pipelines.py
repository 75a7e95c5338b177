"""What pipelines show of a result: nothing unproven passes, and no text of a cluster becomes their markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from orchestrator.cli._options import JUNIT
from orchestrator.cli._pipelines import error_annotations, junit_xml, report, step_summary
from orchestrator.core.result import ResultItem as Item
from orchestrator.core.result import RunResult, outcome_of
from orchestrator.core.verdict import Reason, State, Verdict, Want

HOSTILE = 'x"><b>&\x1b[2J\n::error::%0A|](http://evil.example)'


def item(cluster: str, verdict: Verdict, message: str = "because") -> Item:
    return Item(
        model="fable-5", cluster=cluster, region="eu-west", country="IE", want=Want.DISABLED, state=State.DISABLED,
        verdict=verdict, reasons=(Reason(code="code", message=message),),
    )  # fmt: skip


def result(*items: Item) -> RunResult:
    return RunResult(
        run="20261123T204500Z-3f9a", action="takedown", rehearsal=False, outcome=outcome_of(3), exit_code=3,
        seconds=4.2, items=items,
    )  # fmt: skip


def parsed(xml: str) -> ElementTree.Element:
    return ElementTree.fromstring(xml)  # noqa: S314 - our own


def test_every_verdict_is_a_case_and_only_verified_ones_pass() -> None:
    cases = parsed(junit_xml(result(*(item(one.value, one) for one in Verdict)))).iter("testcase")
    found = {case.get("name", "").split()[-1]: {child.tag for child in case} for case in cases}
    assert found == {
        "verified": {"system-out"},
        "held": {"skipped"},
        "not_run": {"skipped"},
        "failed": {"failure"},
        "residue": {"failure"},
        "unreachable": {"error"},
        "unverified": {"error"},
    }


def test_counts_are_those_of_the_cases() -> None:
    root = parsed(junit_xml(result(item("a", Verdict.FAILED), item("b", Verdict.VERIFIED))))
    suite = root.find("testsuite")
    assert suite is not None
    assert [root.get(name) for name in ("tests", "failures", "errors", "time")] == ["2", "1", "0", "4.200"]
    assert suite.get("skipped") == "0"


def test_hostile_text_is_text_everywhere() -> None:
    hostile = result(replace(item("a", Verdict.UNVERIFIED, HOSTILE), cluster=HOSTILE))
    (error,) = parsed(junit_xml(hostile)).iter("error")
    assert "<b>" in str(error.text)
    assert "\x1b" not in junit_xml(hostile)
    (line,) = error_annotations(hostile.items)
    assert line.startswith("::error title=fable-5") and "\n" not in line and "%250A" in line
    assert "<b>" not in step_summary(hostile) and "](" not in step_summary(hostile)


def test_annotations_are_the_worst_ones_as_many_as_are_shown() -> None:
    items = [item(f"c{number}", Verdict.UNVERIFIED) for number in range(20)] + [item("z", Verdict.FAILED)]
    lines = error_annotations(items)
    assert len(lines) == 10
    assert "in z%3A failed" in lines[0]


def test_a_pipeline_of_github_gets_a_summary_and_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with click.Context(click.Command("takedown")):
        report(result(item("a", Verdict.RESIDUE)))
        assert not summary.exists()
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        report(result(item("a", Verdict.RESIDUE)))
    assert "| fable-5 | a | eu-west | disabled | 0/0 | ▲ residue |" in summary.read_text()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("::error title=fable-5 in a%3A residue::because")


def test_a_file_that_cannot_be_written_is_said_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with click.Context(click.Command("takedown")) as context:
        context.meta[JUNIT] = tmp_path / "missing" / "junit.xml"
        report(result(item("a", Verdict.VERIFIED)))
    assert "could not be written" in capsys.readouterr().err
