"""Enabling and taking down a model everywhere, against the floor, and against kubectl in a loop.

Timed is what the user waits for: from the start of the process until the last cluster is verified; for the floor until
its last cluster is done, the start of its process included. The soak is 0, as it is a wait that the user chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.figures import Figure, Wrong, ratio
from tests.bench.ground import NAMESPACE, Ground, Ran, opened
from tests.bench.kubectl import kubectl_everywhere
from tests.bench.setting import Setting

CONTROL_PLANES = "all"
MODEL = "bench"


async def measure(setting: Setting) -> list[Figure]:
    """Each round: ours, the floor, ours without guard, kubectl; each from a cleared ground."""
    async with opened(setting, "rollout") as ground:
        ground.write_models(MODEL)
        rounds = [await _round(ground, number) for number in range(setting.rounds)]
    seconds = {name: [one[name] for one in rounds] for name in rounds[0]}
    return [
        _ratio("enable to verified, of the floor", seconds, "enable", "floor enable", 1.15),
        _ratio("takedown to verified, of the floor", seconds, "takedown", "floor takedown", 1.15),
        _faster("faster than xargs -P 16 kubectl: takedown", seconds, "takedown"),
        _faster("faster than xargs -P 16 kubectl: disable, without guard", seconds, "disable", bar=None),
    ]


async def _round(ground: Ground, number: int) -> dict[str, float]:
    found: dict[str, float] = {}
    await ground.clear()
    enabled = await ground.ours("enable", MODEL, "--all")
    found["enable"], found["enable, process"] = enabled.until("verified"), enabled.seconds
    taken = await ground.ours(
        "takedown", "--order", ground.write_order(MODEL), "--confirm", MODEL, "--rehearse", "--soak", "0s"
    )
    _check(taken, ground)
    found["takedown"], found["takedown, process"] = taken.until("verified"), taken.seconds
    await ground.keep_guard()
    await ground.clear()
    work = ground.work(MODEL)
    found["floor enable"] = (await ground.floor("enable", work)).seconds
    found["floor takedown"] = (await ground.floor("takedown", work)).seconds
    await ground.clear()
    await ground.ours("enable", MODEL, "--all")
    found["disable"] = (await ground.ours("disable", MODEL, "--all", "--soak", "0s")).until("verified")
    await ground.clear()
    await ground.floor("enable", work)
    found["kubectl"] = await kubectl_everywhere(ground, MODEL, NAMESPACE)
    ground.setting.say(f"round {number + 1}: " + ", ".join(f"{name} {one:.2f} s" for name, one in found.items()))
    return found


def _check(ran: Ran, ground: Ground) -> None:
    items = ran.document["items"]
    if len(items) != len(ground.clusters) or any(item["guard"] != "proven" for item in items):
        raise Wrong(f"not every cluster is guarded: {[(item['cluster'], item['guard']) for item in items]}")


def _ratio(name: str, seconds: dict[str, list[float]], ours: str, theirs: str, bar: float) -> Figure:
    return Figure(
        measure="rollout",
        name=name,
        unit="times",
        bar=bar,
        rounds=ratio(seconds[ours], seconds[theirs]),
        details=_medians(seconds, (ours, theirs, f"{ours}, process")),
    )


def _faster(name: str, seconds: dict[str, list[float]], ours: str, bar: float | None = 5.0) -> Figure:
    return Figure(
        measure="rollout",
        name=name,
        unit="times",
        bar=bar,
        at_least=True,
        rounds=ratio(seconds["kubectl"], seconds[ours]),
        details=_medians(seconds, (ours, "kubectl")),
    )


def _medians(seconds: dict[str, list[float]], names: Sequence[str]) -> dict[str, float]:
    return {f"{name}, s": round(sorted(seconds[name])[len(seconds[name]) // 2], 3) for name in names}
