"""The order of things in a wait: what ends it, what starts it anew, and what no watch alone can prove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model, Probe
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.observation import Expectation, Settled, Subject
from orchestrator.core.ports import HttpAnswer
from orchestrator.core.verdict import Judgement, Readiness, Want
from orchestrator.errors import Forbidden, Unreachable
from orchestrator.verification import LiveVerifier
from tests.unit.verification.doubles import ManualClock, ToldCluster, ToldEndpoint, quiet

_CONDITIONS = [
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    {"type": "Available", "status": "True"},
]


def _deployment(replicas: int, *, ready: int | None = None, generation: int = 1) -> JsonObject:
    ready = replicas if ready is None else ready
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), ready)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": generation},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}},
        "status": {"observedGeneration": generation, "conditions": _CONDITIONS, **counts},
    }


def _pod(name: str = "p", *, is_terminating: bool = False) -> JsonObject:
    metadata = {"name": name, "namespace": "ns", "labels": {"a": "b"}}
    if is_terminating:
        metadata["deletionTimestamp"] = "now"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}}


def _subject(want: Want, model: Model | None = None) -> Subject:
    expectation = Expectation(ref_of(_deployment(0)), None, Wanted())
    return Subject(
        model=model or Model(name="fable-5"),
        cluster="here",
        region="here",
        want=want,
        expectations=(expectation,),
        namespaces=("ns",),
    )


class Wait:
    """One wait under way."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = ToldCluster()
        self.endpoint = ToldEndpoint()
        self.verifier = LiveVerifier(self.clock, self.endpoint)
        self.told: list[Judgement] = []
        self.tasks: list[asyncio.Task[Settled]] = []

    async def begin(self, subject: Subject, *, within: float = 60.0, soak: float = 0.0) -> asyncio.Task[Settled]:
        deadline = self.clock.elapsed() + within
        waiting = self.verifier.settle(self.cluster, subject, deadline=deadline, soak=soak, tell=self.told.append)
        task = asyncio.create_task(waiting)
        self.tasks.append(task)
        await self.clock.advance(0.1)
        return task


@pytest.fixture
async def wait() -> AsyncIterator[Wait]:
    waiting = Wait()
    yield waiting
    for task in waiting.tasks:
        task.cancel()
    await asyncio.gather(*waiting.tasks, return_exceptions=True)
    assert waiting.cluster.open_follows == []


async def test_a_silent_watch_proves_nothing(wait: Wait) -> None:
    """The watch tells that the last pod is gone; the list still has one: not done until the list agrees."""
    wait.cluster.show(_deployment(0))
    wait.cluster.show(_pod())
    waiting = await wait.begin(_subject(Want.DISABLED))
    wait.cluster.show(_pod("unannounced"), silently=True)
    wait.cluster.hide(_pod())
    await wait.clock.advance(20.0)
    assert not waiting.done()
    wait.cluster.hide(_pod("unannounced"), silently=True)
    await wait.clock.advance(10.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_done_by_the_event_and_one_list(wait: Wait) -> None:
    """One watch per list, one consistent list after the event that made it so, and nothing in between."""
    wait.cluster.show(_deployment(2, ready=0))
    waiting = await wait.begin(_subject(Want.ENABLED))
    await wait.clock.advance(30.0)
    assert sorted(wait.cluster.asked) == ["follow Deployment", "follow Pod"]
    wait.cluster.show(_deployment(2))
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.DONE
    assert sorted(wait.cluster.asked[2:]) == ["get Deployment", "list Pod"]


async def test_a_soak_is_followed_by_a_list(wait: Wait) -> None:
    """What changed unseen during the soak is found at its end, and the wait goes on."""
    wait.cluster.show(_deployment(0))
    waiting = await wait.begin(_subject(Want.DISABLED), soak=5.0)
    wait.cluster.show(_pod(), silently=True)
    await wait.clock.advance(6.0)
    assert not waiting.done()
    wait.cluster.hide(_pod(), silently=True)
    await wait.clock.advance(15.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_a_relapse_restarts_the_soak(wait: Wait) -> None:
    """The whole soak again, from the moment that it was done again."""
    wait.cluster.show(_deployment(1))
    waiting = await wait.begin(_subject(Want.ENABLED), soak=10.0)
    await wait.clock.advance(8.0)
    wait.cluster.show(_deployment(1, ready=0))
    await wait.clock.advance(1.0)
    wait.cluster.show(_deployment(1))
    await wait.clock.advance(8.0)
    assert not waiting.done()
    await wait.clock.advance(3.0)
    assert (await waiting).judgement.readiness is Readiness.DONE
    readiness = [judgement.readiness for judgement in wait.told]
    assert readiness == [Readiness.DONE, Readiness.PROGRESSING, Readiness.DONE]


async def test_a_soak_may_go_past_the_deadline(wait: Wait) -> None:
    """The deadline is for becoming so; holding comes on top."""
    wait.cluster.show(_deployment(1))
    waiting = await wait.begin(_subject(Want.ENABLED), within=10.0, soak=30.0)
    await wait.clock.advance(31.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.DONE, False)


async def test_a_relapse_after_the_deadline_is_late(wait: Wait) -> None:
    """No time is left to become so again."""
    wait.cluster.show(_deployment(1))
    waiting = await wait.begin(_subject(Want.ENABLED), within=10.0, soak=30.0)
    await wait.clock.advance(20.0)
    wait.cluster.show(_deployment(1, ready=0))
    await wait.clock.advance(1.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.PROGRESSING, True)


async def test_time_up_ends_with_a_list(wait: Wait) -> None:
    """The last word is a fresh one, even when the watch has gone silent."""
    wait.cluster.show(_deployment(1, ready=0))
    waiting = await wait.begin(_subject(Want.ENABLED), within=10.0)
    wait.cluster.show(_deployment(1), silently=True)
    await wait.clock.advance(11.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late) == (Readiness.DONE, False)


async def test_time_up_without_a_soak_is_late(wait: Wait) -> None:
    """Done at the very end, but nobody saw it hold."""
    wait.cluster.show(_deployment(1, ready=0))
    waiting = await wait.begin(_subject(Want.ENABLED), within=10.0, soak=5.0)
    wait.cluster.show(_deployment(1), silently=True)
    await wait.clock.advance(11.0)
    settled = await waiting
    assert (settled.judgement.readiness, settled.late, settled.verified_at) == (Readiness.DONE, True, None)


async def test_a_machine_that_slept_past_the_deadline_is_late(wait: Wait) -> None:
    """The clock counts suspend: waking up after the deadline, nothing is waited for any more."""
    wait.cluster.show(_deployment(1, ready=0))
    waiting = await wait.begin(_subject(Want.ENABLED), within=600.0)
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
    wait.cluster.show(_deployment(0))
    wait.cluster.show(scaler)
    wait.cluster.show(_pod(is_terminating=True))
    waiting = await wait.begin(_subject(Want.DISABLED))
    await wait.clock.advance(5.0)
    assert not waiting.done()
    wait.cluster.hide(_pod(is_terminating=True))
    await wait.clock.advance(0.1)
    settled = await waiting
    assert [reason.code for reason in settled.judgement.reasons] == ["can-wake"]
    assert "disable --hold" in settled.judgement.reasons[0].message


async def test_a_failure_that_stood_there_before_is_not_this_ones(wait: Wait) -> None:
    """An exceeded deadline of an earlier rollout is waited out; a new one is believed at once."""
    old = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "1"}
    failed = _deployment(1, ready=0)
    failed["status"]["conditions"] = [old]
    wait.cluster.show(failed)
    waiting = await wait.begin(_subject(Want.ENABLED))
    await wait.clock.advance(5.0)
    assert not waiting.done()
    assert [reason.code for reason in wait.told[-1].reasons] == ["earlier-failure"]
    again = _deployment(1, ready=0)
    again["status"]["conditions"] = [{**old, "lastUpdateTime": "2"}]
    wait.cluster.show(again)
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.FAILED


async def test_a_list_that_is_forbidden_ends_unverified(wait: Wait) -> None:
    """The reason names the permission; absence is never claimed without it."""
    wait.cluster.show(_deployment(0))
    wait.cluster.errors["Pod"] = Forbidden("may not list pods in ns")
    waiting = await wait.begin(_subject(Want.DISABLED))
    settled = await waiting
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert [(reason.code, reason.message) for reason in settled.judgement.reasons] == [
        ("forbidden", "may not list pods in ns")
    ]


async def test_a_cluster_that_stops_answering_is_unreachable(wait: Wait) -> None:
    """No judgement is made of what is no longer told."""
    wait.cluster.show(_deployment(1, ready=0))
    waiting = await wait.begin(_subject(Want.ENABLED))
    wait.cluster.break_watch("Pod", Unreachable("no answer"))
    await wait.clock.advance(0.1)
    with pytest.raises(Unreachable):
        await waiting


async def test_models_of_one_namespace_share_their_watches(wait: Wait) -> None:
    """One watch per list, however many wait; it ends with the last of them."""
    wait.cluster.show(_deployment(1, ready=0))
    first = await wait.begin(_subject(Want.ENABLED))
    second = await wait.begin(_subject(Want.ENABLED))
    assert sorted(wait.cluster.open_follows) == ["Deployment", "Pod"]
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert sorted(wait.cluster.open_follows) == ["Deployment", "Pod"]
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert wait.cluster.open_follows == []


async def test_probes_are_asked_last_and_again(wait: Wait) -> None:
    """Endpoints send no events: they are asked once everything else holds, and again until they answer."""
    model = Model(name="fable-5", probes=(Probe(url="http://a"),))
    wait.endpoint.answer = HttpAnswer(503, {}, b"")
    wait.cluster.show(_deployment(0))
    wait.cluster.show(_pod(is_terminating=True))
    waiting = await wait.begin(_subject(Want.DISABLED, model))
    await wait.clock.advance(10.0)
    assert wait.endpoint.asked == 0
    wait.cluster.hide(_pod(is_terminating=True))
    await wait.clock.advance(10.0)
    assert 2 <= wait.endpoint.asked <= 20
    assert not waiting.done()
    wait.endpoint.answer = HttpAnswer(404, {}, b"")
    await wait.clock.advance(10.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_times_are_those_of_the_events(wait: Wait) -> None:
    """Stopped by the controller's word, gone with the last pod, verified at the end of the soak."""
    wait.cluster.show(_deployment(1))
    wait.cluster.show(_pod())
    waiting = await wait.begin(_subject(Want.DISABLED), soak=5.0)
    await wait.clock.advance(10.0)
    wait.cluster.show(_deployment(0, generation=2))
    wait.cluster.show(_pod(is_terminating=True))
    await wait.clock.advance(20.0)
    wait.cluster.hide(_pod(is_terminating=True))
    await wait.clock.advance(6.0)
    settled = await waiting
    assert settled.stopped_at is not None
    assert settled.last_pod_gone_at is not None
    assert settled.verified_at is not None
    assert round((settled.last_pod_gone_at - settled.stopped_at).total_seconds()) == 20
    assert round((settled.verified_at - settled.last_pod_gone_at).total_seconds()) == 5


async def test_nodes_are_read_only_where_they_matter(wait: Wait) -> None:
    """An evicted pod makes its node matter: the verdict follows the node's return."""
    evicted = _pod()
    evicted["spec"] = {"nodeName": "n"}
    evicted["status"] = {"phase": "Failed", "reason": "Evicted"}
    node: JsonObject = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": []}}
    wait.cluster.show(_deployment(0))
    wait.cluster.show(evicted)
    wait.cluster.show(node)
    waiting = await wait.begin(_subject(Want.DISABLED))
    await wait.clock.advance(5.0)
    assert "follow Node" in wait.cluster.asked
    assert not waiting.done()
    wait.cluster.show({**node, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_a_look_asks_once_for_each_list_and_follows_nothing(wait: Wait) -> None:
    """A status of many clusters costs few requests."""
    wait.cluster.show(_deployment(1))
    await wait.verifier.look(wait.cluster, _subject(Want.ENABLED))
    assert sorted(wait.cluster.asked) == ["get Deployment", "list Pod"]


async def test_an_api_that_is_not_served_holds_nothing(wait: Wait) -> None:
    """No ScaledObjects where KEDA is not installed: nothing there, and nothing unseen."""
    wait.cluster.show(_deployment(0))
    judgement = await wait.verifier.look(wait.cluster, _subject(Want.DISABLED))
    assert judgement.readiness is Readiness.DONE
    unknown = replace(_subject(Want.DISABLED), expectations=())
    assert (await wait.verifier.look(wait.cluster, unknown)).readiness is Readiness.UNKNOWN


async def test_many_pods_are_judged_in_a_thread(wait: Wait) -> None:
    """The loop stays free for other clusters."""
    wait.cluster.show(_deployment(0))
    for number in range(1500):
        wait.cluster.show(_pod(f"p{number}"))
    looking = asyncio.create_task(wait.verifier.look(wait.cluster, _subject(Want.DISABLED)))
    await quiet()
    judgement = await looking
    assert judgement.replicas.pods == 1500
    assert judgement.reasons[-1].code == "more"


async def test_an_object_that_cannot_be_read_ends_unverified(wait: Wait) -> None:
    """A hostile shape is no defect of ours: it is said, and nothing is claimed."""
    broken = _pod()
    broken["spec"] = {"containers": ["a string"], "nodeName": ["n"]}
    live = _deployment(0)
    live["metadata"]["annotations"] = "none"
    wait.cluster.show(live)
    wait.cluster.show(broken)
    settled = await (await wait.begin(_subject(Want.DISABLED)))
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert {reason.code for reason in settled.judgement.reasons} == {"unreadable"}


async def test_a_list_that_arrives_during_the_soak_does_not_cut_it_short(wait: Wait) -> None:
    """A Failed pod turns up: whether it is gone depends on its node, so nodes are listed from now on."""
    wait.cluster.show(_deployment(0))
    wait.cluster.show({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {}})
    waiting = await wait.begin(_subject(Want.DISABLED), soak=10.0)
    await wait.clock.advance(2.0)
    pod = _pod()
    pod["spec"], pod["status"] = {"nodeName": "n"}, {"phase": "Failed"}
    wait.cluster.show(pod)
    await wait.clock.advance(1.0)
    assert not waiting.done()
    await wait.clock.advance(30.0)
    assert not waiting.done()  # its node is not Ready: nothing shows that it is gone


async def test_traffic_is_cut_when_the_first_round_of_probes_finds_none_that_passes(wait: Wait) -> None:
    """Without probes nobody looked, and the time stays unknown."""
    wait.cluster.show(_deployment(0))
    waiting = await wait.begin(_subject(Want.DISABLED))
    assert (await waiting).traffic_cut_at is None

    wait.endpoint.answer = HttpAnswer(404, {}, b"")
    model = Model(name="fable-5", probes=(Probe(url="https://models.example"),))
    waiting = await wait.begin(_subject(Want.DISABLED, model))
    await wait.clock.advance(5.0)
    assert (await waiting).traffic_cut_at is not None
