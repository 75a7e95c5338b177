"""`status --watch`: what looking on at thirty clusters costs when nothing happens."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path

from tests.bench.figures import Figure, Wrong
from tests.bench.ground import Ground, opened
from tests.bench.setting import PYTHON, Setting

CONTROL_PLANES = "all"
MODEL = "bench"
_REST = 3.0
"""Seconds without a request after which everything is shown, and nothing of the start still goes on."""
_PATIENCE = 120.0


async def measure(setting: Setting) -> list[Figure]:
    """The model is on everywhere."""
    async with opened(setting, "status-watch") as ground:
        ground.write_models(MODEL)
        await ground.ours("enable", MODEL, "--all")
        return await _idle(ground)


async def _idle(ground: Ground) -> list[Figure]:
    shares, asked = [], []
    for _ in range(ground.setting.rounds):
        share, requests = await _look_on(ground)
        shares.append(100 * share)
        asked.append(float(requests))
    clusters = len(ground.clients)
    return [
        Figure(
            measure="status", name=f"--watch of {clusters} clusters, idle: of a core", unit="%", bar=2.0,
            rounds=tuple(shares),
        ),
        Figure(
            measure="status", name=f"--watch of {clusters} clusters, idle: requests but watches", unit="requests",
            bar=0.0, rounds=tuple(asked), details={"seconds": ground.setting.idle},
        ),
    ]  # fmt: skip


async def _look_on(ground: Ground) -> tuple[float, int]:
    """What share of a core it takes, and how many requests that are no watches the API servers saw meanwhile."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-m", "orchestrator", "-C", str(ground.root), "status", "--watch", env=ground.setting.environment(),
        stdin=subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    shown = bytearray()
    reading = asyncio.create_task(_collect(process.stdout, shown))
    try:
        await _come_to_rest(ground, shown)
        lines, seconds, began = _lines(ground), _processor_seconds(process.pid), time.perf_counter()
        await asyncio.sleep(ground.setting.idle)
        share = (_processor_seconds(process.pid) - seconds) / (time.perf_counter() - began)
        return share, _lines(ground) - lines
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _collect(stream: asyncio.StreamReader | None, shown: bytearray) -> None:
    while stream is not None and (read := await stream.read(65536)):
        shown += read


async def _come_to_rest(ground: Ground, shown: bytearray) -> None:
    """Wait until every cluster is shown and nothing was asked for a while. Raises Wrong when that does not come."""
    end, before = time.perf_counter() + _PATIENCE, -1
    while (lines := _lines(ground)) != before or shown.count(b"verified, enabled") < len(ground.clients):
        if time.perf_counter() > end:
            raise Wrong(f"`status --watch` did not come to rest in {_PATIENCE:g} s: {bytes(shown[-300:])!r}")
        before = lines
        await asyncio.sleep(_REST)


def _lines(ground: Ground) -> int:
    """How many requests that are no watches the API servers have seen so far."""
    logs = (ground.planes.audited(name).read_bytes().splitlines() for name in ground.planes.names)
    return sum(json.loads(line)["verb"] != "watch" for log in logs for line in log)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0
