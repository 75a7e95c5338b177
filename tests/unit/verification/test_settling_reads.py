"""What a wait reads, in which order, and what no watch alone can prove."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orchestrator.core.model import Model, Probe
from orchestrator.core.objects import JsonObject
from orchestrator.core.ports import HttpAnswer
from orchestrator.core.verdict import Readiness, Want
from orchestrator.errors import Forbidden, Unreachable
from tests.unit.verification.doubles import quiet
from tests.unit.verification.waits import Wait, deployment, pod, subject


async def test_a_silent_watch_proves_nothing(wait: Wait) -> None:
    """The watch tells that the last pod is gone; the list still has one: not done until the list agrees."""
    wait.cluster.show(deployment(0))
    wait.cluster.show(pod())
    waiting = await wait.begin(subject(Want.DISABLED))
    wait.cluster.show(pod("unannounced"), silently=True)
    wait.cluster.hide(pod())
    await wait.clock.advance(20.0)
    assert not waiting.done()
    wait.cluster.hide(pod("unannounced"), silently=True)
    await wait.clock.advance(10.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_done_by_the_event_and_one_list(wait: Wait) -> None:
    """One watch per list, one consistent list after the event that made it so, and nothing in between."""
    wait.cluster.show(deployment(2, ready=0))
    waiting = await wait.begin(subject(Want.ENABLED))
    await wait.clock.advance(30.0)
    assert sorted(wait.cluster.asked) == ["follow Deployment", "follow Pod"]
    wait.cluster.show(deployment(2))
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.DONE
    assert sorted(wait.cluster.asked[2:]) == ["get Deployment", "list Pod"]


async def test_a_list_that_is_forbidden_ends_unverified(wait: Wait) -> None:
    """The reason names the permission; absence is never claimed without it."""
    wait.cluster.show(deployment(0))
    wait.cluster.errors["Pod"] = Forbidden("may not list pods in ns")
    waiting = await wait.begin(subject(Want.DISABLED))
    settled = await waiting
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert [(reason.code, reason.message) for reason in settled.judgement.reasons] == [
        ("forbidden", "may not list pods in ns")
    ]


async def test_what_was_listed_but_may_not_be_watched_is_done_and_says_so(wait: Wait) -> None:
    """A consistent list proves it; that nobody could have seen it change is said, with the verb that is missing."""
    wait.cluster.show(deployment(1))
    wait.cluster.forbid_watch("Pod", Forbidden("may not watch pods in ns"))
    settled = await (await wait.begin(subject(Want.ENABLED)))
    assert (settled.judgement.readiness, settled.verified_at is not None) == (Readiness.DONE, True)
    assert [(reason.code, reason.message) for reason in settled.judgement.reasons] == [
        ("not-watched", "only listed: may not watch pods in ns")
    ]


async def test_a_soak_that_may_not_be_watched_never_passes(wait: Wait) -> None:
    wait.cluster.show(deployment(1))
    wait.cluster.forbid_watch("Pod", Forbidden("may not watch pods in ns"))
    waiting = await wait.begin(subject(Want.ENABLED), soak=5.0)
    await wait.clock.advance(6.0)
    settled = await waiting
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert [reason.code for reason in settled.judgement.reasons] == ["forbidden"]


async def test_a_cluster_that_stops_answering_is_unreachable(wait: Wait) -> None:
    """No judgement is made of what is no longer told."""
    wait.cluster.show(deployment(1, ready=0))
    waiting = await wait.begin(subject(Want.ENABLED))
    wait.cluster.break_watch("Pod", Unreachable("no answer"))
    await wait.clock.advance(0.1)
    with pytest.raises(Unreachable):
        await waiting


async def test_models_of_one_namespace_share_their_watches(wait: Wait) -> None:
    """One watch per list, however many wait; it ends with the last of them."""
    wait.cluster.show(deployment(1, ready=0))
    first = await wait.begin(subject(Want.ENABLED))
    second = await wait.begin(subject(Want.ENABLED))
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
    wait.cluster.show(deployment(0))
    wait.cluster.show(pod(is_terminating=True))
    waiting = await wait.begin(subject(Want.DISABLED, model))
    await wait.clock.advance(10.0)
    assert wait.endpoint.asked == 0
    wait.cluster.hide(pod(is_terminating=True))
    await wait.clock.advance(10.0)
    assert 2 <= wait.endpoint.asked <= 20
    assert not waiting.done()
    wait.endpoint.answer = HttpAnswer(404, {}, b"")
    await wait.clock.advance(10.0)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_nodes_are_read_only_where_they_matter(wait: Wait) -> None:
    """An evicted pod makes its node matter: the verdict follows the node's return."""
    wait.cluster.show(deployment(0))
    wait.cluster.show(_evicted())
    wait.cluster.show(_node(is_ready=False))
    waiting = await wait.begin(subject(Want.DISABLED))
    await wait.clock.advance(5.0)
    assert "follow Node" in wait.cluster.asked
    assert not waiting.done()
    wait.cluster.show(_node(is_ready=True))
    await wait.clock.advance(0.1)
    assert (await waiting).judgement.readiness is Readiness.DONE


async def test_a_list_that_somebody_else_follows_already_counts_at_once(wait: Wait) -> None:
    """No event tells that it has arrived: it had, before it mattered here."""
    wait.cluster.unserved.clear()
    wait.cluster.show(deployment(0))
    wait.cluster.show(_evicted())
    wait.cluster.show(_node(is_ready=True))
    soaking = await wait.begin(subject(Want.DISABLED), soak=30.0)
    assert "Node" in wait.cluster.open_follows
    waiting = await wait.begin(subject(Want.DISABLED))
    assert waiting.done()
    assert (await waiting).judgement.readiness is Readiness.DONE
    assert not soaking.done()


async def test_a_look_asks_once_for_each_list_and_follows_nothing(wait: Wait) -> None:
    """A status of many clusters costs few requests."""
    wait.cluster.show(deployment(1))
    await wait.verifier.look(wait.cluster, subject(Want.ENABLED))
    assert sorted(wait.cluster.asked) == ["get Deployment", "list Pod"]


async def test_an_api_that_is_not_served_holds_nothing(wait: Wait) -> None:
    """No ScaledObjects where KEDA is not installed: nothing there, and nothing unseen."""
    wait.cluster.show(deployment(0))
    judgement = await wait.verifier.look(wait.cluster, subject(Want.DISABLED))
    assert judgement.readiness is Readiness.DONE
    unknown = replace(subject(Want.DISABLED), expectations=())
    assert (await wait.verifier.look(wait.cluster, unknown)).readiness is Readiness.UNKNOWN


async def test_many_pods_are_judged_in_a_thread(wait: Wait) -> None:
    """The loop stays free for other clusters."""
    wait.cluster.show(deployment(0))
    for number in range(1500):
        wait.cluster.show(pod(f"p{number}"))
    looking = asyncio.create_task(wait.verifier.look(wait.cluster, subject(Want.DISABLED)))
    await quiet()
    judgement = await looking
    assert judgement.replicas.pods == 1500
    assert judgement.reasons[-1].code == "more"


async def test_an_object_that_cannot_be_read_ends_unverified(wait: Wait) -> None:
    """A hostile shape is no defect of ours: it is said, and nothing is claimed."""
    broken = pod()
    broken["spec"] = {"containers": ["a string"], "nodeName": ["n"]}
    live = deployment(0)
    live["metadata"]["annotations"] = "none"
    wait.cluster.show(live)
    wait.cluster.show(broken)
    settled = await (await wait.begin(subject(Want.DISABLED)))
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert {reason.code for reason in settled.judgement.reasons} == {"unreadable"}


async def test_a_list_that_arrives_during_the_soak_does_not_cut_it_short(wait: Wait) -> None:
    """A Failed pod turns up: whether it is gone depends on its node, so nodes are listed from now on."""
    wait.cluster.show(deployment(0))
    wait.cluster.show({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {}})
    waiting = await wait.begin(subject(Want.DISABLED), soak=10.0)
    await wait.clock.advance(2.0)
    failed = pod()
    failed["spec"], failed["status"] = {"nodeName": "n"}, {"phase": "Failed"}
    wait.cluster.show(failed)
    await wait.clock.advance(1.0)
    assert not waiting.done()
    await wait.clock.advance(30.0)
    assert not waiting.done()  # its node is not Ready: nothing shows that it is gone


async def test_a_look_at_a_cluster_that_does_not_answer_raises(wait: Wait) -> None:
    """Whoever asked says `unreachable`; it is no reason among others."""
    wait.cluster.errors["Pod"] = Unreachable("no answer")
    with pytest.raises(Unreachable):
        await wait.verifier.look(wait.cluster, subject(Want.DISABLED))


def _evicted() -> JsonObject:
    ended = {"name": "server", "state": {"terminated": {"exitCode": 137}}}
    status = {"phase": "Failed", "reason": "Evicted", "containerStatuses": [ended]}
    return {**pod(), "spec": {"nodeName": "n"}, "status": status}


def _node(*, is_ready: bool) -> JsonObject:
    conditions = [{"type": "Ready", "status": "True"}] if is_ready else []
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"conditions": conditions}}
