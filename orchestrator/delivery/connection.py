"""The connections to a fleet: one transport for all, a channel for each cluster, nothing left open at the end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.ports import Clock
from orchestrator.delivery.channel import ClusterChannel, Shared
from orchestrator.delivery.client import KubernetesCluster
from orchestrator.delivery.clock import SystemClock
from orchestrator.delivery.credentials import Credentials
from orchestrator.delivery.exec_plugin import ExecRunner
from orchestrator.delivery.kubeconfig import Kubeconfig, load_kubeconfig
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.tls import TlsContexts
from orchestrator.delivery.transport import Transport


class FleetConnection:
    """The ways to every cluster of a fleet."""

    def __init__(self, fleet: Fleet, kubeconfig: Kubeconfig, shared: Shared) -> None:
        self._fleet, self._kubeconfig, self._shared = fleet, kubeconfig, shared
        self._clusters: dict[str, KubernetesCluster] = {}

    def writer(self, cluster: str) -> KubernetesCluster:
        """The way to a cluster, by its name in the fleet (KeyError for another name).

        Nothing is read or sent yet: a context that cannot be used is an error of whatever is asked first.
        """
        if cluster not in self._clusters:
            self._clusters[cluster] = self._open(self._fleet.cluster(cluster))
        return self._clusters[cluster]

    def contexts_outside_fleet(self) -> tuple[str, ...]:
        """The contexts of the kubeconfig that no cluster of the fleet uses, in the order of the files."""
        used = {cluster.context_name for cluster in self._fleet.clusters}
        return tuple(name for name in self._kubeconfig.contexts() if name not in used)

    def _open(self, cluster: Cluster) -> KubernetesCluster:
        channel = ClusterChannel(lambda: self._kubeconfig.context(cluster.context_name), self._shared)
        return KubernetesCluster(cluster, channel)


@asynccontextmanager
async def connect(
    fleet: Fleet,
    *,
    kubeconfig: Path | None = None,
    timeouts: Timeouts | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[FleetConnection]:
    """Connect to a fleet through `kubeconfig`, or by kubectl's own rules when it is None.

    Raises `DocumentError` for a kubeconfig file that cannot be read at all. Every socket is closed at the end.
    """
    environ = os.environ if environ is None else environ
    timeouts, clock = timeouts or Timeouts(), clock or SystemClock()
    contexts = load_kubeconfig(kubeconfig, environ)
    transport = Transport(timeouts)
    try:
        yield FleetConnection(
            fleet,
            contexts,
            Shared(
                transport=transport,
                tls=TlsContexts(),
                credentials=Credentials(ExecRunner(timeouts.plugin, environ), clock),
                timeouts=timeouts,
                clock=clock,
                environ=environ,
            ),
        )
    finally:
        await transport.close()
