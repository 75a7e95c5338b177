"""What silent clusters cost the others: 300 of 1,000 stub clusters take connections, and never answer."""

from __future__ import annotations

from datetime import datetime

from tests.bench.figures import Figure, ratio
from tests.bench.setting import Setting
from tests.bench.stub_fleet import Done
from tests.bench.stub_server import Spec
from tests.bench.takedowns import figure, take_down

SILENT = 0.3


async def measure(setting: Setting) -> list[Figure]:
    """The others beside silent ones, against the others alone."""
    silent = int(setting.stubs * SILENT)
    alone, beside, planned = [], [], []
    for number in range(setting.rounds):
        done, _ = await take_down(setting, f"alone-{number}", Spec(setting.stubs - silent))
        alone.append(until_verified(done))
        done, _ = await take_down(setting, f"beside-{number}", Spec(setting.stubs, silent=silent), silent=silent)
        beside.append(until_verified(done))
        planned.append(until_started(done))
        setting.say(f"round {number + 1}: {alone[-1]:.0f} s alone, {beside[-1]:.0f} s beside silent ones")
    return [
        figure("the others' time to verified beside silent clusters", "x", 1.1, ratio(beside, alone),
               details={"silent": silent, "seconds until the plan was made": min(planned)})
    ]  # fmt: skip


def until_verified(done: Done) -> float:
    """Seconds from the start of the process until the last cluster was verified."""
    items = [item for item in done.result["items"] if item["verdict"] == "verified"]
    return max(datetime.fromisoformat(item["times"]["verified"]).timestamp() for item in items) - done.began


def until_started(done: Done) -> float:
    """Seconds from the start of the process until the plan was made, and the first cluster begun with."""
    items = [item for item in done.result["items"] if item["verdict"] == "verified"]
    return min(datetime.fromisoformat(item["times"]["started"]).timestamp() for item in items) - done.began
