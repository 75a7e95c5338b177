"""Writing to real clusters: under our name, with preconditions that hold, and errors by meaning."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.ports import ChangeType
from orchestrator.delivery import KubernetesCluster
from orchestrator.errors import Conflict, Invalid, NotFound
from tests.cluster.conftest import ControlPlanes
from tests.cluster.delivery.conftest import config_map, deployment


async def live(writer: KubernetesCluster, obj: JsonObject) -> JsonObject:
    found = await writer.get(ref_of(obj))
    assert found is not None
    return found


async def test_apply_is_ours_and_changes_nothing_the_second_time(writer: KubernetesCluster, namespace: str) -> None:
    """The field manager is `orchestrator`; the same manifest again writes nothing."""
    first = await writer.apply(deployment(namespace, replicas=0))
    second = await writer.apply(deployment(namespace, replicas=0))
    assert first["metadata"]["managedFields"][0]["manager"] == "orchestrator"
    assert first["metadata"]["managedFields"][0]["operation"] == "Apply"
    assert second["metadata"]["generation"] == 1


async def test_apply_conflict_names_fields_and_managers(
    writer: KubernetesCluster, control_planes: ControlPlanes, namespace: str
) -> None:
    """What another manager owns is named, untouched without force, and taken with it."""
    await writer.apply(deployment(namespace, replicas=0, minReadySeconds=1))
    cluster = control_planes.clusters[0]
    patch = '{"spec":{"minReadySeconds":7}}'
    control_planes.kubectl(cluster, "-n", namespace, "patch", "deployment", "fable", "-p", patch, "--type=merge")
    with pytest.raises(Conflict) as caught:
        await writer.apply(deployment(namespace, replicas=0, minReadySeconds=2))
    assert caught.value.fields == ((".spec.minReadySeconds", "kubectl-patch"),)
    forced = await writer.apply(deployment(namespace, replicas=0, minReadySeconds=2), force=True)
    assert forced["spec"]["minReadySeconds"] == 2


async def test_unknown_fields_are_refused_at_once(writer: KubernetesCluster, namespace: str) -> None:
    """A misspelt field is `Invalid` and named, for every way of writing, although apply answers 500."""
    wrong = deployment(namespace, replicas=0, replicsa=3)
    async with asyncio.timeout(3):
        for attempt in (writer.apply(wrong), writer.create(wrong)):
            with pytest.raises(Invalid, match="replicsa"):
                await attempt
    await writer.create(deployment(namespace, replicas=0))
    with pytest.raises(Invalid, match="replicsa"):
        await writer.patch(ref_of(wrong), {"spec": {"replicsa": 3}})


async def test_dry_runs_change_nothing(writer: KubernetesCluster, namespace: str) -> None:
    """Each kind of dry-run answers as if it had happened, and nothing has."""
    assert (await writer.create(config_map(namespace), dry_run=True))["metadata"]["uid"]
    assert await writer.get(ref_of(config_map(namespace))) is None
    before = await writer.apply(deployment(namespace, replicas=0))
    ref = ref_of(before)
    assert (await writer.apply(deployment(namespace, replicas=0, paused=True), dry_run=True))["spec"]["paused"] is True
    assert (await writer.scale(ref, 5, dry_run=True))["spec"]["replicas"] == 5
    patched = await writer.patch(ref, {"metadata": {"labels": {"a": "b"}}}, dry_run=True)
    assert patched["metadata"]["labels"] == {"a": "b"}
    after = await live(writer, before)
    assert (after["metadata"]["generation"], after["spec"]["replicas"]) == (1, 0)
    assert "labels" not in after["metadata"]


async def test_create_and_replace(writer: KubernetesCluster, namespace: str) -> None:
    """The first writer wins; a replace holds only for the version that was read."""
    created = await writer.create(config_map(namespace, key="a"))
    with pytest.raises(Conflict):
        await writer.create(config_map(namespace, key="a"))
    replaced = await writer.replace({**created, "data": {"key": "b"}})
    with pytest.raises(Conflict):
        await writer.replace({**created, "data": {"key": "c"}})
    assert (await live(writer, created))["data"] == replaced["data"] == {"key": "b"}


async def test_scale_preconditions(writer: KubernetesCluster, namespace: str) -> None:
    """A stale version is a `Conflict`; without one it is written; nobody owns the field afterwards."""
    created = await writer.apply(deployment(namespace, replicas=0))
    ref = ref_of(created)
    scale = await writer.scale(ref, 1)
    with pytest.raises(Conflict):
        await writer.scale(ref, 2, resource_version=created["metadata"]["resourceVersion"])
    await asyncio.sleep(1)
    fresh = await live(writer, created)
    scale = await writer.scale(ref, 0, resource_version=fresh["metadata"]["resourceVersion"])
    assert scale["kind"] == "Scale"
    after = await live(writer, created)
    assert after["spec"]["replicas"] == 0


@pytest.mark.parametrize("type_", ["merge", "strategic"])
async def test_patch_preconditions(writer: KubernetesCluster, namespace: str, type_: Any) -> None:
    """A uid or version of another object is a `Conflict`, and the right ones pass."""
    created = await writer.create(config_map(namespace))
    ref, metadata = ref_of(created), created["metadata"]
    for wrong in ({"uid": "00000000-0000-0000-0000-000000000000"}, {"resourceVersion": "1"}):
        with pytest.raises(Conflict):
            await writer.patch(ref, {"metadata": {**wrong, "labels": {"a": "b"}}}, type_=type_)
    right = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], "labels": {"a": "b"}}
    patched = await writer.patch(ref, {"metadata": right}, type_=type_)
    assert patched["metadata"]["labels"] == {"a": "b"}


async def test_json_patch(writer: KubernetesCluster, namespace: str) -> None:
    """A JSON patch is sent as one; a failing test in it is `Invalid`."""
    ref = ref_of(await writer.create(config_map(namespace)))
    patched = await writer.patch(ref, [{"op": "replace", "path": "/data/key", "value": "x"}], type_="json")
    assert patched["data"] == {"key": "x"}
    with pytest.raises(Invalid):
        await writer.patch(ref, [{"op": "test", "path": "/data/key", "value": "y"}], type_="json")


async def test_json_patch_tests_text_as_it_is(writer: KubernetesCluster, namespace: str) -> None:
    """A test of text that the API server itself writes escaped holds, as of a Link header; of other text it fails."""
    text = '<https://notices.example/?a=1&b=2>; rel="blocked-by" \u2028\u2029 \u00e9 \x7f \b\f\x1f'
    ref = ref_of(await writer.create({**config_map(namespace), "data": {"key": text}}))
    tested = [{"op": "test", "path": "/data/key", "value": text}, {"op": "remove", "path": "/data/key"}]
    with pytest.raises(Invalid):
        await writer.patch(ref, [{**tested[0], "value": text.replace("<", "(")}, tested[1]], type_="json")
    assert "data" not in await writer.patch(ref, tested, type_="json")


async def test_delete_by_uid(writer: KubernetesCluster, namespace: str) -> None:
    """Another uid deletes nothing, the right one does, and once more is nothing."""
    created = await writer.create(config_map(namespace))
    ref = ref_of(created)
    await writer.delete(ref, uid="00000000-0000-0000-0000-000000000000")
    assert await writer.get(ref)
    for _ in range(2):
        await writer.delete(ref, uid=created["metadata"]["uid"])
        assert await writer.get(ref) is None
    await writer.delete(ObjectRef("unknown.example/v1", "Foo", namespace, "one"), uid="u")


async def test_delete_as_read(writer: KubernetesCluster, namespace: str) -> None:
    """What somebody wrote to since it was read stays; at its version it goes."""
    created = await writer.create(config_map(namespace))
    ref, uid, version = ref_of(created), created["metadata"]["uid"], created["metadata"]["resourceVersion"]
    written = await writer.patch(ref, {"data": {"key": "another"}})
    with pytest.raises(Conflict):
        await writer.delete(ref, uid=uid, resource_version=version)
    assert await writer.get(ref)
    await writer.delete(ref, uid=uid, resource_version=written["metadata"]["resourceVersion"])
    assert await writer.get(ref) is None
    await writer.delete(ref, uid=uid, resource_version=version)


async def test_delete_takes_the_pods_along(
    writer: KubernetesCluster, control_planes: ControlPlanes, namespace: str
) -> None:
    """Propagation is background: what belongs to a Deployment goes with it."""
    created = await writer.apply(deployment(namespace, replicas=1))
    pods = await writer.resource("v1", "Pod")
    async with asyncio.timeout(30), aclosing(writer.follow(pods, namespace)) as changes:
        async for change in changes:
            if change.items or change.type is ChangeType.ADDED:
                await writer.delete(ref_of(created), uid=created["metadata"]["uid"])
            if change.type is ChangeType.DELETED:
                break
    assert (await writer.list(pods, namespace)).items == ()


async def test_refusals_by_admission_are_invalid(
    writer: KubernetesCluster, control_planes: ControlPlanes, namespace: str
) -> None:
    """A 403 of Pod Security is no missing permission: the object is refused, in the server's words."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    control_planes.kubectl(control_planes.clusters[0], "label", "namespace", namespace, label)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    async with asyncio.timeout(10):
        while True:
            try:
                await writer.create(pod, dry_run=True)
            except Invalid as error:
                assert "violates PodSecurity" in error.message
                break
            await asyncio.sleep(0.2)


async def test_missing_namespace(writer: KubernetesCluster) -> None:
    """A namespace that is not there is `NotFound`, and one that is not named is refused before sending."""
    with pytest.raises(NotFound, match="no-such-namespace"):
        await writer.apply(config_map("no-such-namespace"))
    with pytest.raises(Invalid, match="namespace"):
        await writer.apply(config_map(""))


async def test_generation_and_name_of_the_answer(writer: KubernetesCluster, namespace: str) -> None:
    """A changed spec raises the generation that the answer tells."""
    await writer.apply(deployment(namespace, replicas=0))
    changed = await writer.apply(deployment(namespace, replicas=0, minReadySeconds=3))
    assert dig(changed, "metadata", "generation") == 2
