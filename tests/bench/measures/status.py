"""`status`: how long a look at three clusters takes, against as many `kubectl get` at once."""

from __future__ import annotations

import asyncio
import time

from tests.bench.figures import Figure, ratio
from tests.bench.ground import NAMESPACE, Ground, opened
from tests.bench.kubectl import KUBECTL
from tests.bench.planes import few_planes
from tests.bench.setting import Setting

CONTROL_PLANES = "few"
MODEL = "bench"
_CLUSTERS = 3
"""The whole fleet: holds may be on record in any cluster of it, so that `status` asks each."""


async def measure(setting: Setting) -> list[Figure]:
    """The model is on everywhere."""
    async with few_planes(setting, _CLUSTERS, "few") as few, opened(few, "status") as ground:
        ground.write_models(MODEL)
        await ground.ours("enable", MODEL, "--all")
        ours, theirs = [], []
        for _ in range(setting.rounds):
            ours.append((await ground.ours("status", MODEL)).seconds)
            theirs.append(await _kubectl(ground))
    return [
        Figure(
            measure="status",
            name=f"of {len(ground.clients)} clusters, of as many parallel kubectl get",
            unit="times",
            bar=2.0,
            rounds=ratio(ours, theirs),
            details={"status, s": sorted(ours)[len(ours) // 2], "kubectl, s": sorted(theirs)[len(theirs) // 2]},
        )
    ]


async def _kubectl(ground: Ground) -> float:
    """Workloads and pods, which is what `status` reads besides its own records."""
    began = time.perf_counter()
    base = (KUBECTL, "--kubeconfig", str(ground.planes.kubeconfig), "-n", NAMESPACE, "get", "deployments,pods")
    await asyncio.gather(*(ground.run(*base, "--context", name) for name in ground.planes.names))
    return time.perf_counter() - began
