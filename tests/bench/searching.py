"""Searches one cluster for one model, and measures what that does to its own event loop and memory.

    python -m tests.bench.searching WORKSPACE CLUSTER MODEL

It prints one JSON document. A first search, without the strangers' namespaces, loads whatever is loaded once.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

from orchestrator.cli._running import run
from orchestrator.core.observation import Subject
from orchestrator.core.verdict import Want
from orchestrator.delivery import HttpProber
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.judging import seek
from orchestrator.workflow.session import Session, load_workspace, open_session

_BEAT = 0.001


class Heart:
    """Beats every millisecond; the longest pause between two beats is how long the loop was blocked."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Heart:
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(10 * _BEAT)
        self.longest = 0.0
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(2 * _BEAT)
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - _BEAT)
            last = now


async def search(root: Path, cluster: str, model: str) -> dict[str, float]:
    """The model's pods in the whole cluster, and what it took to find them."""
    async with open_session(load_workspace(root)) as session, HttpProber() as prober:
        subject = await _subject(session, cluster, model)
        verifier, reader = LiveVerifier(session.clock, prober), session.writer(cluster)
        await verifier.search(reader, subject)
        everywhere = replace(subject, is_everywhere=True, want=Want.DISABLED)
        before, began = _peak(), time.perf_counter()
        async with Heart() as heart:
            traces = await verifier.search(reader, everywhere)
        return {
            "blocked": heart.longest,
            "memory": float(_peak() - before),
            "seconds": time.perf_counter() - began,
            "found": len(traces.pods),
        }


async def _subject(session: Session, cluster: str, model: str) -> Subject:
    sought = await seek(session, (model,), [session.fleet.cluster(cluster)])
    found = sought.models[0].found
    if not isinstance(found, Subject):
        raise TypeError(f"nothing can be looked for: {found}")
    return found


def _peak() -> int:
    """The most memory that this process ever had, in bytes.

    Not by `getrusage` where there is another way: on Linux that begins with what the parent had.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main(root: str, cluster: str, model: str) -> None:
    """Search, and print what was measured: on the loop and with the collection of garbage of every command."""
    sys.stdout.write(json.dumps(run(search(Path(root), cluster, model))))


if __name__ == "__main__":
    main(*sys.argv[1:])
