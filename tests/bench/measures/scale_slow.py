"""What 200 ms on the way to each of a thousand stub clusters cost: the time to all first writes."""

from __future__ import annotations

from tests.bench.figures import Figure
from tests.bench.setting import Setting
from tests.bench.stub_server import Spec
from tests.bench.takedowns import figure, take_down

CHAIN = 5
"""Round trips in turn until the last first write: what `tests/cluster/counted` pins on a real API server."""
ROUND_TRIP = 0.2


async def measure(setting: Setting) -> list[Figure]:
    """Against the longest chain of round trips."""
    rounds = []
    for number in range(setting.rounds):
        _, seen = await take_down(setting, f"slow-{number}", Spec(setting.stubs, delay=ROUND_TRIP))
        rounds.append(seen["seconds"] / (CHAIN * ROUND_TRIP))
        setting.say(f"round {number + 1}: {seen['seconds']:.0f} s")
    return [figure("first writes over 200 ms round trips, against their longest chain", "x", 1.3, rounds)]
