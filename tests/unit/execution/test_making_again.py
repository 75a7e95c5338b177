"""An object that a takedown had to delete is made again: once, also by a restore that was cut off and is repeated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.core.dispatch import Question
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.putting_back import make_again
from orchestrator.execution.sending import Sender
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster, SilentProber, ToldVerifier

REF = ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", "serving", "fable")


def autoscaler(least: int) -> JsonObject:
    return {
        "apiVersion": REF.api_version,
        "kind": REF.kind,
        "metadata": {"name": REF.name, "namespace": REF.namespace},
        "spec": {"minReplicas": least, "maxReplicas": 4},
    }


RECORD = RestoreRecord(model=MODEL, ref=REF, uid="u-1", before={}, whole={**autoscaler(2), "status": {"x": 1}})


def sender(cluster: Any) -> Sender:
    async def ensure_lock(model: str) -> Question:
        return lambda: True

    async def make_durable() -> None:
        return None

    ports = ClusterPorts(
        writer=cluster,
        verifier=ToldVerifier(),
        prober=SilentProber(),
        checks={},
        clock=JumpingClock(),
        emit=lambda event: None,
        make_durable=make_durable,
        ensure_lock=ensure_lock,
        stop=asyncio.Event(),
    )
    return Sender(ports, MODEL, "restore")


async def test_made_twice_it_is_written_once() -> None:
    """The second restore finds what the first one made before it was cut off: that is no doubt about anything."""
    cluster = MemoryCluster("a")
    assert await make_again(sender(cluster), RECORD)
    again = sender(cluster)
    assert await make_again(again, RECORD)
    assert (again.sent, cluster.objects[REF]["spec"]["minReplicas"]) == ([], 2)


@pytest.mark.parametrize("least", [1, 3])
async def test_another_one_of_that_name_is_left_alone(least: int) -> None:
    cluster = MemoryCluster("a")
    cluster._store(REF, autoscaler(least))
    once = sender(cluster)
    assert not await make_again(once, RECORD)
    assert (once.sent, cluster.objects[REF]["spec"]["minReplicas"]) == ([], least)
