"""How long after a model's last pod is gone we say so: against a watch of its own, that knows nothing of us.

A sample is one model in one cluster, of few clusters: thirty API servers that load the guards of four models at once
leave a small machine no time for anybody, and what they are late with is not ours. The watch takes the time as the
event arrives; our word counts from the moment at which its line stands in the run's event stream, read from outside as
anybody could.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from tests.bench.figures import Figure, Wrong, percentile
from tests.bench.floor import Client
from tests.bench.ground import NAMESPACE, Ground, opened
from tests.bench.planes import few_planes
from tests.bench.setting import Setting

CONTROL_PLANES = "few"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_MODELS = 4
_CLUSTERS = 8
_LOOK = 0.002
"""Seconds between two looks into the event stream: at most so much too late do we seem."""

Moments = dict[tuple[str, str], float]
"""By cluster and model."""


async def measure(setting: Setting) -> list[Figure]:
    """Rounds until there are enough samples, each of some models at once in every cluster."""
    models = [f"bench-{number}" for number in range(1, _MODELS + 1)]
    per_round: list[list[float]] = []
    async with few_planes(setting, _CLUSTERS, "departing") as few, opened(few, "departure") as ground:
        ground.write_models(*models)
        while len(per_round) < setting.rounds or sum(map(len, per_round)) < setting.samples:
            per_round.append(await _round(ground, models))
            setting.say(f"round {len(per_round)}: p99 {percentile(per_round[-1], 0.99) * 1000:.0f} ms")
    samples = [1000 * one for found in per_round for one in found]
    return [
        Figure(
            measure="departure",
            name="from the last pod's deletion event to lastPodGone, p99",
            unit="ms",
            bar=100.0,
            rounds=tuple(1000 * percentile(found, 0.99) for found in per_round),
            judged=percentile(samples, 0.99),
            details={
                "samples": len(samples), "p50, ms": percentile(samples, 0.5), "p90, ms": percentile(samples, 0.9),
                "largest, ms": max(samples),
            },
        )
    ]  # fmt: skip


async def _round(ground: Ground, models: list[str]) -> list[float]:
    await ground.clear()
    await ground.ours("enable", *models, "--all")
    async with _watching(ground) as gone, _reading(ground) as announced:
        order = ground.write_order(*models)
        await ground.ours("takedown", "--order", order, "--confirm", ",".join(models), "--rehearse", "--soak", "0s")
    if missing := {(cluster, model) for cluster in ground.clients for model in models} - announced.keys() & gone.keys():
        raise Wrong(f"neither we nor the watch saw {sorted(missing)[:5]} go")
    return [announced[key] - gone[key] for key in gone]


@asynccontextmanager
async def _watching(ground: Ground) -> AsyncIterator[Moments]:
    """When the last pod of each model went, by watches that are there before anything is asked for."""
    gone: Moments = {}
    begun = [asyncio.Event() for _ in ground.clients]
    tasks = [
        asyncio.create_task(_watch(name, client, gone, event))
        for (name, client), event in zip(ground.clients.items(), begun, strict=True)
    ]
    try:
        await asyncio.gather(*(event.wait() for event in begun))
        yield gone
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(cluster: str, client: Client, gone: Moments, begun: asyncio.Event) -> None:
    listed = await client.send("GET", _PODS)
    left: dict[str, set[str]] = {}
    for pod in listed["items"]:
        left.setdefault(pod["metadata"]["labels"]["app"], set()).add(pod["metadata"]["uid"])
    begun.set()
    async for event in client.watch(_PODS, listed["metadata"]["resourceVersion"]):
        at, pod = time.time(), event["object"]["metadata"]
        pods = left.setdefault(pod["labels"]["app"], set())
        (pods.discard if event["type"] == "DELETED" else pods.add)(pod["uid"])
        if not pods:
            gone[cluster, pod["labels"]["app"]] = at
        else:
            gone.pop((cluster, pod["labels"]["app"]), None)


@asynccontextmanager
async def _reading(ground: Ground) -> AsyncIterator[Moments]:
    """When each `lastPodGone` stood in the event stream of the run that begins now."""
    stream = _Stream(ground.setting.folder / "state" / "runs")
    reading = asyncio.create_task(asyncio.to_thread(stream.read))
    try:
        yield stream.announced
        await asyncio.sleep(0.1)
    finally:
        stream.ended.set()
        await reading


class _Stream:
    """The event stream of the next run, read in a thread of its own as it grows."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._before = self._there()
        self._rest, self._offset = b"", 0
        self.announced: Moments = {}
        self.ended = threading.Event()

    def read(self) -> None:
        """Until the end."""
        while not self.ended.wait(_LOOK):
            for run in self._there() - self._before:
                journal = run / "journal.jsonl"
                if journal.exists():
                    self._take(journal)

    def _there(self) -> set[Path]:
        return set(self._runs.iterdir()) if self._runs.is_dir() else set()

    def _take(self, journal: Path) -> None:
        at = time.time()
        with journal.open("rb") as file:
            file.seek(self._offset)
            read = file.read()
        self._offset += len(read)
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            if b'"lastPodGone"' in line and (event := orjson.loads(line))["type"] == "lastPodGone":
                self.announced[event["cluster"], event["model"]] = at
