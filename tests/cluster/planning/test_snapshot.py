"""One look at a real cluster: its records, and what may not be read or does not answer."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, SYSTEM_NAMESPACE, ObjectRef
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import SnapshotRequest
from orchestrator.core.verdict import Want
from orchestrator.delivery import Timeouts, connect
from orchestrator.delivery.snapshot import preview, take_snapshot
from tests.cluster.planning.place import Place

Connect = Callable[[Callable[[Any], None]], AbstractAsyncContextManager[ClusterWriter]]


@pytest.fixture
def connect_as(place: Place, tmp_path: Path) -> Connect:
    """Connect with a kubeconfig in which something is different: `edit` gets the context's cluster and user."""

    @asynccontextmanager
    async def open_(edit: Callable[[Any], None]) -> AsyncIterator[ClusterWriter]:
        text = place.planes.kubectl(
            place.cluster.name, "config", "view", "--minify", "--flatten", "--context", place.cluster.name
        )
        config = yaml.safe_load(text)
        edit(config)
        file = tmp_path / "kubeconfig"
        file.write_text(yaml.safe_dump(config))
        file.chmod(0o600)
        timeouts = Timeouts(connect=1.0, request=3.0)
        async with connect(place.fleet, kubeconfig=file, timeouts=timeouts) as connection:
            yield connection.writer(place.cluster.name)

    return open_


@pytest.fixture
def limited(place: Place) -> Callable[..., Callable[[Any], None]]:
    """A service account that may read the cluster's identity and our records, and what `rules` say in the namespace."""

    def make(rules: list[dict[str, Any]], records: tuple[str, ...] = ("list",)) -> Callable[[Any], None]:
        name = place.namespace
        place.kubectl("create", "namespace", SYSTEM_NAMESPACE, check=False)
        account = {"kind": "ServiceAccount", "name": name, "namespace": name}
        for namespace, granted in (
            (name, rules),
            ("kube-system", [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]),
            (SYSTEM_NAMESPACE, [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(records)}]),
        ):
            where = {"name": name, "namespace": namespace}
            api = "rbac.authorization.k8s.io"
            role = {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": where, "rules": granted}
            reference = {"apiGroup": api, "kind": "Role", "name": name}
            binding = {"apiVersion": f"{api}/v1", "kind": "RoleBinding", "metadata": where, "roleRef": reference}
            place.kubectl("create", "-n", namespace, "-f", "-", stdin=role)
            place.kubectl("create", "-n", namespace, "-f", "-", stdin={**binding, "subjects": [account]})
        place.kubectl("create", "serviceaccount", name)
        token = place.kubectl("create", "token", name).strip()

        def use_token(config: Any) -> None:
            config["users"][0]["user"] = {"token": token}

        return use_token

    return make


def readable(*kinds: str, verbs: tuple[str, ...] = ("get", "list")) -> dict[str, Any]:
    return {"apiGroups": ["", "apps", "autoscaling"], "resources": list(kinds), "verbs": list(verbs)}


async def test_it_finds_records_objects_namespaces_and_scalers(place: Place) -> None:
    one = place.wish(place.deployment())
    await place.carry_out(one)
    request = SnapshotRequest(models=(place.namespace,))
    found = await take_snapshot(place.writer, request)
    assert found.failure is None
    assert found.identity is not None
    assert found.identity.sandbox
    assert found.entries[place.namespace].want is Want.ENABLED
    ref = ObjectRef("apps/v1", "Deployment", place.namespace, "server")
    assert found.live[ref]["spec"]["replicas"] == 2, "what the catalogue names is read without being asked for"
    assert found.namespaces == {place.namespace}


async def test_a_hold_is_found_and_one_that_cannot_be_understood_holds(place: Place) -> None:
    for name, data in (("a", {"reason": "an order"}), ("b", {"apiVersion": "orchestrator/v99"})):
        labels = {LABEL_RECORD: "hold", LABEL_MODEL: place.namespace}
        metadata = {"name": f"{place.namespace}-{name}", "labels": labels}
        hold = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        place.kubectl("create", "namespace", SYSTEM_NAMESPACE, check=False)
        place.kubectl("create", "-n", SYSTEM_NAMESPACE, "-f", "-", stdin=hold)
    item = await place.item(place.wish(place.deployment()))
    assert item.held_by == (f"{place.namespace}-a", f"{place.namespace}-b")
    assert not item.is_change


async def test_a_damaged_entry_is_named_and_the_rest_is_read(place: Place) -> None:
    await place.carry_out(place.wish(place.deployment()))
    name = CatalogueEntry(model=place.namespace, want=Want.ENABLED).to_config_map()["metadata"]["name"]
    broken = json.dumps({"data": {"apiVersion": "orchestrator/v99"}})
    place.kubectl("-n", SYSTEM_NAMESPACE, "patch", "configmap", name, "-p", broken)
    found = await take_snapshot(place.writer, SnapshotRequest(models=(place.namespace,)))
    assert found.failure is None
    assert found.damaged[place.namespace].code == "damaged-entry"
    assert [reason.code for reason in (await place.item(place.wish(place.deployment()))).refusals] == ["damaged-entry"]


async def test_a_cluster_that_is_down_is_a_failure_with_its_reason(place: Place, connect_as: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        def elsewhere(config: Any) -> None:
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"

        async with connect_as(elsewhere) as writer:
            _, found = await place.look(place.wish(place.deployment()), writer)
    assert found.failure is not None
    assert found.failure.code in ("connection-refused", "unreachable")
    assert (found.live, found.entries) == ({}, {})


async def test_a_wrong_certificate_authority_is_a_failure_with_its_reason(place: Place, connect_as: Connect) -> None:
    def distrust(config: Any) -> None:
        del config["clusters"][0]["cluster"]["certificate-authority-data"]

    async with connect_as(distrust) as writer:
        _, found = await place.look(place.wish(place.deployment()), writer)
    assert found.failure is not None
    assert found.failure.code == "certificate"


async def test_records_that_may_not_be_read_are_a_failure_because_holds_lie_there(
    place: Place, connect_as: Connect, limited: Any
) -> None:
    use_token = limited([readable("*")], records=("get",))
    async with connect_as(use_token) as writer:
        _, found = await place.look(place.wish(place.deployment()), writer)
    assert found.failure is not None
    assert found.failure.code == "forbidden"
    assert "list configmaps" in found.failure.message


async def test_autoscalers_that_may_not_be_listed_are_a_failure_because_they_may_own_the_replicas(
    place: Place, connect_as: Connect, limited: Any
) -> None:
    async with connect_as(limited([readable("deployments", "services")])) as writer:
        _, found = await place.look(place.wish(place.deployment()), writer)
    assert found.failure is not None
    assert "horizontalpodautoscalers" in found.failure.message


async def test_an_object_that_may_not_be_read_is_named_and_the_rest_is_read(
    place: Place, connect_as: Connect, limited: Any
) -> None:
    service = place.named({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}, "server")
    one = place.wish(place.deployment(), service)
    await place.carry_out(one)
    use_token = limited([readable("deployments", "horizontalpodautoscalers", "namespaces")])
    async with connect_as(use_token) as writer:
        _, found = await place.look(one, writer)
    ref = ObjectRef("v1", "Service", place.namespace, "server")
    assert found.failure is None
    assert {known.kind for known in found.live} == {"Deployment"}
    assert (found.unread[ref].code, found.unread[ref].object) == ("forbidden", str(ref))


async def test_a_dry_run_that_is_not_permitted_names_the_permission(
    place: Place, connect_as: Connect, limited: Any
) -> None:
    manifest = place.deployment()
    async with connect_as(limited([readable("*")])) as writer:
        (answer,) = (await preview(writer, [manifest])).values()
    assert answer.error is not None
    assert answer.error.code == "forbidden"
    assert "deployments" in answer.error.message


async def test_a_dry_run_of_a_cluster_that_went_away_tells_nothing(place: Place, connect_as: Connect) -> None:
    """It is no reason to refuse the plan of the whole fleet: the write will meet the same fault and name it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        def elsewhere(config: Any) -> None:
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"

        async with connect_as(elsewhere) as writer:
            (answer,) = (await preview(writer, [place.deployment()])).values()
    assert (answer.after, answer.error, answer.conflicts) == (None, None, ())
