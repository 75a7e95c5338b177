"""The runner of the long tests: a shard that fails fails the run, one that was not reached is named and does not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / ".ci" / "shards.py"
PASSES = "import pytest\npytestmark = pytest.mark.long\n\ndef test_it() -> None:\n    pass\n"
FAILS = PASSES.replace("pass\n", "assert False\n", 1)
WAITS = """\
import pytest, time
from pathlib import Path
pytestmark = pytest.mark.long

@pytest.fixture
def control_plane():
    Path("up").touch()
    yield
    Path("down").touch()

def test_it(control_plane) -> None:
    time.sleep(100)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a test of its own that is not long, and none that is."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    (tmp_path / "test_usual.py").write_text("def test_it() -> None:\n    assert False, 'not long: must not run'\n")
    return tmp_path


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


def order(output: str) -> list[str]:
    return re.findall(r"^shard (\S+): ", output, re.MULTILINE)


def test_without_long_tests_it_says_so_and_passes(project: Path) -> None:
    code, output = run(project)

    assert code == 0
    assert "There are no long tests" in output


def test_one_failing_shard_fails_the_run_and_the_others_still_run(project: Path) -> None:
    (project / "test_a.py").write_text(PASSES)
    (project / "test_b.py").write_text(FAILS)
    (project / "test_c.py").write_text(PASSES)

    code, output = run(project, "--all")

    assert code == 1
    assert "shard test_a.py: passed" in output
    assert re.search(r"shard test_b.py: failed .*test_b.py::test_it", output)
    assert "shard test_c.py: passed" in output
    assert "2 shards passed, 1 failed, 0 not run" in output


def test_a_file_that_cannot_be_collected_fails_the_run(project: Path) -> None:
    (project / "test_a.py").write_text("import nothing_of_this_name\n")

    code, output = run(project)

    assert code == 1
    assert "nothing_of_this_name" in output


def test_a_seed_repeats_its_order_and_another_seed_has_another(project: Path) -> None:
    for letter in "abcdefgh":
        (project / f"test_{letter}.py").write_text(PASSES)

    orders = [order(run(project, "--minutes", "0", "--seed", seed)[1]) for seed in ("1", "1", "2")]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_what_the_time_does_not_reach_is_named_and_fails_nothing(project: Path) -> None:
    (project / "test_a.py").write_text(FAILS)

    code, output = run(project, "--minutes", "0")

    assert code == 0
    assert "shard test_a.py: not run" in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_shard_that_is_stopped_ends_its_control_planes_first(project: Path, number: signal.Signals) -> None:
    (project / "test_a.py").write_text(WAITS)
    process = start(project, "--seed", "1")
    while not (project / "up").exists():
        assert process.poll() is None
        time.sleep(0.05)

    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=60)

    assert (project / "down").exists()
    assert process.returncode == 128 + number
    assert re.search(r"shard test_a.py: not run .*interrupted", output)


def test_a_shard_in_which_the_time_runs_out_is_not_run(project: Path) -> None:
    (project / "test_a.py").write_text(WAITS)

    code, output = run(project, "--minutes", "0.03")

    assert code == 0
    assert re.search(r"shard test_a.py: not run .*the time was up", output)
