"""The runner of the usual tests: both halves run, either can fail the run, and a signal ends both in good order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / ".ci" / "side_by_side.py"
PASSES = "def test_it() -> None:\n    pass\n"
FAILS = "def test_it() -> None:\n    assert False\n"
WAITS = """\
import pytest, time
from pathlib import Path

@pytest.fixture
def control_plane():
    Path(__file__).with_name("up").touch()
    yield
    Path(__file__).with_name("down").touch()

def test_it(control_plane) -> None:
    time.sleep(100)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    for folder in ("tests/cluster/planning", "tests/unit", "tests/bench"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def fill(project: Path, first: str, rest: str) -> None:
    (project / "tests/cluster/test_first.py").write_text(first)
    for name in ("tests/cluster/planning/test_second.py", "tests/unit/test_third.py"):
        (project / name).write_text(rest)


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    quick = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # none is needed here, and loading them takes long
    command = [sys.executable, str(RUNNER), *arguments]
    return subprocess.Popen(
        command, cwd=project, env=quick, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(project: Path, *arguments: str) -> tuple[int, str]:
    process = start(project, *arguments)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


@pytest.mark.parametrize(
    ("first", "rest", "code"), [(PASSES, PASSES, 0), (FAILS, PASSES, 1), (PASSES, FAILS, 1)], ids=["pass", "1", "2"]
)
def test_either_half_can_fail_the_run_and_every_test_is_run_once(
    project: Path, first: str, rest: str, code: int
) -> None:
    fill(project, first, rest)
    done, output = run(project)
    assert done == code
    counted = [line for line in output.splitlines() if " in " in line and line.startswith("=")]
    assert [sum(map(int, (word for word in line.split() if word.isdigit()))) for line in counted] == [1, 2]


def test_a_half_without_a_chosen_test_fails_nothing_and_no_test_at_all_does(project: Path) -> None:
    fill(project, PASSES, PASSES.replace("test_it", "test_other"))
    assert run(project, "-k", "test_it")[0] == 0
    assert run(project, "-k", "nonsense")[0] == 5


def test_tests_that_are_chosen_by_path_run_alone(project: Path) -> None:
    fill(project, FAILS, PASSES)
    code, output = run(project, "tests/unit/test_third.py::test_it")
    assert (code, output.count("test session starts")) == (0, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_both_halves_started(project: Path, number: signal.Signals) -> None:
    fill(project, WAITS, WAITS)
    process = start(project)
    places = (project / "tests/cluster", project / "tests/cluster/planning")
    deadline = time.monotonic() + 60
    while not all((place / "up").exists() for place in places) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert all((place / "down").exists() for place in places), output
