"""What a takedown of a thousand clusters costs on our side, against stub servers, and how that grows.

Every round is a takedown to its verdict, each on a fleet of its own. Time is the servers' own: from the first request
that any of them saw to the last of the first writes (guard, binding, route, scale) that any of them answered.
"""

from __future__ import annotations

import math
from datetime import datetime

from tests.bench.figures import Figure, Wrong, ratio
from tests.bench.setting import Setting
from tests.bench.stub_fleet import Done, JsonObject, stub_fleet
from tests.bench.stub_server import Spec

CHAIN = 5
"""Round trips in turn until the last first write: what `tests/cluster/counted` pins on a real API server."""
ROUND_TRIP = 0.2
FEW = 10
SILENT = 0.3


async def measure(setting: Setting) -> list[Figure]:
    """Writes against the floor, memory and processor time, their growth, a slow way, and silent clusters."""
    many = [await _take_down(setting, f"many-{number}", Spec(setting.stubs)) for number in range(setting.rounds)]
    floors = [await _floor(setting, f"floor-{number}", many[0][1]["bodies"]) for number in range(setting.rounds)]
    few = [
        await _take_down(setting, f"few-{number}", Spec(min(FEW, setting.stubs))) for number in range(setting.rounds)
    ]
    found = [
        _figure("first writes acknowledged, against the floor", "x", 1.25,
                ratio([seen["seconds"] for _, seen in many], floors),
                details={"clusters": setting.stubs, "requests per cluster": many[0][1]["requests"] / setting.stubs}),
        _figure("peak memory", "MB", 300.0, [done.peak for done, _ in many]),
        _figure("processor time per cluster", "ms", 8.0, [done.cpu / setting.stubs * 1000 for done, _ in many]),
    ]  # fmt: skip
    if setting.stubs > FEW:
        for name, value in (("processor time", lambda done: done.cpu), ("memory", lambda done: done.peak)):
            pairs = [(value(small[0]), value(large[0])) for small, large in zip(few, many, strict=True)]
            growth = [math.log(large / small) / math.log(setting.stubs / FEW) for small, large in pairs]
            found.append(_figure(f"growth of {name} from {FEW} clusters, exponent", "", 1.05, growth))
    return [*found, await _slow(setting), await _silent(setting)]


async def _slow(setting: Setting) -> Figure:
    rounds = []
    for number in range(setting.rounds):
        _, seen = await _take_down(setting, f"slow-{number}", Spec(setting.stubs, delay=ROUND_TRIP))
        rounds.append(seen["seconds"] / (CHAIN * ROUND_TRIP))
    return _figure("first writes over 200 ms round trips, against their longest chain", "x", 1.3, rounds)


async def _silent(setting: Setting) -> Figure:
    silent = int(setting.stubs * SILENT)
    alone, beside, planned = [], [], []
    for number in range(setting.rounds):
        done, _ = await _take_down(setting, f"alone-{number}", Spec(setting.stubs - silent))
        alone.append(_until_verified(done))
        done, _ = await _take_down(setting, f"beside-{number}", Spec(setting.stubs, silent=silent), silent=silent)
        beside.append(_until_verified(done))
        planned.append(_until_started(done))
    return _figure("the others' time to verified beside silent clusters", "x", 1.1, ratio(beside, alone),
                   details={"silent": silent, "seconds until the plan was made": min(planned)})  # fmt: skip


async def _take_down(setting: Setting, name: str, spec: Spec, *, silent: int = 0) -> tuple[Done, JsonObject]:
    """A takedown to its end, which has to be proven wherever a cluster answers. Raises Wrong."""
    async with stub_fleet(setting, setting.folder / "scale" / name, spec) as fleet:
        done = await fleet.take_down()
        seen = await fleet.seen()
    expected = {"verified": spec.clusters - silent, **({"unreachable": silent} if silent else {})}
    if done.verdicts() != expected:
        raise Wrong(f"{name}: {done.verdicts()}, expected {expected}")
    return done, seen


async def _floor(setting: Setting, name: str, bodies: JsonObject) -> float:
    async with stub_fleet(setting, setting.folder / "scale" / name, Spec(setting.stubs)) as fleet:
        await fleet.floor(bodies)
        seen = await fleet.seen()
    if seen["written"] != setting.stubs:
        raise Wrong(f"the floor has written {seen['written']} of {setting.stubs}")
    return float(seen["seconds"])


def _until_verified(done: Done) -> float:
    items = [item for item in done.result["items"] if item["verdict"] == "verified"]
    return max(datetime.fromisoformat(item["times"]["verified"]).timestamp() for item in items) - done.began


def _until_started(done: Done) -> float:
    items = [item for item in done.result["items"] if item["verdict"] == "verified"]
    return min(datetime.fromisoformat(item["times"]["started"]).timestamp() for item in items) - done.began


def _figure(
    name: str, unit: str, bar: float, rounds: list[float] | tuple[float, ...], details: JsonObject | None = None
) -> Figure:
    return Figure(measure="scale", name=name, unit=unit, bar=bar, rounds=tuple(rounds), details=details or {})
