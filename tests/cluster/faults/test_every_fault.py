"""Every fault and every command, through a failing proxy in front of a real API server; two clusters are healthy.

The table at the end of the run says what came of each. `test_some_faults.py` keeps a sample in every run.
"""

from __future__ import annotations

import pytest

from tests.cluster.faults.chains import COMMANDS, Cell
from tests.cluster.faults.conftest import Cells
from tests.cluster.faults.every_fault import FAULTS
from tests.cluster.faults.expected import EXPECTED

pytestmark = pytest.mark.long


CELLS = [(fault, command) for fault in FAULTS for command in COMMANDS if command in EXPECTED[fault]]


@pytest.mark.parametrize(("fault", "command"), CELLS)
def test_cell(cells: Cells, show: list[Cell], fault: str, command: str) -> None:
    """The right verdict with its reason and exit code, before the deadline, nothing false, and the way back open."""
    cell = cells.result(fault, command)
    show.append(cell)
    assert not cell.problems, cell.said
    assert not EXPECTED[fault][command].why_not(cell), cell.said
    assert cell.seconds < cell.limit, cell.said
