"""Whatever the environment holds, a command ends with a message and an exit code of ours, never with a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FLEET = """\
apiVersion: orchestrator/v1
kind: Fleet
metadata: {name: f}
spec: {clusters: [{name: c, region: r, context: c}]}
"""
LONG = "x" * 5000


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ORCHESTRATOR_STATE": LONG}, 1),
        ({"ORCHESTRATOR_STATE": "/dev/null"}, 1),
        ({"ORCHESTRATOR_STATE": "\x1b]0;x\x07\u202e"}, 0),
        ({"XDG_STATE_HOME": "../..", "HOME": ""}, 0),
        ({"COLUMNS": "-1", "LINES": "x", "TERM": "\x1b[2J", "NO_COLOR": LONG}, 0),
        ({"LC_ALL": "xx_YY.bogus", "TZ": "../../etc/passwd", "PYTHONIOENCODING": "ascii"}, 0),
    ],
    ids=["too long", "no folder", "control characters", "relative", "terminal", "locale"],
)
def test_runs_list(tmp_path: Path, changed: dict[str, str], code: int) -> None:
    done = run(tmp_path, changed, "runs", "list")
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("path", [LONG, "/dev/zero", "\x1b[2J\u202e", "/proc/self/mem", "::/:/:"])
def test_status_by_a_kubeconfig_that_is_none(tmp_path: Path, path: str) -> None:
    """One document all the same: an error of the file, or of the context that it does not have."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    done = run(tmp_path, {"KUBECONFIG": path}, "status", "-o", "json")
    document = json.loads(done.stdout)
    assert done.returncode == document["exitCode"]
    assert done.returncode in (0, 2, 3)
    assert document["kind"] == ("Error" if done.returncode == 2 else "Status")


def run(folder: Path, changed: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One real command line; whatever it says is harmless to look at, and no traceback."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT), **changed}
    command = [sys.executable, "-m", "orchestrator", "-C", str(folder), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not [one for one in done.stdout + done.stderr if one != "\n" and not one.isprintable()]
    return done
