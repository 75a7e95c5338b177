"""The search for strays in a cluster that is full of others' pods: it must not be felt by any other cluster's pipeline.

The search runs in a process of its own, which measures itself: how long its loop was ever blocked, and how much memory
it took at most. The pods are real objects of a real API server. One of them is the model's by its image alone, so that
only those find it who read them all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from tests.bench.figures import Figure, Wrong
from tests.bench.floor import Client
from tests.bench.ground import Ground, opened
from tests.bench.planes import few_planes
from tests.bench.setting import PYTHON, Setting

CONTROL_PLANES = "few"
MODEL = "bench"
_CLUSTERS = 2
_OTHERS = "others"
_IMAGE = f"registry.example/{MODEL}"
_AT_ONCE = 32


async def measure(setting: Setting) -> list[Figure]:
    """All pods of others stand in the first cluster; beside many the loop would wait for a processor, not for us."""
    async with few_planes(setting, _CLUSTERS, "searched") as few, opened(few, "stray-search") as ground:
        ground.write_models(MODEL, match={"images": [_IMAGE]})
        name, client = next(iter(ground.clients.items()))
        await ground.ours("enable", MODEL, "--all")
        await _crowd(client, setting.strangers, ground)
        try:
            runs = [await _search(ground, name) for _ in range(setting.rounds)]
        finally:
            await _clear(client, setting.strangers)
    crowd = f"of {setting.strangers} pods of others"
    return [
        Figure(
            measure="stray search", name=f"{crowd}: the loop blocked at most", unit="ms", bar=20.0,
            rounds=tuple(1000 * one["blocked"] for one in runs),
            details={"search, s": runs[0]["seconds"], "pods found": runs[0]["found"]},
        ),
        Figure(
            measure="stray search", name=f"{crowd}: memory at most", unit="MB", bar=100.0,
            rounds=tuple(one["memory"] / 1e6 for one in runs),
        ),
    ]  # fmt: skip


async def _search(ground: Ground, cluster: str) -> dict[str, float]:
    script = [PYTHON, "-m", "tests.bench.searching", str(ground.root), cluster, MODEL]
    ran = await ground.run(*script)
    found: dict[str, float] = json.loads(ran.document)
    if found["found"] != (pods := ground.setting.pods + 1):
        raise Wrong(f"the search found {found['found']} pods of the model, not {pods}")
    return found


async def _crowd(client: Client, count: int, ground: Ground) -> None:
    """Pods as they are in large clusters, with environment and volumes; no node takes them."""
    await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": _OTHERS}})
    ground.setting.say(f"creating {count} pods of others …")
    await _for_each(count, lambda number: client.send("POST", f"/api/v1/namespaces/{_OTHERS}/pods", _pod(number)))


async def _clear(client: Client, count: int) -> None:
    """One by one: so many at once is more than an API server does within the time that it gives a request."""
    pods = f"/api/v1/namespaces/{_OTHERS}/pods"
    await _for_each(count, lambda number: client.send("DELETE", f"{pods}/other-{number}?gracePeriodSeconds=0"))


async def _for_each(count: int, send: Callable[[int], Awaitable[object]]) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await send(number)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


def _pod(number: int) -> dict[str, object]:
    image = _IMAGE if number == 0 else "registry.example/other"
    environment = [{"name": f"SETTING_{one}", "value": f"value-{one}-of-{number}"} for one in range(10)]
    container = {"name": "server", "image": f"{image}:1", "env": environment, "command": ["serve"]}
    return {
        "metadata": {"name": f"other-{number}", "labels": {"app": f"other-{number % 50}", "tier": "batch"}},
        "spec": {
            "containers": [container, {**container, "name": "sidecar"}],
            "volumes": [{"name": "cache", "emptyDir": {}}],
            "schedulerName": "none",
        },
    }
