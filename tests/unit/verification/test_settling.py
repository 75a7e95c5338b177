"""What ends a wait, what starts its soak anew, and when what happened."""

from __future__ import annotations

from orchestrator.core.model import Model, Probe
from orchestrator.core.objects import JsonObject
from orchestrator.core.ports import HttpAnswer
from orchestrator.core.verdict import Readiness, Want
from tests.unit.verification.waits import Wait, deployment, pod, subject


async def test_a_soak_is_followed_by_a_list(wait: Wait) -> None:
    """What changed unseen during the soak is found at its end, and the wait goes on."""
    wait.cluster.show(deployment(0))
    waiting = await wait.begin(subject(Want.DISABLED), soak=5.0)
    wait.cluster.show(pod(), silently=True)
    await wait.clock.advance(6.0)
    assert not waiting.done()
    wait.cluster.hide(pod(), silently=True)
    await wait.clock.advance(15.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_a_relapse_restarts_the_soak(wait: Wait) -> None:
    """The whole soak again, from the moment that it was done again."""
    wait.cluster.show(deployment(1))
    waiting = await wait.begin(subject(Want.ENABLED), soak=10.0)
    await wait.clock.advance(8.0)
    wait.cluster.show(deployment(1, ready=0))
    await wait.clock.advance(1.0)
    wait.cluster.show(deployment(1))
    await wait.clock.advance(8.0)
    assert not waiting.done()
    await wait.clock.advance(3.0)
    assert (await waiting).judgement.readiness is Readiness.DONE
    readiness = [judgement.readiness for judgement in wait.told]
    assert readiness == [Readiness.DONE, Readiness.PROGRESSING, Readiness.DONE]


async def test_a_soak_may_go_past_the_deadline(wait: Wait) -> None:
    """The deadline is for becoming so; holding comes on top."""
    wait.cluster.show(deployment(1))
    waiting = await wait.begin(subject(Want.ENABLED), within=10.0, soak=30.0)
    await wait.clock.advance(31.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.DONE, False)


async def test_a_relapse_after_the_deadline_is_late(wait: Wait) -> None:
    """No time is left to become so again."""
    wait.cluster.show(deployment(1))
    waiting = await wait.begin(subject(Want.ENABLED), within=10.0, soak=30.0)
    await wait.clock.advance(20.0)
    wait.cluster.show(deployment(1, ready=0))
    await wait.clock.advance(1.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.PROGRESSING, True)


async def test_time_up_ends_with_a_list(wait: Wait) -> None:
    """The last word is a fresh one, even when the watch has gone silent."""
    wait.cluster.show(deployment(1, ready=0))
    waiting = await wait.begin(subject(Want.ENABLED), within=10.0)
    wait.cluster.show(deployment(1), silently=True)
    await wait.clock.advance(11.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.DONE, False)


async def test_time_up_without_a_soak_is_late(wait: Wait) -> None:
    """Done at the very end, but nobody saw it hold."""
    wait.cluster.show(deployment(1, ready=0))
    waiting = await wait.begin(subject(Want.ENABLED), within=10.0, soak=5.0)
    wait.cluster.show(deployment(1), silently=True)
    await wait.clock.advance(11.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late, settled.verified_at) == (Readiness.DONE, True, None)


async def test_a_machine_that_slept_past_the_deadline_is_late(wait: Wait) -> None:
    """The clock counts suspend: waking up after the deadline, nothing is waited for any more."""
    wait.cluster.show(deployment(1, ready=0))
    waiting = await wait.begin(subject(Want.ENABLED), within=600.0)
    await wait.clock.advance(36_000.0)
    assert (await waiting).late


async def test_what_waiting_cannot_change_ends_the_wait(wait: Wait) -> None:
    """An autoscaler that can wake it is somebody's decision: said at once, not after the deadline."""
    scaler: JsonObject = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": "ns"},
        "spec": {"minReplicas": 0, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}},
        "status": {"conditions": [{"type": "ScaledToZero", "status": "True"}]},
    }
    wait.cluster.show(deployment(0))
    wait.cluster.show(scaler)
    wait.cluster.show(pod(is_terminating=True))
    waiting = await wait.begin(subject(Want.DISABLED))
    await wait.clock.advance(5.0)
    assert not waiting.done()
    wait.cluster.hide(pod(is_terminating=True))
    await wait.clock.advance(0.1)
    settled = await waiting
    assert [reason.code for reason in settled.judgement.reasons] == ["can-wake"]
    assert "disable --hold" in settled.judgement.reasons[0].message


async def test_a_failure_that_stood_there_before_is_not_this_ones(wait: Wait) -> None:
    """An exceeded deadline of an earlier rollout is waited out; a new one is believed at once."""
    old = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "1"}
    failed = deployment(1, ready=0)
    failed["status"]["conditions"] = [old]
    wait.cluster.show(failed)
    waiting = await wait.begin(subject(Want.ENABLED))
    await wait.clock.advance(5.0)
    assert not waiting.done()
    assert [reason.code for reason in wait.told[-1].reasons] == ["earlier-failure"]
    again = deployment(1, ready=0)
    again["status"]["conditions"] = [{**old, "lastUpdateTime": "2"}]
    wait.cluster.show(again)
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.FAILED


async def test_times_are_those_of_the_events(wait: Wait) -> None:
    """Stopped by the controller's word, gone with the last pod, verified at the end of the soak."""
    wait.cluster.show(deployment(1))
    wait.cluster.show(pod())
    waiting = await wait.begin(subject(Want.DISABLED), soak=5.0)
    await wait.clock.advance(10.0)
    wait.cluster.show(deployment(0, generation=2))
    wait.cluster.show(pod(is_terminating=True))
    await wait.clock.advance(20.0)
    wait.cluster.hide(pod(is_terminating=True))
    await wait.clock.advance(6.0)
    settled = await waiting
    assert settled.stopped_at is not None
    assert settled.last_pod_gone_at is not None
    assert settled.verified_at is not None
    assert round((settled.last_pod_gone_at - settled.stopped_at).total_seconds()) == 20
    assert round((settled.verified_at - settled.last_pod_gone_at).total_seconds()) == 5


async def test_traffic_is_cut_when_the_first_round_of_probes_finds_none_that_passes(wait: Wait) -> None:
    """Without probes nobody looked, and the time stays unknown."""
    wait.cluster.show(deployment(0))
    waiting = await wait.begin(subject(Want.DISABLED))
    assert (await waiting).traffic_cut_at is None

    wait.endpoint.answer = HttpAnswer(404, {}, b"")
    model = Model(name="fable-5", probes=(Probe(url="https://models.example"),))
    waiting = await wait.begin(subject(Want.DISABLED, model))
    await wait.clock.advance(5.0)
    assert (await waiting).traffic_cut_at is not None
