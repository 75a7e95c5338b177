"""What a takedown of a thousand stub clusters costs on our side, and how that grows."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.bench.figures import Figure, Wrong, ratio
from tests.bench.setting import Setting
from tests.bench.stub_fleet import Done, JsonObject, stub_fleet
from tests.bench.stub_server import Spec
from tests.bench.takedowns import figure, take_down

FEW = 10


async def measure(setting: Setting) -> list[Figure]:
    """Writes against the floor, memory and processor time, and how both grow."""
    few, many, floors = [], [], []
    for number in range(setting.rounds):
        few.append(await take_down(setting, f"few-{number}", Spec(min(FEW, setting.stubs))))
        done, seen = await take_down(setting, f"many-{number}", Spec(setting.stubs))
        many.append((done, seen))
        floors.append(await _floor(setting, f"floor-{number}", seen["bodies"]))
        setting.say(f"round {number + 1}: {seen['seconds']:.0f} s, the floor {floors[-1]:.0f} s, {done.peak:.0f} MB")
    found = [
        figure("first writes acknowledged, against the floor", "x", 1.25,
               ratio([seen["seconds"] for _, seen in many], floors),
               details={"clusters": setting.stubs, "requests per cluster": many[0][1]["requests"] / setting.stubs}),
        figure("peak memory", "MB", 300.0, [done.peak for done, _ in many]),
        figure("processor time per cluster", "ms", 8.0, [done.cpu / setting.stubs * 1000 for done, _ in many]),
    ]  # fmt: skip
    if setting.stubs > FEW:
        values: dict[str, Callable[[Done], float]] = {
            "processor time": lambda done: done.cpu,
            "memory": lambda done: done.peak,
        }
        for name, value in values.items():
            pairs = [(value(small[0]), value(large[0])) for small, large in zip(few, many, strict=True)]
            growth = [math.log(large / small) / math.log(setting.stubs / FEW) for small, large in pairs]
            found.append(figure(f"growth of {name} from {FEW} clusters, exponent", "", 1.05, growth))
    return found


async def _floor(setting: Setting, name: str, bodies: JsonObject) -> float:
    async with stub_fleet(setting, setting.folder / "scale" / name, Spec(setting.stubs)) as fleet:
        await fleet.floor(bodies)
        seen = await fleet.seen()
    if seen["written"] != setting.stubs:
        raise Wrong(f"the floor has written {seen['written']} of {setting.stubs}")
    return float(seen["seconds"])
