"""What keeps a restore from bringing a model back: ill pods, a takedown in between, no room, no reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.order import RestoreWave
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Verdict
from orchestrator.errors import RefusedError, UsageError
from orchestrator.workflow.restoring import refuse_short
from tests.cluster.restoring.conftest import REFERENCE, Stage, codes


@pytest.mark.slow
async def test_what_does_not_become_healthy_goes_dark_again_and_later_waves_stay_dark(stage: Stage) -> None:
    """Pods that crash in the first wave: guarded, cut and stopped again, and the second wave is not begun."""
    darkness, (one, two, _) = stage.darkness, stage.clusters
    wave = RestoreWave(name="canary", scope=Scope(clusters=(one,)))
    order = stage.order(waves=(wave,))
    crash = '{"spec":{"template":{"metadata":{"annotations":{"sandbox.orchestrator.dev/fail":"crash-loop"}}}}}'
    for cluster in (one, two):
        darkness.take_dark(cluster, order)
    darkness.planes.kubectl(one, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", crash)
    dark = darkness.objects(one)

    outcome = await stage.restore(order)

    by_cluster = {item.cluster: item for item in outcome.items}
    assert by_cluster[one].verdict is Verdict.FAILED
    assert "dark-again" in codes(by_cluster[one].reasons)
    assert len(codes(by_cluster[one].reasons)) > 1
    assert by_cluster[one].guard == "proven"
    assert by_cluster[two].verdict is Verdict.NOT_RUN
    assert darkness.objects(one) == dark
    assert "orchestrator guard" in darkness.try_to_wake(one)
    assert "orchestrator guard" in darkness.try_to_wake(two)

    mend = '{"spec":{"template":{"metadata":{"annotations":{"sandbox.orchestrator.dev/fail":null}}}}}'
    darkness.planes.kubectl(one, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", mend)
    again = await stage.restore(order)
    assert {item.cluster: item.verdict for item in again.items} == {one: Verdict.VERIFIED, two: Verdict.VERIFIED}


async def test_a_takedown_during_a_restore_wins(stage: Stage) -> None:
    """A hold that comes while replicas are written back: nothing more is sent, and routes stay cut."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    order, other = stage.order(), stage.order("another")
    darkness.take_dark(cluster, order)
    done: list[Event] = []

    def interfere(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data.get("verb") == "scale" and not done:
            done.append(event)
            darkness.hold(cluster, other)
            for name in ("deployment/fable", "statefulset/shard"):
                darkness.planes.kubectl(cluster, "scale", name, "--replicas=0", "-n", darkness.namespace)

    stage.on_event = interfere
    (item,) = (await stage.restore(order)).items
    assert done
    assert (item.verdict, item.holds) == (Verdict.HELD, (other.name,))
    assert darkness.objects(cluster)["Service/fable"]["spec"]["selector"] != {"app": "fable"}
    darkness.await_guard(cluster)
    assert any(name.startswith("Secret/restore.") for name in darkness.ours(cluster))

    stage.on_event = lambda event: None
    (back,) = (await stage.restore(other)).items
    assert back.verdict is Verdict.VERIFIED


async def test_without_room_it_is_refused_and_says_by_how_much(stage: Stage) -> None:
    """A node that is too small for what comes back: exit 4 and nothing written, unless capacity is ignored."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    order = stage.order()
    big = '{"spec":{"template":{"spec":{"containers":[{"name":"server","resources":{"requests":{"cpu":"900"}}}]}}}}'
    darkness.take_dark(cluster, order)
    darkness.planes.kubectl(cluster, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", big)

    plan = await stage.plan(order)
    with pytest.raises(RefusedError, match=r"short by .* cpu") as refused:
        refuse_short(plan)
    assert refused.value.exit_code == 4
    assert darkness.planes.read(cluster, f"configmap/lift.{order.digest[:16]}", "-n", "orchestrator-system") is None

    ignoring = await stage.plan(order, replace(REFERENCE, ignore_capacity=True))
    refuse_short(ignoring)
    assert codes(ignoring.overridden) == {"capacity-ignored"}


async def test_a_reference_is_needed(stage: Stage) -> None:
    """Neither an option nor the order says what the lifting rests on: exit 2."""
    with pytest.raises(UsageError):
        await stage.plan(stage.order(), replace(REFERENCE, reference=None))
