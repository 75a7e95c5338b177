"""Which process carries a run out, so that another one can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_PROC: Final = Path("/proc")
_DEAD: Final = frozenset("ZXx")
"""States of a process that has ended and was not waited for yet. Source: proc(5)."""


def this_process() -> dict[str, Any]:
    """This process: machine, pid, and when it was started, which tells it from a later one of the same pid."""
    return {"machine": machine(), "host": socket.gethostname(), "pid": os.getpid(), "started": started(os.getpid())}


def lives(process: Mapping[str, Any] | None) -> bool | None:
    """Whether this process still lives; None where that cannot be told, as of another machine's."""
    if process is None or process.get("machine") != machine():
        return None
    pid, began = process.get("pid"), process.get("started")
    if not isinstance(pid, int) or not isinstance(began, str):
        return None
    return started(pid) == began


def machine() -> str:
    """This machine since it was booted, and within it the namespace in which pids count."""
    boot = _read(_PROC / "sys/kernel/random/boot_id").strip()
    try:
        namespace = (_PROC / "self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return " ".join(part for part in (socket.gethostname(), boot, namespace) if part)


def started(pid: int) -> str | None:
    """When a process was started, in the machine's own words; None when there is none of this pid that still runs."""
    if not _PROC.is_dir() or not (_PROC / "self/stat").exists():
        return _started_by_ps(pid)
    # The name, in parentheses, may hold anything; what follows the last one is fields 3 to 52. Source: proc(5).
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return None if len(fields) < 20 or fields[0] in _DEAD else f"tick {fields[19]}"


def _started_by_ps(pid: int) -> str | None:
    """Where there is no /proc, as on macOS."""
    try:
        told = subprocess.run(
            ["ps", "-o", "state=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return " ".join(told[1:]) if len(told) > 1 and told[0][0] not in _DEAD else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
