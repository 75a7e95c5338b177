"""`make` explains itself, and fails with the next step where it lacks what it cannot make."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=outside, capture_output=True, text=True, timeout=60, check=False
    )


def test_make_alone_lists_every_target_that_people_call() -> None:
    described = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

    done = make()

    assert done.returncode == 0
    assert set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE)) == described
    assert {"install", "demo", "check", "test", "test-long", "test-ui", "test-traffic", "bench-quick"} <= described


def test_an_unsuitable_python_is_refused_with_the_next_step(tmp_path: Path) -> None:
    too_old = tmp_path / "python"
    too_old.write_text("#!/bin/sh\nexit 1\n")
    too_old.chmod(0o755)

    done = make("install", f"PYTHON={too_old}", f"VENV={tmp_path}/venv")

    assert done.returncode != 0
    assert "no Python 3.11 or later" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()
