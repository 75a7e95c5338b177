"""What our way to a cluster costs per request, against a bare aiohttp session: processor time, same server and object.

Ours brings credentials, the circuit breaker, retries, the meaning of errors and the check against stale answers.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import orjson
import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.objects import ObjectRef
from orchestrator.delivery import connect
from tests.bench.figures import Figure, Wrong, ratio
from tests.bench.setting import Setting
from tests.bench.stub_fleet import stub_fleet
from tests.bench.stub_server import Spec
from tests.bench.stub_workspace import MODEL, NAMESPACE

REQUESTS, SIDE_BY_SIDE = 1000, 8
_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{MODEL}"
Ask = Callable[[], Awaitable[object]]


async def measure(setting: Setting) -> list[Figure]:
    """By turns, so that what disturbs the machine disturbs both."""
    ours: list[float] = []
    bare: list[float] = []
    async with stub_fleet(setting, setting.folder / "transport", Spec(1)) as fleet:
        for _ in range(setting.rounds):
            ours.append(await _ours(fleet.folder / "kubeconfig"))
            bare.append(await _bare(fleet.folder / "kubeconfig"))
    return [
        Figure(
            measure="transport", name="a request of ours, against a bare one", unit="x", bar=1.25,
            rounds=ratio(ours, bare),
            details={"microseconds of ours": min(ours) * 1e6, "microseconds of a bare one": min(bare) * 1e6},
        )
    ]  # fmt: skip


async def _ours(kubeconfig: Path) -> float:
    ref = ObjectRef("apps/v1", "Deployment", NAMESPACE, MODEL)
    fleet = Fleet(name="stubs", clusters=(Cluster(name="c0", region="here"),))
    async with connect(fleet, kubeconfig=kubeconfig) as connection:
        writer = connection.writer("c0")

        async def ask() -> object:
            return await writer.get(ref)

        return await _per_request(ask)


async def _bare(kubeconfig: Path) -> float:
    cluster = _read(kubeconfig)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    url = cluster["server"] + _PATH
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:

        async def ask() -> object:
            async with session.get(url, ssl=tls, headers={"Authorization": "Bearer token-of-c0"}) as answer:
                return orjson.loads(await answer.read())

        return await _per_request(ask)


async def _per_request(ask: Ask) -> float:
    """Seconds of processor time that one of many requests takes, connections made before. Raises Wrong."""

    async def several(number: int) -> None:
        for _ in range(number):
            found = await ask()
            if not isinstance(found, dict) or found["metadata"]["name"] != MODEL:
                raise Wrong(f"the answer is another object: {found}")

    await asyncio.gather(*(several(5) for _ in range(SIDE_BY_SIDE)))
    began = time.process_time()
    await asyncio.gather(*(several(REQUESTS // SIDE_BY_SIDE) for _ in range(SIDE_BY_SIDE)))
    return (time.process_time() - began) / REQUESTS


def _read(kubeconfig: Path) -> dict[str, str]:
    document = yaml.load(kubeconfig.read_bytes(), Loader=yaml.CSafeLoader)
    cluster: dict[str, str] = document["clusters"][0]["cluster"]
    return cluster
