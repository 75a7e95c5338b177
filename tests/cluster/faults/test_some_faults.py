"""A sample of the table of faults and commands, in every run: those that lied, or hung, most easily."""

from __future__ import annotations

import pytest

from tests.cluster.faults.chains import Cell
from tests.cluster.faults.conftest import Cells
from tests.cluster.faults.expected import EXPECTED

SAMPLE = (
    ("black hole", "takedown"),
    ("black hole", "restore"),
    ("no JSON", "status"),
    ("404 on apps, not listed", "drill"),
    ("reset from the first write on", "enable"),
)


@pytest.mark.parametrize(("fault", "command"), SAMPLE)
def test_cell(cells: Cells, show: list[Cell], fault: str, command: str) -> None:
    """The right verdict with its reason and exit code, before the deadline, nothing false, and the way back open."""
    cell = cells.result(fault, command)
    show.append(cell)
    assert not cell.problems, cell.said
    assert not EXPECTED[fault][command].why_not(cell), cell.said
    assert cell.seconds < cell.limit, cell.said
