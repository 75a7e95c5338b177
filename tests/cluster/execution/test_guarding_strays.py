"""What a search finds is guarded by name as well, and the guard that was there is never lifted for it."""

from __future__ import annotations

import asyncio

from orchestrator.core.events import Event
from orchestrator.core.objects import JsonObject
from orchestrator.errors import ClusterError
from tests.cluster.execution.dark import OFF, POLICIES, Takedown, deployment_of, wanted_off


async def test_what_is_found_elsewhere_is_guarded_by_name(takedown: Takedown, elsewhere: str, image: str) -> None:
    """Nobody scales it up by number afterwards; and while the guard grew, it never let the known workload go."""
    await takedown.region.bring_to(takedown.release)
    takedown.create(deployment_of("second", elsewhere, image))
    await takedown.wait_for_pods(1, elsewhere)
    is_guarded, slips = asyncio.Event(), []

    def hear(event: Event) -> None:
        if event.type.value == "guardTried" and event.data["status"] == "proven":
            is_guarded.set()

    async def try_the_known() -> None:
        await is_guarded.wait()
        while True:
            try:
                await takedown.region.writer.scale(takedown.release.deployment, 1, dry_run=True)
                slips.append("admitted")
            except ClusterError as error:
                if "orchestrator guard" not in error.message:
                    slips.append(error.message)
            await asyncio.sleep(0.02)

    takedown.on_event = hear
    trying = asyncio.create_task(try_the_known())
    try:
        item = await takedown.run()
    finally:
        trying.cancel()

    assert wanted_off(item) == OFF, item.reasons
    assert slips == []
    for name, place in (("second", elsewhere), (takedown.release.model, takedown.namespace)):
        said = takedown.kubectl("scale", f"deployment/{name}", "--replicas=3", "-n", place, check=False)
        assert "orchestrator guard" in said, said
    assert f"scaling apps/Deployment {elsewhere}/second up" in _denied(takedown)
    policies = _specs(takedown)
    again = await takedown.run()
    assert (wanted_off(again), again.changed) == (OFF, False), again.reasons
    assert policies == _specs(takedown), "a later takedown leaves it as wide as it is"


def _specs(takedown: Takedown) -> list[tuple[int, JsonObject]]:
    found = takedown.region.witness.get(POLICIES, "-l", f"orchestrator.dev/model={takedown.release.model}")
    assert found is not None and len(found["items"]) == 2
    return [(one["metadata"]["generation"], one["spec"]) for one in found["items"]]


def _denied(takedown: Takedown) -> list[str]:
    tried = [event for event in takedown.events if event.type.value == "guardTried"]
    return list(tried[-1].data["denied"])
