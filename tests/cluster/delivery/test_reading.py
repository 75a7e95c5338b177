"""Reading real clusters: who they are, what they serve, and never more requests than needed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from orchestrator.core.fleet import Fleet
from orchestrator.core.objects import ObjectRef, Resource, dig
from orchestrator.core.ports import Access
from orchestrator.delivery import FleetConnection, KubernetesCluster, connect
from orchestrator.errors import Forbidden, NotFound, WrongCluster
from tests.cluster.conftest import ControlPlanes
from tests.cluster.delivery.conftest import Proxy, config_map, deployment

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


async def test_identities(connection: FleetConnection, control_planes: ControlPlanes) -> None:
    """Each cluster is who kubectl says it is, and a sandbox says so."""
    for name in control_planes.clusters:
        identity = await connection.writer(name).identify()
        told = control_planes.kubectl(name, "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
        assert (identity.uid, identity.sandbox) == (told, True)
    assert connection.contexts_outside_fleet() == ()


async def test_swapped_contexts_are_never_acted_on(control_planes: ControlPlanes, fleet: Fleet, namespace: str) -> None:
    """A context that leads to another cluster of the fleet gets nothing, although everything there would be allowed."""
    first, second, *_ = fleet.clusters
    swapped = Fleet(name="swapped", clusters=(replace(first, context=second.context_name),))
    async with connect(swapped, kubeconfig=control_planes.kubeconfig) as connection:
        for _ in range(2):
            with pytest.raises(WrongCluster, match="wrong cluster"):
                await connection.writer(first.name).create(config_map(namespace))
    assert control_planes.kubectl(second.name, "-n", namespace, "get", "configmap", "one", check=False).startswith(
        "Error"
    )


async def test_one_request_per_question(proxied: Proxy, namespace: str) -> None:
    """After the identity, a read of a known kind is one request; one that not every server has costs one more, once."""
    async with proxied(lambda seen: None) as there:
        await there.writer.get(ObjectRef("v1", "ConfigMap", namespace, "one"))
        for _ in range(2):
            await there.writer.get(ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", namespace, "one"))
        paths = [seen.path.removesuffix("/one") for seen in there.proxy.requests]
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    assert paths == [
        "/api/v1/namespaces/kube-system",
        f"/api/v1/namespaces/{namespace}/configmaps",
        "/apis",
        routes,
        routes,
    ]


async def test_absences(writer: KubernetesCluster, namespace: str) -> None:
    """An object, a kind and an API that are not there are None to `get` and `NotFound` to `resource` and `list`."""
    for api_version, kind in (
        ("v1", "ConfigMap"),
        ("unknown.example/v1", "Foo"),
        ("gateway.networking.k8s.io/v1", "Foo"),
    ):
        assert await writer.get(ObjectRef(api_version, kind, namespace, "one")) is None
    for api_version in (
        "unknown.example/v1",
        "gateway.networking.k8s.io/v1",
        "gateway.networking.k8s.io/v99",
        "apps/v1",
    ):
        with pytest.raises(NotFound):
            await writer.resource(api_version, "Foo")
        group, _, version = api_version.partition("/")
        with pytest.raises(NotFound):
            await writer.list(Resource(group, version, "foos", "Foo"))


async def test_list_over_pages(writer: KubernetesCluster, control_planes: ControlPlanes, namespace: str) -> None:
    """More objects than a page holds come back complete, each saying what it is; labels narrow the list."""
    objects = [config_map(namespace, f"many-{number:04}") for number in range(620)]
    objects[7]["metadata"]["labels"] = {"seventh": "yes"}
    await asyncio.gather(*(writer.create(obj) for obj in objects))
    listing = await writer.list(CONFIG_MAPS, namespace)
    names = {item["metadata"]["name"] for item in listing.items}
    told = control_planes.kubectl(control_planes.clusters[0], "-n", namespace, "get", "configmap", "-o", "name")
    assert names == {line.partition("/")[2] for line in told.split()}
    assert all((item["apiVersion"], item["kind"]) == ("v1", "ConfigMap") for item in listing.items)
    narrowed = await writer.list(CONFIG_MAPS, namespace, labels="seventh=yes")
    assert [item["metadata"]["name"] for item in narrowed.items] == ["many-0007"]


async def test_lists_see_what_was_just_written(writer: KubernetesCluster, namespace: str) -> None:
    """A list is consistent: it never misses our own write of a moment ago."""
    for number in range(30):
        await writer.create(config_map(namespace, f"now-{number}"))
        listing = await writer.list(CONFIG_MAPS, namespace)
        assert f"now-{number}" in {item["metadata"]["name"] for item in listing.items}


async def test_who_and_what(writer: KubernetesCluster) -> None:
    """The server's version, its name for us, and what it lets us do."""
    assert (await writer.version()).startswith("v1.")
    assert await writer.actor()
    assert await writer.allows(Access("patch", "apps", "deployments/scale", "default"))


async def test_missing_permission_is_named(control_planes: ControlPlanes, fleet: Fleet, tmp_path: Path) -> None:
    """Somebody with hardly any rights learns which verb on which resource is missing, and where."""
    document = yaml.safe_load(control_planes.kubeconfig.read_text())
    for user in document["users"]:
        user["user"]["as"] = "jane"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    cluster = control_planes.clusters[0]
    name = f"jane-{tmp_path.name}".replace("_", "-")[:50].lower()
    rules = ["--verb=get", "--resource=namespaces"]
    control_planes.kubectl(cluster, "create", "clusterrole", name, *rules)
    control_planes.kubectl(cluster, "create", "clusterrolebinding", name, f"--clusterrole={name}", "--user=jane")
    try:
        async with connect(fleet, kubeconfig=path) as connection:
            jane = connection.writer(cluster)
            assert await jane.actor() == "jane"
            assert not await jane.allows(Access("patch", "apps", "deployments/scale", "default"))
            with pytest.raises(Forbidden, match=r"patch deployments/scale\.apps in default"):
                await jane.scale(ObjectRef("apps/v1", "Deployment", "default", "fable"), 1)
            with pytest.raises(Forbidden, match=r"list configmaps \("):
                await jane.list(CONFIG_MAPS)
            with pytest.raises(Forbidden, match=r"patch deployments\.apps in default"):
                await jane.apply(deployment("default"))
    finally:
        control_planes.kubectl(cluster, "delete", "clusterrole,clusterrolebinding", name)


async def test_new_kinds_are_found_as_soon_as_they_are_served(
    writer: KubernetesCluster, control_planes: ControlPlanes, namespace: str
) -> None:
    """A kind that was not there a moment ago is found once its CRD is, without a new connection."""
    group = f"{namespace}.example"
    with pytest.raises(NotFound):
        await writer.resource(f"{group}/v1", "Thing")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    created = await writer.create(definition)
    try:
        thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "one", "namespace": namespace}}
        async with asyncio.timeout(20):
            while True:
                try:
                    applied = await writer.apply(thing)
                    break
                except NotFound:
                    await asyncio.sleep(0.1)
        assert dig(applied, "metadata", "name") == "one"
    finally:
        crd = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"things.{group}")
        await writer.delete(crd, uid=created["metadata"]["uid"])
