"""Waiting on a real control plane: done when it is, failed when it must, and never before the last pod is gone."""

from __future__ import annotations

import asyncio
import json

from orchestrator.core.objects import LABEL_MODEL
from orchestrator.core.verdict import Readiness, State, Want
from tests.cluster.verification.stage import MODEL, Stage


def _codes(judgement: object) -> set[str]:
    return {reason.code for reason in judgement.reasons}  # type: ignore[attr-defined]


async def test_enabled_is_done_by_the_event_that_made_it_so(stage: Stage) -> None:
    """Pods that need a second to become ready are progressing, then done, without a further list in between."""
    deployment = stage.deployment(notes={"ready-after": "1s"})
    await stage.apply(deployment)
    settled = await stage.settle(stage.subject(Want.ENABLED, deployment))
    assert settled.judgement.readiness is Readiness.DONE
    assert settled.judgement.state is State.ENABLED
    assert (settled.judgement.replicas.desired, settled.judgement.replicas.ready) == (2, 2)
    assert not settled.late
    assert settled.verified_at is not None
    assert Readiness.PROGRESSING in [judgement.readiness for judgement in stage.told]


async def test_disabled_is_not_done_before_the_last_pod_is_gone(stage: Stage) -> None:
    """Six seconds of Terminating: the controller says zero at once, the verdict waits for the pods themselves."""
    deployment = stage.deployment(replicas=3, notes={"gone-after": "6s"})
    await stage.apply(deployment)
    await stage.settle(stage.subject(Want.ENABLED, deployment))
    stage.told.clear()
    await stage.run("scale", "deployment", MODEL, "--replicas=0")
    begun = stage.clock.elapsed()
    settled = await stage.settle(stage.subject(Want.DISABLED, deployment), soak=1.0)
    took = stage.clock.elapsed() - begun
    assert settled.judgement.readiness is Readiness.DONE
    assert settled.judgement.state is State.DISABLED
    assert took > 5.0
    assert settled.stopped_at is not None
    assert settled.last_pod_gone_at is not None
    assert (settled.last_pod_gone_at - settled.stopped_at).total_seconds() > 4.0
    assert {judgement.replicas.pods for judgement in stage.told if judgement.readiness is Readiness.DONE} == {0}
    assert (await stage.get("pods"))["items"] == []


async def test_the_controllers_word_alone_is_not_believed(stage: Stage) -> None:
    """While pods are Terminating the Deployment reports zero replicas at its generation: a look says residue."""
    deployment = stage.deployment(replicas=2, notes={"gone-after": "4s"})
    await stage.apply(deployment)
    await stage.settle(stage.subject(Want.ENABLED, deployment))
    await stage.run("scale", "deployment", MODEL, "--replicas=0")
    await stage.run("wait", "--for=jsonpath={.status.observedGeneration}=2", f"deployment/{MODEL}")
    judgement = await stage.verifier.look(stage.reader, stage.subject(Want.DISABLED, deployment))
    live = await stage.get("deployment", MODEL)
    assert live["status"].get("replicas", 0) == 0
    assert judgement.readiness is Readiness.PROGRESSING
    assert judgement.state is State.MIXED
    assert "pod-left" in _codes(judgement)


async def test_an_evicted_pod_is_gone_where_its_node_says_so(stage: Stage) -> None:
    """An evicted pod outlives the scale to zero as a record; on a Ready node, all containers ended, it is gone."""
    deployment = stage.deployment(replicas=1, notes={"fail": "evicted", "fail-after": "1s"})
    await stage.apply(deployment)
    await stage.run("wait", "--for=jsonpath={.status.phase}=Failed", "pod", "-l", f"app={MODEL}", "--timeout=20s")
    await stage.run("scale", "deployment", MODEL, "--replicas=0")
    settled = await stage.settle(stage.subject(Want.DISABLED, deployment))
    assert settled.judgement.readiness is Readiness.DONE
    assert settled.judgement.replicas.pods >= 1
    left = (await stage.get("pods"))["items"]
    assert {pod["status"]["reason"] for pod in left} == {"Evicted"}


async def test_a_failed_pod_of_a_missing_node_proves_nothing(stage: Stage) -> None:
    """Nobody can say what runs on a node that is not there: unknown, whatever the pod's phase."""
    deployment = stage.deployment(replicas=0)
    await stage.apply(deployment)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ghost", "labels": {LABEL_MODEL: MODEL}},
        "spec": {"nodeName": "no-such-node", "containers": [{"name": "c", "image": "registry.example/c"}]},
    }
    await stage.run("create", "-f", "-", stdin=json.dumps(pod))
    await stage.run(
        "patch", "pod", "ghost", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Failed"}}'
    )
    judgement = await stage.verifier.look(stage.reader, stage.subject(Want.DISABLED, deployment))
    assert judgement.readiness is Readiness.UNKNOWN
    assert _codes(judgement) == {"node-not-ready"}


async def test_crashing_pods_end_the_wait_long_before_the_deadline(stage: Stage) -> None:
    """All pods of the newest template crash: failed, with the cause."""
    await _ends_early(stage, {"fail": "crash-loop"}, "crash-loop")


async def test_an_image_that_is_not_found_ends_the_wait_early(stage: Stage) -> None:
    """All pods of the newest template cannot pull: failed, with the cause."""
    await _ends_early(stage, {"fail": "image-not-found"}, "image-not-found")


async def test_a_configuration_that_is_missing_ends_the_wait_early(stage: Stage) -> None:
    """Containers that cannot be created for want of their ConfigMap: failed, with the cause."""
    await _ends_early(stage, {"fail": "config-error"}, "config-error")


async def _ends_early(stage: Stage, notes: dict[str, str], code: str) -> None:
    deployment = stage.deployment(notes=notes)
    await stage.apply(deployment)
    begun = stage.clock.elapsed()
    settled = await stage.settle(stage.subject(Want.ENABLED, deployment), within=300.0)
    assert settled.judgement.readiness is Readiness.FAILED
    assert code in _codes(settled.judgement)
    assert stage.clock.elapsed() - begun < 20.0


async def test_a_broken_update_fails_although_old_pods_still_serve(stage: Stage) -> None:
    """Only the newest template's pods count: the old ones stay ready behind a rollout that cannot succeed."""
    good = stage.deployment()
    await stage.apply(good)
    await stage.settle(stage.subject(Want.ENABLED, good))
    bad = stage.deployment(notes={"fail": "image-not-found"})
    await stage.apply(bad)
    settled = await stage.settle(stage.subject(Want.ENABLED, bad), within=300.0)
    assert settled.judgement.readiness is Readiness.FAILED
    live = await stage.get("deployment", MODEL)
    assert live["status"]["readyReplicas"] >= 1


async def test_a_request_that_no_node_could_ever_satisfy_is_doomed(stage: Stage) -> None:
    """More GPUs than the largest node has, empty or not: failed, naming resource, need and largest node."""
    deployment = stage.deployment(resources={"limits": {"nvidia.com/gpu": "1000"}})
    await stage.apply(deployment)
    settled = await stage.settle(stage.subject(Want.ENABLED, deployment), within=300.0)
    assert settled.judgement.readiness is Readiness.FAILED
    (reason,) = settled.judgement.reasons[:1]
    assert reason.code == "never-fits"
    assert "1000 nvidia.com/gpu" in reason.message


async def test_a_soak_starts_anew_after_a_relapse(stage: Stage) -> None:
    """A pod that goes during the soak restarts the wait: verified only after it has held once more."""
    deployment = stage.deployment(notes={"ready-after": "1s"})
    await stage.apply(deployment)
    # Long enough for a busy machine to delete a pod meanwhile.
    waiting = asyncio.create_task(stage.settle(stage.subject(Want.ENABLED, deployment), soak=6.0))
    await stage.heard(Readiness.DONE)
    pods = (await stage.get("pods"))["items"]
    stage.told.clear()
    await stage.run("delete", "pod", pods[0]["metadata"]["name"], "--wait=false")
    await asyncio.wait_for(stage.heard(Readiness.PROGRESSING), 10)
    relapsed = stage.clock.elapsed()
    settled = await waiting
    assert settled.judgement.readiness is Readiness.DONE
    assert stage.clock.elapsed() - relapsed > 6.0


async def test_the_deadline_ends_a_wait_that_leads_nowhere(stage: Stage) -> None:
    """Pods that never become ready, without being doomed: progressing and late when the time is up."""
    deployment = stage.deployment(notes={"fail": "never-ready"})
    await stage.apply(deployment)
    begun = stage.clock.elapsed()
    settled = await stage.settle(stage.subject(Want.ENABLED, deployment), within=3.0)
    assert settled.late
    assert settled.judgement.readiness is Readiness.PROGRESSING
    assert 2.5 < stage.clock.elapsed() - begun < 6.0


async def test_a_cancelled_wait_leaves_nothing_running(stage: Stage) -> None:
    """Cancelling closes every watch: no task is left behind."""
    deployment = stage.deployment(notes={"fail": "never-ready"})
    await stage.apply(deployment)
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(stage.settle(stage.subject(Want.ENABLED, deployment), within=60.0))
    await stage.heard(Readiness.PROGRESSING)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    left = {task for task in asyncio.all_tasks() - before if "_keep" in repr(task)}
    assert not left
