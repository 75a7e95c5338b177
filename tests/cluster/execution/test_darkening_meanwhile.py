"""What becomes the model, or is made, between a takedown's search and the moment at which its guard works."""

from __future__ import annotations

from orchestrator.core.events import Event
from tests.cluster.execution.dark import OFF, Takedown, deployment_of, pod_of, wanted_off


async def test_a_running_pod_that_becomes_the_model_before_the_guard_works_is_found_by_the_watch(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """It was none of anybody's business when the search looked; its image was changed before it was refused."""
    await takedown.region.bring_to(takedown.release)
    takedown.create(pod_of("turncoat", elsewhere))
    await takedown.wait_for_pods(1, elsewhere)
    tried: list[str] = []

    def turn(event: Event) -> None:
        if event.type.value == "found" and not tried:
            tried.append(takedown.kubectl("set", "image", "pod/turncoat", f"server={image}", "-n", elsewhere))

    takedown.on_event = turn

    item = await takedown.run()

    assert tried and "image updated" in tried[0]
    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []


async def test_workloads_made_between_search_and_guard_run_nothing(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """One made anew, and the ReplicaSet of one that was deleted without it, which is guarded by name.

    The new one is stopped where it had started anything; else whatever it asks for is refused.
    """
    await takedown.region.bring_to(takedown.release)
    takedown.create(deployment_of("orphaned", elsewhere, image))
    await takedown.wait_for_pods(1, elsewhere)
    takedown.kubectl("delete", "deployment", "orphaned", "--cascade=orphan", "-n", elsewhere)
    made: list[str] = []

    def make(event: Event) -> None:
        if event.type.value == "found" and not made:
            made.append(takedown.kubectl("create", "-f", "-", stdin=deployment_of("late", elsewhere, image)))

    takedown.on_event = make

    item = await takedown.run()

    assert made and "created" in made[0]
    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []
    sets = (takedown.region.witness.get("replicasets", "-n", elsewhere) or {"items": []})["items"]
    (orphan,) = [one for one in sets if not one["metadata"].get("ownerReferences")]
    up = ("--replicas=2", "-n", elsewhere)
    said = takedown.kubectl("scale", f"replicaset/{orphan['metadata']['name']}", *up, check=False)
    assert "orchestrator guard" in said, said
    if "orchestrator guard" not in takedown.kubectl("scale", "deployment/late", *up, check=False):
        refused = "--for=jsonpath={.status.conditions[?(@.type=='ReplicaFailure')].status}=True"
        takedown.kubectl("wait", "deployment/late", refused, "-n", elsewhere, "--timeout=30s")
    assert takedown.pods(elsewhere) == []
