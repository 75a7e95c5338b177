"""docs/reference.md is what the schemas say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"


def test_the_reference_is_not_stale() -> None:
    command = [sys.executable, ROOT / ".ci" / "reference.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_every_field_that_people_write_has_a_meaning() -> None:
    """A field that nobody explains is a question to the reader."""
    written = PAGE.read_text().partition("\n## Plan\n")[0]
    rows = [line for line in written.splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row for row in rows if row.endswith("|  |")] == []
