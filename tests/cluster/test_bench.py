"""The benchmark itself, small: it measures what it says, floor and ours reach the same state, nothing is left behind.

No time is judged here. The control planes are the benchmark's own arrangement, two of them.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.bench import run
from tests.bench.figures import SCHEMA, Figure
from tests.bench.ground import NAMESPACE, Ground, opened
from tests.bench.measures import departure, rollout, status, status_watch, stray_search
from tests.bench.planes import Planes, started, yield_processors
from tests.bench.setting import Setting

_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bench"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.fixture(scope="module")
async def setting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """Two control planes, one round, few pods."""
    folder = tmp_path_factory.mktemp("bench")
    # Beside the control planes of all other tests they would wait for a processor for ever.
    async with started(folder / "planes", 2, lambda line: None, yielding=False) as planes:

        async def given() -> Planes:
            return planes

        yield Setting(
            folder=folder, say=lambda line: None, planes=given, rounds=1, clusters=2, samples=2, strangers=450, idle=2.0
        )


async def state_of(ground: Ground) -> dict[str, tuple[int, int, int]]:
    """Per cluster the replicas wanted, those available, and the pods."""
    found = {}
    for name, client in ground.clients.items():
        live = await client.send("GET", _DEPLOYMENT)
        pods = (await client.send("GET", _PODS))["items"]
        found[name] = (live["spec"]["replicas"], live["status"].get("availableReplicas", 0), len(pods))
    return found


async def _until(ground: Ground, wanted: dict[str, tuple[int, int, int]]) -> None:
    """The floor waits for pods; a Deployment's status follows them. Raises TimeoutError where it never says this."""
    async with asyncio.timeout(60):
        while await state_of(ground) != wanted:  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.1)


async def test_the_floor_and_ours_reach_the_same_state(setting: Setting) -> None:
    """What is compared is the same job: all pods available, then none, the guard there and the route changed."""
    async with opened(setting, "same-state") as ground:
        ground.write_models("bench")
        await ground.ours("enable", "bench", "--all")
        enabled = await state_of(ground)
        order = ground.write_order("bench")
        await ground.ours("takedown", "--order", order, "--confirm", "bench", "--rehearse", "--soak", "0s")
        dark = await state_of(ground)
        await ground.keep_guard()
        await ground.clear()

        await ground.floor("enable", ground.work("bench"))
        await _until(ground, enabled)
        await ground.floor("takedown", ground.work("bench"))
        await _until(ground, dark)
        assert [body["kind"] for _, body in ground.guard] == [
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ]
    assert set(enabled.values()) == {(3, 3, 3)}
    assert set(dark.values()) == {(0, 0, 0)}


def test_a_process_that_yields_has_only_what_nobody_else_wants() -> None:
    process = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    try:
        yield_processors(process.pid)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 15
        group = Path(f"/proc/{process.pid}/autogroup")
        assert not group.exists() or group.read_text().endswith("nice 15\n")
    finally:
        process.kill()
        process.wait()


async def test_every_measure_of_real_control_planes_measures_something(setting: Setting) -> None:
    """Each figure has a value and as many rounds as it says, and together they make a document that can be checked."""
    modules = [rollout, departure, status, status_watch, stray_search]

    figures = [figure for module in modules for figure in await run.measured(module, setting)]

    assert [f"{one.name}: {one.reason}" for one in figures if one.value is None] == []
    assert all(math.isfinite(value) for one in figures for value in one.rounds)
    assert all(one.rounds for one in figures)
    assert _named(figures, "requests but watches").value == 0
    document = run.document(figures, run.now(), {"orchestrator": "0", "python": "3"}, rounds=1, clusters=2)
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


def _named(figures: list[Figure], words: str) -> Figure:
    return next(one for one in figures if words in one.name)


async def test_the_audit_log_counts_every_request_of_people(setting: Setting) -> None:
    """An idle `status --watch` is called silent by this count: so it has to hear a single request."""
    async with opened(setting, "audit") as ground:
        name, client = next(iter(ground.clients.items()))
        before = _heard(ground.planes.audited(name))
        for _ in range(3):
            await client.send("GET", f"{_PODS}?labelSelector=app%3Dbench-heard")
        assert _heard(ground.planes.audited(name)) - before == 3


def _heard(log: Path) -> int:
    return log.read_bytes().count(b"bench-heard")
