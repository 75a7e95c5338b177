"""The connections to a fleet: one transport for all, a channel for each cluster, nothing left open at the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.ports import Clock
from orchestrator.delivery.broken_connections import leave_untold
from orchestrator.delivery.channel import ClusterChannel, Shared
from orchestrator.delivery.client import KubernetesCluster
from orchestrator.delivery.clock import SystemClock
from orchestrator.delivery.credentials import Credentials
from orchestrator.delivery.entries import Context
from orchestrator.delivery.exec_plugin import ExecRunner
from orchestrator.delivery.kubeconfig import Kubeconfig, load_kubeconfig
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.tls import TlsContexts
from orchestrator.delivery.transport import Transport
from orchestrator.errors import DocumentError, Unreachable


class FleetConnection:
    """The ways to every cluster of a fleet."""

    def __init__(
        self, fleet: Fleet, kubeconfig: Kubeconfig, shared: Shared, read_again: Callable[[], Kubeconfig] | None = None
    ) -> None:
        self._fleet, self._kubeconfig, self._shared = fleet, kubeconfig, shared
        self._read_again = read_again
        self._clusters: dict[str, KubernetesCluster] = {}
        self._used: dict[str, Context] = {}
        """By cluster: the context that it was reached by, as it read when it was first used."""

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

    async def read_kubeconfig_again(self) -> frozenset[str]:
        """Take over what somebody changed in the kubeconfig since; returns the clusters that are reached anew.

        What is under way goes on as it began: whoever asks for `writer` again gets such a cluster by its new context.
        A file that cannot be read now, a context that is broken or gone, and a kubeconfig that came through a pipe
        change nothing.
        """
        if self._read_again is None:
            return frozenset()
        try:
            self._kubeconfig = await asyncio.to_thread(self._read_again)
        except DocumentError:
            return frozenset()
        renewed = frozenset(name for name in self._used if self._has_changed(name))
        for name in renewed:
            del self._clusters[name], self._used[name]
        return renewed

    def _has_changed(self, cluster: str) -> bool:
        try:
            return self._kubeconfig.context(self._fleet.cluster(cluster).context_name) != self._used[cluster]
        except Unreachable:
            return False

    def _open(self, cluster: Cluster) -> KubernetesCluster:
        def find_context() -> Context:
            self._used[cluster.name] = found = self._kubeconfig.context(cluster.context_name)
            return found

        return KubernetesCluster(cluster, ClusterChannel(find_context, self._shared))


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
    leave_untold()
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
                clusters=len(fleet.clusters),
            ),
            (lambda: load_kubeconfig(kubeconfig, environ)) if _lies_in_files(kubeconfig, environ) else None,
        )
    finally:
        await transport.close()


def _lies_in_files(explicit: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether the kubeconfig can be read more than once: a pipe gives what it has to the first reader."""
    named = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return not any(path.exists() and not path.is_file() for path in ([explicit] if explicit else named))
