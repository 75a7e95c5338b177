"""Long lines on a terminal: broken between words, the rest further in, and nothing of them is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.cli._render import _columns, _fitting
from orchestrator.cli._terminal import hanging
from orchestrator.core.result import StatusItem
from orchestrator.core.verdict import State, Verdict, Want


def test_the_rest_of_a_line_stands_further_in_than_its_beginning() -> None:
    assert hanging("    ~ apply apps/Deployment fable/fable-5", 24) == (
        "    ~ apply\n      apps/Deployment\n      fable/fable-5"
    )


def test_a_line_that_fits_stays_as_it_is() -> None:
    assert hanging("  a  b", 6) == "  a  b"


@given(st.text(st.sampled_from("ab -\u6771"), max_size=80), st.integers(8, 40))
def test_whatever_is_printed_fits_and_loses_no_word(line: str, width: int) -> None:
    broken = hanging(line, width)
    assert all(cell_len(part) <= width for part in broken.split("\n"))
    assert "".join(broken.split()) == "".join(line.split())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_whatever_the_width_a_verdict_is_shown_in_full(width: int) -> None:
    item = StatusItem(
        model="a-model-with-a-long-name",
        cluster="a-cluster-with-a-long-name-1a",
        region="a-region",
        country=None,
        want=Want.DISABLED,
        state=State.UNKNOWN,
        verdict=Verdict.UNREACHABLE,
    )
    columns = _fitting(_columns([item]), width)
    assert columns["VERDICT"][0].plain == "⌁ unreachable"
    assert columns["READY"][0].plain == "-", "nobody has seen any replicas"
    total = sum(max(len(name), cells[0].cell_len) for name, cells in columns.items()) + 2 * (len(columns) - 1)
    assert total <= max(width, 65)
