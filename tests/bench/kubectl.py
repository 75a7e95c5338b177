"""What people do without a tool: kubectl in a loop."""

from __future__ import annotations

import asyncio
import shlex
import time
from pathlib import Path

from tests.bench.figures import Wrong
from tests.bench.ground import Ground
from tests.bench.setting import PYTHON

KUBECTL = str(Path(PYTHON).with_name("kubectl"))


async def kubectl_everywhere(ground: Ground, name: str, namespace: str) -> float:
    """Seconds that `xargs -P 16` of scale and wait takes over all contexts. Raises Wrong where it leaves pods."""
    base = f"{KUBECTL} --kubeconfig {shlex.quote(str(ground.planes.kubeconfig))} --context {{}} -n {namespace}"
    # `kubectl wait` fails where the pods are gone already: then there is nothing to wait for.
    script = f"{base} scale deployment/{name} --replicas=0 && ({base} wait --for=delete pod -l app={name} || true)"
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        "xargs", "-P", "16", "-I{}", "sh", "-c", script, env=ground.setting.environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate("\n".join(ground.planes.names).encode())
    seconds = time.perf_counter() - began
    if process.returncode or said.count(b"scaled") != len(ground.planes.names):
        raise Wrong(f"xargs kubectl ended with {process.returncode}: {said[-1000:].decode()}")
    return seconds
