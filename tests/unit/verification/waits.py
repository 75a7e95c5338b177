"""A wait for a Deployment and its pods, on a clock and in a cluster that only the test moves."""

from __future__ import annotations

import asyncio

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.observation import Expectation, Settled, Subject
from orchestrator.core.verdict import Judgement, Want
from orchestrator.verification import LiveVerifier
from tests.unit.verification.doubles import ManualClock, ToldCluster, ToldEndpoint

_CONDITIONS = [
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    {"type": "Available", "status": "True"},
]


def deployment(replicas: int, *, ready: int | None = None, generation: int = 1) -> JsonObject:
    ready = replicas if ready is None else ready
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), ready)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": generation},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}},
        "status": {"observedGeneration": generation, "conditions": _CONDITIONS, **counts},
    }


def pod(name: str = "p", *, is_terminating: bool = False) -> JsonObject:
    metadata = {"name": name, "namespace": "ns", "labels": {"a": "b"}}
    if is_terminating:
        metadata["deletionTimestamp"] = "now"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}}


def subject(want: Want, model: Model | None = None) -> Subject:
    expectation = Expectation(ref_of(deployment(0)), None, Wanted())
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
