"""The command line starts fast because it imports little; `make bench-quick` judges the time itself."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "kubernetes", "pydantic", "structlog", "rich", "asyncio", "yaml")


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
    assert packages.isdisjoint(HEAVY)
