"""A takedown of stub clusters to its end, as the measures of scale time it.

Each is of a fleet of its own. Time is the servers' own: from the first request that any of them saw to the last of the
first writes (guard, binding, route, scale) that any of them answered.
"""

from __future__ import annotations

from tests.bench.figures import Figure, Wrong
from tests.bench.setting import Setting
from tests.bench.stub_fleet import Done, JsonObject, stub_fleet
from tests.bench.stub_server import Spec


async def take_down(setting: Setting, name: str, spec: Spec, *, silent: int = 0) -> tuple[Done, JsonObject]:
    """What the command did, and what the servers saw; it is proven wherever a cluster answers. Raises Wrong."""
    async with stub_fleet(setting, setting.folder / "scale" / name, spec) as fleet:
        done = await fleet.take_down()
        seen = await fleet.seen()
    expected = {"verified": spec.clusters - silent, **({"unreachable": silent} if silent else {})}
    if done.verdicts() != expected:
        raise Wrong(f"{name}: {done.verdicts()}, expected {expected}")
    return done, seen


def figure(
    name: str, unit: str, bar: float, rounds: list[float] | tuple[float, ...], details: JsonObject | None = None
) -> Figure:
    """A figure of the measure `scale`."""
    return Figure(measure="scale", name=name, unit=unit, bar=bar, rounds=tuple(rounds), details=details or {})
