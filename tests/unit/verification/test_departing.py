"""When a model's last pod goes: told by the event itself, from a watch that began before anything was stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Match, Model
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.observation import Departure, Expectation, Observation, Subject
from orchestrator.core.verdict import Want
from orchestrator.errors import Forbidden, Unreachable
from orchestrator.verification import departing
from orchestrator.verification.judging import present_pods
from orchestrator.verification.recognition import ModelPod
from tests.unit.verification.doubles import quiet
from tests.unit.verification.scenes import AT
from tests.unit.verification.waits import Wait, deployment, pod, subject


class Leaving:
    """A watch of a model's end under way."""

    def __init__(self) -> None:
        self.wait = Wait()
        self.told: list[datetime] = []
        self._stack = AsyncExitStack()

    async def begin(self, about: Subject | None = None) -> Departure:
        watching = self.wait.verifier.watch_departure(
            self.wait.cluster, about or subject(Want.DISABLED), tell=self.told.append
        )
        departure = await self._stack.enter_async_context(watching)
        await quiet()
        return departure

    async def end(self) -> None:
        await self._stack.aclose()

    @property
    def now(self) -> datetime:
        return self.wait.clock.now()


@pytest.fixture
async def leaving() -> AsyncIterator[Leaving]:
    made = Leaving()
    yield made
    await made.end()


async def test_the_last_pod_s_event_is_told_at_once(leaving: Leaving) -> None:
    """No other request, no pause: the moment of the event is the one that is told."""
    cluster = leaving.wait.cluster
    for obj in (deployment(2), pod("a"), pod("b")):
        cluster.show(obj)
    departure = await leaving.begin()
    asked = [*cluster.asked]

    await leaving.wait.clock.advance(3)
    cluster.hide(pod("a"))
    cluster.show(deployment(0, generation=2))
    await leaving.wait.clock.advance(2)
    assert (departure.stopped_at, departure.last_pod_gone_at) == (AT + timedelta(seconds=103), None)
    cluster.hide(pod("b"))
    await quiet()

    assert leaving.told == [leaving.now] == [departure.last_pod_gone_at]
    assert cluster.asked == asked


async def test_pods_that_come_back_are_awaited_and_told_again(leaving: Leaving) -> None:
    """The later word counts; until then nothing is gone."""
    cluster = leaving.wait.cluster
    cluster.show(deployment(0))
    cluster.show(pod("a"))
    departure = await leaving.begin()
    cluster.hide(pod("a"))
    await quiet()
    cluster.show(pod("b"))
    await quiet()
    assert departure.last_pod_gone_at is None

    await leaving.wait.clock.advance(4)
    cluster.hide(pod("b"))
    await quiet()

    assert len(leaving.told) == 2
    assert departure.last_pod_gone_at == leaving.told[-1] == leaving.now


async def test_where_no_pod_ever_was_none_goes(leaving: Leaving) -> None:
    leaving.wait.cluster.show(deployment(0))
    departure = await leaving.begin()
    assert (departure.last_pod_gone_at, leaving.told) == (None, [])
    assert departure.stopped_at == leaving.now


async def test_a_terminating_pod_is_not_gone(leaving: Leaving) -> None:
    cluster = leaving.wait.cluster
    cluster.show(deployment(0))
    cluster.show(pod("a"))
    departure = await leaving.begin()
    cluster.show(pod("a", is_terminating=True))
    await quiet()
    assert departure.last_pod_gone_at is None


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
async def test_what_cannot_be_watched_has_no_times_and_raises_nothing(leaving: Leaving, kind: str) -> None:
    """Nothing rests on it: whoever waits for the end says what could not be seen."""
    cluster = leaving.wait.cluster
    cluster.show(deployment(0))
    cluster.show(pod("a"))
    cluster.errors[kind] = Forbidden(f"may not list {kind}", status=403)
    departure = await leaving.begin()
    cluster.hide(pod("a"))
    await quiet()
    assert (departure.stopped_at, departure.last_pod_gone_at, leaving.told) == (None, None, [])


async def test_a_cluster_that_stops_answering_ends_it_quietly(leaving: Leaving) -> None:
    """What was not seen to go is not said to be gone."""
    cluster = leaving.wait.cluster
    cluster.show(deployment(0))
    cluster.show(pod("a"))
    departure = await leaving.begin()
    cluster.break_watch("Pod", Unreachable("gone"))
    await quiet()
    assert (departure.last_pod_gone_at, leaving.told) == (None, [])
    await leaving.end()
    assert cluster.open_follows == []


async def test_what_turns_out_to_be_the_model_s_is_watched_as_well(leaving: Leaving) -> None:
    """A workload found in another namespace runs a pod without a mark: as long as that is there, nothing is gone."""
    cluster = leaving.wait.cluster
    about = replace(subject(Want.DISABLED, Model(name="fable-5", match=Match(labels={"a": "b"}))), is_everywhere=True)
    second = deployment(1)
    second["metadata"] |= {"name": "second", "namespace": "elsewhere", "uid": "v"}
    second["spec"]["selector"] = {"matchLabels": {"run": "second"}}
    stray: JsonObject = pod("stray")
    stray["metadata"] |= {"namespace": "elsewhere", "labels": {"run": "second"}}
    for obj in (deployment(0), pod("a"), second, stray):
        cluster.show(obj)
    departure = await leaving.begin(about)
    found = Expectation(ref_of(second), None, Wanted(replicas=0))
    departure.extend(replace(about, expectations=(*about.expectations, found)))
    await quiet()
    cluster.hide(pod("a"))
    await quiet()
    assert (departure.last_pod_gone_at, departure.stopped_at) == (None, None)
    cluster.hide(stray)
    second["status"] = {"observedGeneration": 2}
    cluster.show({**second, "metadata": {**second["metadata"], "generation": 2}, "spec": {"replicas": 0}})
    await quiet()
    assert departure.last_pod_gone_at == departure.stopped_at == leaving.now


async def test_a_daemon_set_that_runs_on_no_node_has_stopped(leaving: Leaving) -> None:
    """That it could start again is a doubt of the verdict's, and no reason to say that it never stopped."""
    ref = ObjectRef("apps/v1", "DaemonSet", "ns", "every")
    about = replace(subject(Want.DISABLED), expectations=(Expectation(ref, None, Wanted()),))
    status = {"observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1}
    daemons: JsonObject = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "every", "namespace": "ns", "uid": "w", "generation": 1},
        "spec": {"selector": {"matchLabels": {"a": "b"}}},
        "status": status,
    }
    leaving.wait.cluster.show(daemons)
    departure = await leaving.begin(about)
    assert departure.stopped_at is None
    none = {"observedGeneration": 1, "desiredNumberScheduled": 0, "currentNumberScheduled": 0}
    leaving.wait.cluster.show({**daemons, "status": none})
    await quiet()
    assert departure.stopped_at is None, "nothing was done yet that keeps it from a node"
    nowhere = {"template": {"spec": {"nodeSelector": {"orchestrator.dev/nowhere": "true"}}}}
    leaving.wait.cluster.show({**daemons, "spec": {**daemons["spec"], **nowhere}, "status": none})
    await quiet()
    assert departure.stopped_at == leaving.now


async def test_many_pods_are_recognised_a_few_times_only(leaving: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 400 pods goes by itself: one that is known to be there answers for all of them."""
    cluster, seen = leaving.wait.cluster, []
    pods = [pod(f"p{number:03}") for number in range(400)]

    def counting(about: Subject, observation: Observation) -> tuple[ModelPod, ...]:
        seen.append(1)
        return present_pods(about, observation)

    monkeypatch.setattr(departing, "present_pods", counting)
    cluster.show(deployment(0))
    for one in pods:
        cluster.show(one)
    departure = await leaving.begin()
    for one in pods:
        cluster.hide(one)
        await quiet()
    assert departure.last_pod_gone_at is not None
    assert len(seen) < 30
