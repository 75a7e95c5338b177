"""In a terminal of 80 columns everything can be read: nothing is broken by the terminal, nothing runs into a margin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.conftest import Looker
from tests.ui.terminal import COLUMNS

pytestmark = pytest.mark.ui


def test_the_help_fits_and_names_every_exit_code(look: Looker) -> None:
    screen = look("--help")

    assert screen.exit_code == 0
    assert screen.broken_lines == []
    shown = "\n".join(screen.rows)
    assert all(f"  {code} " in shown for code in (0, 1, 2, 3, 4, 10, 130))


def test_a_misspelt_command_is_answered_in_two_lines_with_the_next_step(look: Looker) -> None:
    screen = look("statsu")

    assert screen.exit_code == 2
    assert [line.split(":")[0].strip() for line in screen.lines] == ["error", "next"]


def test_the_table_of_a_sandbox_stays_a_table(look: Looker, running_sandbox: Path) -> None:
    screen = look("sandbox", "status", "--dir", str(running_sandbox))

    assert screen.exit_code == 0
    (heading,) = [row for row in screen.rows if "CLUSTER" in row.upper().split()]
    column = heading.upper().index("CLUSTER")
    rows = [row for row in screen.rows if "us-east-1" in row or "eu-west-1" in row or "eu-central-1" in row]
    assert len(rows) == 3, screen.rows
    assert {row[column - 1 : column].strip() for row in rows} == {""}
    assert all(len(line) <= COLUMNS for line in screen.lines if line in rows)


def test_hostile_text_cannot_clear_or_colour_the_screen(look: Looker) -> None:
    screen = look("\x1b[2J\x1b[31mnothing\x07\r")

    assert screen.exit_code == 2
    assert "\x1b[31m" not in screen.colours
    assert any("error:" in row and "nothing" in row for row in screen.rows), "the screen was cleared"
