"""A failing proxy in front of a real API server: writes whose answer is lost, and watches that are cut or silent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from orchestrator.core.objects import JsonObject, Resource, ref_of
from orchestrator.core.ports import ChangeType
from orchestrator.delivery import KubernetesCluster, Timeouts
from orchestrator.errors import Unreachable
from tests.cluster.conftest import ControlPlanes
from tests.cluster.delivery.conftest import Proxy, config_map, deployment
from tests.faults.behaviours import Upstream, hang, reset
from tests.faults.server import Behaviour, Connection, Seen

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


class Once:
    """Loses the answer to the first request of a method: before, during or after it is carried out."""

    def __init__(self, upstream: Upstream, method: str, when: str) -> None:
        self.upstream, self.method, self.when = upstream, method, when
        self.done = False

    def __call__(self, seen: Seen) -> Behaviour | None:
        if self.done or seen.method != self.method:
            return None
        self.done = True
        return reset if self.when == "before" else self._carry_out

    async def _carry_out(self, seen: Seen, connection: Connection) -> None:
        answer = await self.upstream.answer(seen)
        if self.when == "during":
            await connection.send(answer[: len(answer) // 2])
        connection.reset()


async def _create(writer: KubernetesCluster, obj: JsonObject) -> None:
    await writer.create({**obj, "metadata": {**obj["metadata"], "name": "new"}})


async def _apply(writer: KubernetesCluster, obj: JsonObject) -> None:
    await writer.apply({**obj, "data": {"key": "applied"}}, force=True)


async def _replace(writer: KubernetesCluster, obj: JsonObject) -> None:
    live = await writer.get(ref_of(obj))
    assert live
    await writer.replace({**live, "data": {"key": "replaced"}})


async def _patch(writer: KubernetesCluster, obj: JsonObject) -> None:
    live = await writer.get(ref_of(obj))
    assert live
    version = live["metadata"]["resourceVersion"]
    await writer.patch(ref_of(obj), {"metadata": {"resourceVersion": version}, "data": {"key": "patched"}})


async def _delete(writer: KubernetesCluster, obj: JsonObject) -> None:
    live = await writer.get(ref_of(obj))
    assert live
    await writer.delete(ref_of(obj), uid=live["metadata"]["uid"])


WRITES = {
    "create": ("POST", _create, "new", "value"),
    "apply": ("PATCH", _apply, "one", "applied"),
    "replace": ("PUT", _replace, "one", "replaced"),
    "patch with version": ("PATCH", _patch, "one", "patched"),
    "delete": ("DELETE", _delete, "one", ""),
}


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.parametrize("write", WRITES)
async def test_lost_answer(
    proxied: Proxy,
    upstream: Upstream,
    control_planes: ControlPlanes,
    namespace: str,
    write: str,
    when: str,
) -> None:
    """A write whose answer is lost once succeeds all the same, and has happened once."""
    method, perform, name, value = WRITES[write]
    cluster = control_planes.clusters[0]
    control_planes.kubectl(cluster, "-n", namespace, "create", "configmap", "one", "--from-literal=key=value")
    mutate = Once(upstream, method, when)
    async with proxied(mutate) as there:
        await perform(there.writer, config_map(namespace))
    assert mutate.done
    query = ["-n", namespace, "get", "configmap", name, "--ignore-not-found", "-o", "jsonpath={.data.key}"]
    assert control_planes.kubectl(cluster, *query) == value


@pytest.mark.parametrize(("when", "replicas"), [("before", 0), ("during", 2), ("after", 2)])
async def test_lost_scale_without_version(
    proxied: Proxy, upstream: Upstream, control_planes: ControlPlanes, namespace: str, when: str, replicas: int
) -> None:
    """It is sent once: done when it took effect, else an error that claims nothing."""
    cluster = control_planes.clusters[0]
    async with proxied(lambda seen: None) as there:
        await there.writer.apply(deployment(namespace, replicas=0))
    mutate = Once(upstream, "PATCH", when)
    async with proxied(mutate) as there:
        if when == "before":
            with pytest.raises(Unreachable, match="not known"):
                await there.writer.scale(ref_of(deployment(namespace)), 2)
        else:
            await there.writer.scale(ref_of(deployment(namespace)), 2)
        assert len([seen for seen in there.proxy.requests if seen.method == "PATCH"]) == 1
    query = ["-n", namespace, "get", "deployment", "fable", "-o", "jsonpath={.spec.replicas}"]
    assert control_planes.kubectl(cluster, *query) == str(replicas)


async def names_seen(writer: KubernetesCluster, namespace: str, last: str) -> set[str]:
    """Follow until an object appears; every name known by then."""
    known: set[str] = set()
    async with asyncio.timeout(60), aclosing(writer.follow(CONFIG_MAPS, namespace)) as changes:
        async for change in changes:
            if change.type is ChangeType.LISTED:
                known = {item["metadata"]["name"] for item in change.items}
            elif change.object is not None:
                name = change.object["metadata"]["name"]
                (known.discard if change.type is ChangeType.DELETED else known.add)(name)
            if last in known:
                break
    return known


async def _write_many(writer: KubernetesCluster, namespace: str) -> set[str]:
    for number in range(30):
        await writer.create(config_map(namespace, f"n-{number}"))
        await asyncio.sleep(0.1)
    await writer.create(config_map(namespace, "last"))
    return {f"n-{number}" for number in range(30)} | {"last"}


def is_watch(seen: Seen) -> bool:
    return seen.query.get("watch") == "true"


async def test_watch(writer: KubernetesCluster, namespace: str) -> None:
    """Every object written while we follow is seen."""
    writing = asyncio.create_task(_write_many(writer, namespace))
    seen = await names_seen(writer, namespace, "last")
    assert seen >= await writing


async def test_watch_cut_each_second(
    proxied: Proxy, upstream: Upstream, writer: KubernetesCluster, namespace: str
) -> None:
    """A watch that is cut each second misses nothing, and comes back neither never nor all the time."""

    async def cut(seen: Seen, connection: Connection) -> None:
        try:
            async with asyncio.timeout(1):
                await upstream.pass_on(seen, connection)
        except TimeoutError:
            connection.reset()

    async with proxied(lambda seen: cut if is_watch(seen) else None) as there:
        writing = asyncio.create_task(_write_many(writer, namespace))
        seen = await names_seen(there.writer, namespace, "last")
        assert seen >= await writing
        assert 2 <= len([request for request in there.proxy.requests if is_watch(request)]) < 40


async def test_watch_that_says_nothing(proxied: Proxy, writer: KubernetesCluster, namespace: str) -> None:
    """While a watch stays open and silent, what is created is found all the same."""
    async with proxied(lambda seen: hang if is_watch(seen) else None) as there:
        following = asyncio.create_task(names_seen(there.writer, namespace, "last"))
        await asyncio.sleep(1)
        await writer.create(config_map(namespace, "last"))
        assert "last" in await following


async def test_deletions_are_seen(writer: KubernetesCluster, namespace: str) -> None:
    """What is deleted while we follow is told as deleted."""
    created = await writer.create(config_map(namespace, "short-lived"))
    async with asyncio.timeout(20), aclosing(writer.follow(CONFIG_MAPS, namespace)) as changes:
        await anext(changes)
        await writer.delete(ref_of(created), uid=created["metadata"]["uid"])
        async for change in changes:
            if change.type is ChangeType.DELETED and change.object:
                assert change.object["metadata"]["uid"] == created["metadata"]["uid"]
                break


@pytest.mark.long
async def test_bookmarks_keep_a_quiet_watch_alive(proxied: Proxy, namespace: str) -> None:
    """API servers send bookmarks often enough that 90 quiet seconds mean a dead watch: the default listens on."""
    async with proxied(lambda seen: None, Timeouts()) as there:
        with suppress(TimeoutError):
            async with asyncio.timeout(200), aclosing(there.writer.follow(CONFIG_MAPS, namespace)) as changes:
                async for _ in changes:
                    pass
        lists = [seen for seen in there.proxy.requests if seen.path.endswith("/configmaps") and not is_watch(seen)]
        # Without bookmarks it would be listed anew after 90 and 180 s; a loaded server may be late with one of them.
        assert len(lists) < 3
