"""`.ci/run` runs every part, whatever happens to the others, and its exit code and last line say how it went."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("tmux", "chromium", "ip", "unshare")

MAKE = """\
#!/bin/sh
# Instead of the real targets, which run for an hour: says what was asked, and ends as BROKEN says.
echo "make $*, SEED=$SEED"
test "$1" != "$BROKEN" || exit 2
test "$1" = test-long && echo "shard tests/a.py: not run in 0 s"
echo "=========== 3 passed in 0.10s ==========="
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts of CI with a `make` and the Debian programs of the test's own."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name in ("make", *PROGRAMS):
        (tmp_path / "bin" / name).write_text(MAKE)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if name != "SEED"}
    environment = {**ours, "PATH": f"{checkout / 'bin'}:{ours['PATH']}", **variables}
    command = ["bash", str(checkout / ".ci" / "run"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_every_part_runs_and_the_counts_are_added_up(checkout: Path) -> None:
    done = run(checkout, SEED="7")

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("make ")] == [
        f"make {target}, SEED=7" for target in ("test", "test-slow", "test-fuzz", "test-ui", "test-traffic")
    ]
    assert "15 passed" in done.stdout.splitlines()[-1]


def test_with_all_the_long_tests_get_the_time_they_need(checkout: Path) -> None:
    done = run(checkout, "--all", SEED="7")

    assert "make test-long ALL=1, SEED=7" in done.stdout
    assert "18 passed, 1 shards not run in" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("broken", ["test", "test-slow", "test-long", "test-fuzz", "test-ui", "test-traffic"])
def test_a_part_that_fails_fails_the_run_and_the_others_still_run(checkout: Path, broken: str) -> None:
    done = run(checkout, "--all", BROKEN=broken)

    assert done.returncode == 1
    assert "make test-traffic" in done.stdout
    assert "15 passed" in done.stdout.splitlines()[-1]
    assert "1 errors" in done.stdout.splitlines()[-1]


def test_the_order_of_the_long_tests_is_printed_even_when_nobody_chose_it(checkout: Path) -> None:
    done = run(checkout, "--all")

    said = next(line for line in done.stdout.splitlines() if line.startswith("SEED="))
    seed = said.split()[0].removeprefix("SEED=")
    assert seed.isdigit()
    assert f"make test-long ALL=1, SEED={seed}" in done.stdout


def test_a_missing_program_that_nobody_can_install_fails_the_run(checkout: Path) -> None:
    for program in PROGRAMS:
        (checkout / "bin" / program).unlink()
    needed = ("bash", "sh", "env", "dirname", "mktemp", "tee", "cat", "rm", "timeout", "python3")
    for program in needed:
        (checkout / "bin" / program).symlink_to(shutil.which(program) or program)

    done = run(checkout, PATH=str(checkout / "bin"))

    # iproute2 and util-linux may lie in /usr/sbin, where the script looks as well.
    assert done.returncode == 1
    assert "tmux" in next(line for line in done.stdout.splitlines() if line.startswith("error: missing"))
    assert "make test-traffic" in done.stdout


def test_an_unknown_argument_is_refused(checkout: Path) -> None:
    assert run(checkout, "--fast").returncode == 2
