"""The command line starts fast because it imports little; `make bench-quick` judges the time itself."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("aiohttp", "kubernetes", "pydantic", "structlog", "rich", "asyncio", "yaml")
OPTIONAL = ("apprise", "prometheus_client", "opentelemetry", "requests")


def imported_by(*arguments: str) -> set[str]:
    """The top-level packages that one command line imports, as the interpreter itself reports them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "orchestrator", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE)
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_nothing_heavy_is_imported_before_a_command_runs(arguments: tuple[str, ...]) -> None:
    if not arguments:
        arguments = ("-h",)
    packages = imported_by(*arguments)

    assert {"orchestrator", "click"} <= packages, "the interpreter did not report what it imported"
    assert packages.isdisjoint((*HEAVY, *OPTIONAL))


INTERRUPTED_WHILE = """
import builtins, os, signal, sys

real = builtins.__import__

def interrupting(name, *rest):
    if name == {module!r}:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.{signal})
    return real(name, *rest)

builtins.__import__ = interrupting
from orchestrator.__main__ import main

sys.argv[1:] = ["status", "-o", "json"]
main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["click", "difflib"])
def test_a_signal_while_it_starts_is_an_end_like_any_other(module: str, name: str) -> None:
    """Before the first line of a command has run: 130 and one document, no traceback."""
    words = INTERRUPTED_WHILE.format(module=module, signal=name)
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "interrupted"
    assert done.stderr.strip() == ""


def on_full_disk(place: Path, *arguments: str, **streams: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line, where no file may grow: its streams that are files are on a disk that is full."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        env={**os.environ, "ORCHESTRATOR_STATE": str(place)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        timeout=60,
        check=False,
        **streams,
    )


def test_a_signal_while_it_ends_changes_no_exit_code() -> None:
    """All is told by then; the interpreter has taken our handlers away, and would be ended by the signal itself."""
    code = """
import os, signal, sys

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)

sys.late = Late()
sys.argv = ["orchestrator", "--version"]
from orchestrator.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("schema", "Fleet"), ("frob", "-o", "json"), ("runs", "list", "-o", "json")]
)
def test_a_full_disk_under_its_output_is_an_error_of_ours(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """What was to be read is cut short: never exit code 0, and no traceback."""
    with (tmp_path / "stdout").open("wb") as full:
        done = on_full_disk(tmp_path, *arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: what it had to say could not be written: File too large")
    assert b"Traceback" not in done.stderr


def test_nowhere_to_complain_is_no_traceback_either(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as full:
        done = on_full_disk(tmp_path, "frob", stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 3
    assert done.stdout == b""
