"""Real API servers, reached directly and through a proxy that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.objects import JsonObject
from orchestrator.delivery import FleetConnection, KubernetesCluster, Timeouts, connect, load_kubeconfig
from orchestrator.delivery.tls import TlsContexts
from tests.cluster.conftest import ControlPlanes
from tests.faults.behaviours import Upstream, relay
from tests.faults.certificates import Authority
from tests.faults.fleets import connecting
from tests.faults.server import Behaviour, FaultServer, Seen, serving

Mutate = Callable[[Seen], Behaviour | None]


@dataclass(frozen=True)
class Proxied:
    """A cluster behind a proxy of ours."""

    writer: KubernetesCluster
    proxy: FaultServer


Proxy = Callable[..., AbstractAsyncContextManager[Proxied]]


@pytest.fixture
def fleet(control_planes: ControlPlanes) -> Fleet:
    """The clusters with their pinned identities."""
    document = yaml.safe_load(control_planes.fleet_file.read_text())
    clusters = [
        Cluster(name=entry["name"], region=entry["region"], context=entry.get("context"), uid=entry["uid"])
        for entry in document["spec"]["clusters"]
    ]
    return Fleet(name="test", clusters=tuple(clusters))


@pytest.fixture
async def connection(control_planes: ControlPlanes, fleet: Fleet) -> AsyncIterator[FleetConnection]:
    async with connect(fleet, kubeconfig=control_planes.kubeconfig) as connection:
        yield connection


@pytest.fixture
def writer(connection: FleetConnection, control_planes: ControlPlanes) -> KubernetesCluster:
    """The first cluster."""
    return connection.writer(control_planes.clusters[0])


@pytest.fixture
def upstream(control_planes: ControlPlanes, fleet: Fleet) -> Upstream:
    """The first cluster's API server, for a proxy to pass requests on to."""
    context = load_kubeconfig(control_planes.kubeconfig).context(fleet.clusters[0].context_name)
    address = urlsplit(context.server.url)
    tls = TlsContexts().context(context.server, context.user.certificate)
    return Upstream(address.hostname or "", address.port or 0, tls)


@pytest.fixture
def proxied(upstream: Upstream, fleet: Fleet, tmp_path: Path) -> Proxy:
    """Opens a way to the first cluster through a proxy that does what `mutate` says, or passes everything on."""
    authority = Authority()
    tls = authority.issue("127.0.0.1").server_context(tmp_path)
    patient = Timeouts(connect=10, request=10, silence=3)

    @asynccontextmanager
    async def open_proxy(mutate: Mutate, timeouts: Timeouts = patient) -> AsyncIterator[Proxied]:
        async with serving(relay(upstream, mutate), tls) as proxy:
            uid = fleet.clusters[0].uid
            async with connecting(tmp_path, authority.pem, [proxy.port], timeouts=timeouts, uid=uid) as connection:
                yield Proxied(connection.writer("c0"), proxy)

    return open_proxy


def config_map(namespace: str, name: str = "one", **data: str) -> JsonObject:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"key": "value"},
    }


def deployment(namespace: str, name: str = "fable", **spec: object) -> JsonObject:
    """A Deployment whose pods run nowhere, unless `replicas` says otherwise."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "fable"}]}},
            **spec,
        },
    }


async def until(question: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
