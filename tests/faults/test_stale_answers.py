"""Answers from before what is known already: a cache in between shows a model as it was once, and is not believed."""

from __future__ import annotations

import pytest

from orchestrator.core.objects import JsonObject, ObjectRef, Resource
from orchestrator.errors import Unreachable
from tests.faults.behaviours import Script, pod, pod_list, reply
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect

PODS = Resource("", "v1", "pods", "Pod")
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "default", "one")
PATH = "/apis/apps/v1/namespaces/default/deployments/one"
POD = "/api/v1/namespaces/default/pods/one"


def deployment(version: int | str, replicas: int = 0) -> JsonObject:
    metadata = {"name": "one", "namespace": "default", "uid": "u", "resourceVersion": str(version)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def scale(version: int) -> JsonObject:
    return {**deployment(version), "apiVersion": "autoscaling/v1", "kind": "Scale"}


async def test_object_from_before_our_write(serve: Serve, connect_to: Connect) -> None:
    """It was off once, and is scaled down now: what was remembered of then proves nothing."""
    script = Script()
    script.on("PATCH", f"{PATH}/scale", reply(200, scale(120)))
    script.on("GET", PATH, reply(200, deployment(60)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        await writer.scale(DEPLOYMENT, 0)
        with pytest.raises(Unreachable, match="older") as caught:
            await writer.get(DEPLOYMENT)
    assert caught.value.code == "stale"


async def test_object_from_before_another_read(serve: Serve, connect_to: Connect) -> None:
    script = Script()
    script.on("GET", PATH, reply(200, deployment(120)), reply(200, deployment(119)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        assert await writer.get(DEPLOYMENT)
        with pytest.raises(Unreachable, match="older"):
            await writer.get(DEPLOYMENT)


async def test_list_from_before_another_list(serve: Serve, connect_to: Connect) -> None:
    """An empty list from yesterday does not make today's pods go away."""
    script = Script()
    script.on("GET", "/api/v1/pods", reply(200, pod_list(120, ["a"])), reply(200, pod_list(60)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        assert len((await writer.list(PODS)).items) == 1
        with pytest.raises(Unreachable, match="older") as caught:
            await writer.list(PODS)
    assert caught.value.code == "stale"


async def test_list_from_before_an_object_of_its_kind(serve: Serve, connect_to: Connect) -> None:
    script = Script()
    script.on("GET", POD, reply(200, pod("one", 120)))
    script.on("GET", "/api/v1/pods", reply(200, pod_list(119)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        assert await writer.get(ObjectRef("v1", "Pod", "default", "one"))
        with pytest.raises(Unreachable, match="older"):
            await writer.list(PODS)


async def test_what_is_not_older_is_believed(serve: Serve, connect_to: Connect) -> None:
    """The same version again, other kinds in stores of their own, old objects, and versions that are no numbers."""
    script = Script()
    script.on("GET", PATH, reply(200, deployment(1000)), reply(200, deployment(1000)), reply(200, deployment("a-7")))
    script.on("GET", "/api/v1/pods", reply(200, pod_list(120)), reply(200, pod_list(120)), reply(200, pod_list(121)))
    script.on("GET", POD, reply(200, pod("one", 5)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        for _ in range(3):
            assert await writer.get(DEPLOYMENT)
            await writer.list(PODS)
        assert await writer.get(ObjectRef("v1", "Pod", "default", "one"))


async def test_dry_runs_teach_nothing(serve: Serve, connect_to: Connect) -> None:
    """What a dry-run answers is stored nowhere."""
    script = Script()
    script.on("PATCH", PATH, reply(200, deployment(500)))
    script.on("GET", PATH, reply(200, deployment(60)))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        await writer.apply(deployment(""), dry_run=True)
        assert await writer.get(DEPLOYMENT)
