"""What becomes the model, or is made, between a takedown's search and the moment at which its guard works."""

from __future__ import annotations

from orchestrator.core.events import Event
from tests.cluster.execution.dark import OFF, Takedown, deployment_of, pod_of, wanted_off


async def test_a_running_pod_becomes_the_model_only_to_be_deleted(
    takedown: Takedown, elsewhere: str, image: str
) -> None:
    """It was none of anybody's business when the search looked; what the guard does not refuse yet, the watch sees."""
    await takedown.region.bring_to(takedown.release)
    takedown.create(pod_of("turncoat", elsewhere))
    await takedown.wait_for_pods(1, elsewhere)
    tried: list[str] = []

    def turn(event: Event) -> None:
        if event.type.value == "found" and not tried:
            turned = ("set", "image", "pod/turncoat", f"server={image}", "-n", elsewhere)
            tried.append(takedown.kubectl(*turned, check=False))

    takedown.on_event = turn

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    left = [pod["spec"]["containers"][0]["image"] for pod in takedown.pods(elsewhere)]
    if "image updated" in tried[0]:
        assert left == []
    else:
        assert "orchestrator guard" in tried[0], tried
        assert left == ["registry.example/neutral:1"]


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
            late = deployment_of("late", elsewhere, image)
            made.append(takedown.kubectl("create", "-f", "-", stdin=late, check=False))

    takedown.on_event = make

    item = await takedown.run()

    assert made
    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods(elsewhere) == []
    sets = (takedown.region.witness.get("replicasets", "-n", elsewhere) or {"items": []})["items"]
    (orphan,) = [one for one in sets if not one["metadata"].get("ownerReferences")]
    up = ("--replicas=2", "-n", elsewhere)
    said = takedown.kubectl("scale", f"replicaset/{orphan['metadata']['name']}", *up, check=False)
    assert "orchestrator guard" in said, said
    scaled = takedown.kubectl("scale", "deployment/late", *up, check=False)
    if "orchestrator guard" not in made[0] and "orchestrator guard" not in scaled:
        failing = "--for=condition=ReplicaFailure"
        takedown.kubectl("wait", "deployment/late", failing, "-n", elsewhere, "--timeout=30s")
    assert takedown.pods(elsewhere) == []
