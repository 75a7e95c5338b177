"""The end of a CI run adds up its parts, and never says more than they did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUMMARY = Path(__file__).parents[2] / ".ci" / "summary.py"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "test.log").write_text("Success: no issues\n===== 40 passed, 2 deselected in 61.20s (0:01:01) =====\n")
    (tmp_path / "test-long.log").write_text(
        "\x1b[31m==== 1 failed, 3 passed in 5.00s ====\x1b[0m\n==== 2 passed, 1 error in 1.00s ====\n"
        "shard tests/a.py: failed in 9 s\nshard tests/b.py: not run in 0 s\nshard tests/c.py: not run in 0 s\n"
    )
    (tmp_path / "packages.log").write_text("error: missing: tmux\n")
    return tmp_path


def summarise(logs: Path, parts: str) -> tuple[int, list[str]]:
    (logs / "parts").write_text(parts)
    done = subprocess.run([sys.executable, SUMMARY, logs], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout.splitlines()


def test_the_counts_of_all_parts_are_added_up_in_the_last_line(logs: Path) -> None:
    code, lines = summarise(logs, "test 0 70\ntest-long 2 3600\n")

    assert code == 1
    assert "1 failed, 45 passed, 2 deselected, 1 errors, 2 shards not run in 3670.00s (1:01:10)" in lines[-1]


def test_a_part_that_failed_outside_pytest_counts_as_an_error(logs: Path) -> None:
    code, lines = summarise(logs, "test 0 70\npackages 1 2\n")

    assert code == 1
    assert "40 passed, 2 deselected, 1 errors in 72.00s" in lines[-1]
    assert any(line.split() == ["packages", "failed", "(1)", "2", "s"] for line in lines)


def test_only_when_every_part_passed_the_run_did(logs: Path) -> None:
    code, lines = summarise(logs, "test 0 70\n")

    assert code == 0
    assert "40 passed, 2 deselected in 70.00s" in lines[-1]
