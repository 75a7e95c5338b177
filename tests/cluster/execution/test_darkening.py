"""A takedown against a real control plane: what is known goes dark, is kept so, and comes back to nobody's hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.events import Event
from orchestrator.core.holds import Lift, read_hold
from tests.cluster.execution.dark import OFF, POLICIES, Takedown, loop_of, wanted_off
from tests.cluster.execution.plans import Release
from tests.cluster.execution.regions import SYSTEM, codes, words


async def test_a_model_goes_dark_and_everything_to_bring_it_back_lies_in_the_cluster(takedown: Takedown) -> None:
    """Verified under a proven guard; hold with ledger, restore record and no lock stay; scaling up is refused."""
    await takedown.region.bring_to(takedown.release)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert item.changed and item.holds == ("directive",)
    times = item.times
    assert times.started and times.guarded and times.stopped and times.last_pod_gone and times.verified
    assert times.started <= times.guarded <= times.verified
    assert times.stopped <= times.last_pod_gone <= times.verified
    assert "traffic-not-observed" in codes(item)
    kept = takedown.region.witness.get("configmap", takedown.hold.object_name, "-n", SYSTEM)
    hold = read_hold(kept or {})
    assert hold is not None and hold.ledger == {takedown.region.writer.cluster.name: "verified"}
    (record,) = takedown.restore_records().values()
    assert (record.ref, record.before) == (takedown.release.deployment, {"/spec/replicas": 2})
    assert takedown.region.witness.get("lease", f"lock.{takedown.release.model}", "-n", SYSTEM) is None
    scale = ("scale", f"deployment/{takedown.release.model}", "--replicas=1", "-n", takedown.namespace)
    assert "orchestrator guard" in takedown.kubectl(*scale, check=False)
    tried = [event for event in takedown.events if event.type.value == "guardTried"]
    assert tried and tried[-1].data["status"] == "proven" and tried[-1].data["denied"]


async def test_a_second_takedown_proves_anew_and_writes_nothing(takedown: Takedown) -> None:
    await takedown.region.bring_to(takedown.release)
    await takedown.run()
    before = takedown.region.witness.versions(takedown.namespace, takedown.release.model)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert not item.changed
    assert takedown.region.witness.versions(takedown.namespace, takedown.release.model) == before


async def test_a_second_order_keeps_the_first_one_s_records(takedown: Takedown) -> None:
    """Executed while the model is dark, it adds its hold and guard; what the model was is still known."""
    await takedown.region.bring_to(takedown.release)
    await takedown.run()
    second = Takedown(takedown.region, takedown.release, order="second")

    item = await second.run()

    assert wanted_off(item) == OFF, item.reasons
    (record,) = second.restore_records().values()
    assert record.before == {"/spec/replicas": 2}


async def test_pods_that_are_slow_to_end_are_waited_for(takedown: Takedown) -> None:
    """Terminating is not gone, whatever the Deployment's status says."""
    slow = {"sandbox.orchestrator.dev/gone-after": "6s"}
    takedown.release = _with_grace(Release(takedown.release.model, takedown.namespace, pod_annotations=slow), 20)
    await takedown.region.bring_to(takedown.release)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert item.times.last_pod_gone and item.times.stopped
    assert item.times.last_pod_gone - item.times.stopped > timedelta(seconds=3)


async def test_pods_get_what_the_deadline_leaves_and_then_short_grace(takedown: Takedown) -> None:
    """The deadline is over: a pod with a minute of grace gets the floor of five seconds, and is gone soon after."""
    slow = {"sandbox.orchestrator.dev/gone-after": "60s"}
    takedown.release = _with_grace(Release(takedown.release.model, takedown.namespace, pod_annotations=slow), 60)
    await takedown.region.bring_to(takedown.release)
    takedown.ends_at = datetime.now(UTC) - timedelta(minutes=5)

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert item.times.last_pod_gone and item.times.started
    passed = item.times.last_pod_gone - item.times.started
    assert timedelta(seconds=5) < passed < timedelta(seconds=15)


async def test_a_pod_that_a_finalizer_keeps_is_residue(takedown: Takedown) -> None:
    takedown.cluster_deadline = 8
    await takedown.region.bring_to(takedown.release)
    pods = await takedown.wait_for_pods(2)
    name = pods[0]["metadata"]["name"]
    patch = ("patch", "pod", name, "-n", takedown.namespace, "--type=merge", "-p")
    takedown.kubectl(*patch, json.dumps({"metadata": {"finalizers": ["example.com/keep"]}}))

    item = await takedown.run()

    assert (item.verdict.value, item.guard) == ("residue", "proven"), item.reasons
    assert f"Pod {takedown.namespace}/{name}" in [reason.object for reason in item.reasons]
    takedown.kubectl(*patch, json.dumps({"metadata": {"finalizers": None}}))


async def test_an_evicted_pod_is_recorded_then_deleted(takedown: Takedown) -> None:
    """Its node is ready and says that its containers ended: only its record is left, and goes after it was noted."""
    evicted = {"sandbox.orchestrator.dev/fail": "evicted", "sandbox.orchestrator.dev/fail-after": "1s"}
    await takedown.region.bring_to(takedown.release)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "thrown-out",
            "namespace": takedown.namespace,
            "labels": {"app": takedown.release.model},
            "annotations": evicted,
        },
        "spec": {"containers": [{"name": "server", "image": "registry.example/x:1"}], "restartPolicy": "Never"},
    }
    takedown.kubectl("scale", f"deployment/{takedown.release.model}", "--replicas=0", "-n", takedown.namespace)
    await takedown.wait_for_pods(0)
    takedown.create(pod)
    await takedown.wait_for_pods(1, phase="Failed")

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert takedown.pods() == []
    seen = [event.data for event in takedown.events if event.type.value == "observed"]
    assert f"Pod {takedown.namespace}/thrown-out" in [one["object"] for one in seen]


async def test_a_controller_that_scales_back_fights_in_vain(takedown: Takedown) -> None:
    """It scales up every 300 ms before, during and after: the guard refuses it, and the model is verified off."""
    await takedown.region.bring_to(takedown.release)
    scale = ("scale", f"deployment/{takedown.release.model}", "--replicas=2", "-n", takedown.namespace)
    async with loop_of(lambda: takedown.kubectl(*scale, check=False), 0.3):
        item = await takedown.run()
    assert wanted_off(item) == OFF, item.reasons


async def test_a_controller_that_applies_its_manifest_again_fights_in_vain(takedown: Takedown) -> None:
    """Server-side apply of the whole Deployment with its replicas, by another manager, again and again."""
    await takedown.region.bring_to(takedown.release)
    manifest = dict(next(one for one in takedown.release.manifests if one["kind"] == "Deployment"))
    manifest["spec"] = {**manifest["spec"], "replicas": 2}
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-")
    async with loop_of(lambda: takedown.kubectl(*apply, stdin=manifest, check=False), 0.3):
        item = await takedown.run()
    assert wanted_off(item) == OFF, item.reasons


async def test_a_lock_is_taken_over_at_once(takedown: Takedown) -> None:
    """Somebody's rollout holds it, freshly renewed: the takedown waits for no lock, and says whose it took."""
    await takedown.region.bring_to(takedown.release)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "somebody@elsewhere run R", "leaseDurationSeconds": 30, "renewTime": now}
    metadata = {"name": f"lock.{takedown.release.model}", "namespace": SYSTEM}
    takedown.create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**metadata, "labels": {"orchestrator.dev/model": takedown.release.model}},
            "spec": spec,
        }
    )
    takedown.cluster_deadline = 40

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    (started,) = [event for event in takedown.events if event.type.value == "itemStarted"]
    assert started.data["lockTakenFrom"] == "somebody@elsewhere run R"
    assert item.times.stopped and item.times.started
    assert item.times.stopped - item.times.started < timedelta(seconds=20)


async def test_an_order_that_was_lifted_meanwhile_takes_nothing_down(takedown: Takedown) -> None:
    await takedown.region.bring_to(takedown.release)
    planned = await takedown.plan()
    lift = Lift(digest=takedown.digest, order="directive", reference="EX-1", actor="somebody")
    takedown.create(lift.to_config_map())

    item = await takedown.run(planned=planned)

    assert (item.verdict.value, codes(item), item.changed) == ("unverified", ["lifted"], False), words(item)
    assert len(await takedown.wait_for_pods(2)) == 2
    takedown.kubectl("delete", "configmap", lift.object_name, "-n", SYSTEM)


@pytest.mark.parametrize("moment", ["sending", "soaking"])
async def test_a_lift_that_comes_while_a_takedown_of_its_order_runs_undoes_it(takedown: Takedown, moment: str) -> None:
    """Before anything bites, and when all is dark: replicas as before, and neither guard, hold nor record is left."""
    await takedown.region.bring_to(takedown.release)
    lift = Lift(digest=takedown.digest, order="directive", reference="EX-1", actor="somebody")

    def lift_it(event: Event) -> None:
        is_hold = "hold." in str(event.data.get("object"))
        if event.type.value == moment and (is_hold or moment == "soaking") and not lifted:
            lifted.append(takedown.create(lift.to_config_map()))

    lifted: list[Any] = []
    takedown.on_event = lift_it

    item = await takedown.run()

    assert lifted
    assert (item.verdict.value, set(codes(item))) == ("unverified", {"lifted"}), words(item)
    assert len(await takedown.wait_for_pods(2)) == 2
    assert takedown.restore_records() == {}
    mine = f"orchestrator.dev/order={takedown.digest[:16]}"
    left = (takedown.region.witness.get(POLICIES, "-l", mine) or {"items": []})["items"]
    held = (takedown.region.witness.get("configmaps", "-n", SYSTEM, "-l", mine) or {"items": []})["items"]
    assert (left, [one["metadata"]["name"] for one in held]) == ([], [lift.object_name])
    takedown.kubectl("delete", "configmap", lift.object_name, "-n", SYSTEM)


def _with_grace(release: Release, seconds: int) -> Release:
    """The release with another termination grace period."""

    class Slow(Release):
        @property
        def manifests(self):  # type: ignore[no-untyped-def,override]
            found = super().manifests
            for manifest in found:
                if manifest["kind"] == "Deployment":
                    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds
            return found

    return Slow(release.model, release.namespace, pod_annotations=release.pod_annotations)
